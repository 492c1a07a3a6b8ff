//! The training loop.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use infer::TrainedModel;
use model::{Batch, Transformer, weights};
use serde_json::json;

use crate::adam::Adam;
use crate::batches::Batches;
use crate::checkpoint::{self, State};
use crate::config::RunConfig;
use crate::error::TrainError;
use crate::learner::{Learner, Update};
use crate::meter::Meter;
use crate::progress::{Progress, StepLine};
use crate::run_folder::RunFolder;
use crate::schedule;
use crate::task::{Example, Sample, Task};
use crate::validation::{self, Report};
use crate::workers::Workers;

/// How training ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All steps are done; the best weights' test, if there is a test split.
    Finished(Option<Report>),
    /// It was finished before.
    AlreadyFinished,
    /// Stopped on request, with a checkpoint to go on from.
    Interrupted { step: u64 },
}

/// A run in progress.
pub struct Trainer<'a> {
    config: &'a RunConfig,
    task: &'a Task,
    device: Device,
    folder: RunFolder,
    learner: Learner,
    state: State,
    meter: Meter,
}

impl<'a> Trainer<'a> {
    /// A new run, or (with `resume`) the one in `path`, from its last checkpoint.
    ///
    /// # Errors
    /// A folder that cannot be written, or a checkpoint that cannot be read.
    pub fn new(
        config: &'a RunConfig,
        task: &'a Task,
        path: &Path,
        resume: bool,
        device: Device,
        workers: Workers,
    ) -> Result<Self, TrainError> {
        let differentiating = device.clone().autodiff();
        let fresh = Transformer::new(&config.model, task.sizes(), config.training.seed, &differentiating)
            .map_err(|source| TrainError::Config { origin: "configuration".to_string(), source })?;
        let found = if resume { checkpoint::load_latest(path, fresh.clone(), &differentiating)? } else { None };
        let mut folder = if resume { RunFolder::open(path)? } else { RunFolder::create(path, config, task)? };
        let (state, model, optimizer) = found.unwrap_or_else(|| (State::default(), fresh, Adam::default()));
        folder.cut_metrics(state.metrics_length)?;
        let meter = Meter::resume(state.since_logged, &device);
        let learner = Learner::new(model, optimizer, workers, device.clone());
        Ok(Self { config, task, device, folder, learner, state, meter })
    }

    pub fn model(&self) -> &Transformer {
        self.learner.model()
    }

    /// Updates done so far.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// Trains to the last step, or until `stop` is set.
    ///
    /// # Errors
    /// A loss that is no longer a number, a disk that is full, a device that fails.
    pub fn run(&mut self, progress: &Progress, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let RunConfig { training, validation, .. } = self.config;
        if self.state.step >= training.steps {
            return Ok(Outcome::AlreadyFinished);
        }
        let part_tokens = training.max_tokens / training.accumulate;
        let mut batches = Batches::new(&self.task.training, part_tokens, training.seed, self.state.position);
        while self.state.step < training.steps {
            if stop.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(Outcome::Interrupted { step: self.state.step });
            }
            let parts: Vec<Batch> = (0..training.accumulate).map(|_| self.batch(&batches.next_batch())).collect();
            self.update(&parts);
            self.state.position = batches.position();
            progress.advance(self.state.step);

            let due = |every: u64| self.state.step.is_multiple_of(every);
            let (log, last) = (due(training.log_every), self.state.step == training.steps);
            let (validate, checkpoint) = (due(validation.every) || last, due(training.checkpoint_every));
            if log || last {
                progress.step(self.log()?);
            }
            if validate {
                self.validate(progress)?;
            }
            if checkpoint && !last {
                self.save()?;
            }
        }
        let test = self.test()?;
        self.save()?;
        Ok(Outcome::Finished(test))
    }

    /// One update of the weights.
    fn update(&mut self, parts: &[Batch]) {
        let (training, step) = (&self.config.training, self.state.step + 1);
        let found = self.learner.update(
            parts,
            Update {
                step,
                learning_rate: schedule::learning_rate(training, self.config.model.d_model, step),
                seed: Some(training.seed),
                label_smoothing: training.label_smoothing,
                clip_norm: training.clip_norm,
            },
        );
        self.meter.add(found, parts);
        self.state.step = step;
        self.state.tokens += parts.iter().map(|part| part.target_tokens as u64).sum::<u64>();
    }

    fn batch(&self, examples: &[&Example]) -> Batch {
        let pairs: Vec<(&[u32], &[u32])> =
            examples.iter().map(|example| (&example.source[..], &example.target[..])).collect();
        Batch::new(&pairs, self.task.sizes(), &self.device)
    }

    /// Writes what happened since the last line to `metrics.jsonl`.
    fn log(&mut self) -> Result<StepLine, TrainError> {
        let step = self.state.step;
        let rate = schedule::learning_rate(&self.config.training, self.config.model.d_model, step);
        let reading = self.meter.read(&self.device)?;
        self.still_a_number(reading.loss)?;
        self.folder.log(&json!({
            "step": step,
            "epoch": self.state.position.epoch,
            "loss": reading.loss,
            "nll": reading.nll,
            "perplexity": reading.nll.exp(),
            "learning_rate": rate,
            "gradient_norm": reading.gradient_norm,
            "tokens": self.state.tokens,
            "padding": reading.padding,
            "timing": { "seconds": reading.seconds, "tokens_per_second": reading.tokens_per_second },
        }))?;
        let tokens_per_second = reading.tokens_per_second;
        Ok(StepLine { step, loss: reading.loss, learning_rate: rate, tokens_per_second })
    }

    /// Decodes the validation set and keeps the weights if they are the best so far.
    fn validate(&mut self, progress: &Progress) -> Result<(), TrainError> {
        let started = Instant::now();
        let trained = self.trained(self.model().valid());
        let report = self.measure(&trained, &self.task.validation)?;
        self.still_a_number(report.nll)?; // else such weights could become the best
        let score = report.score(self.config.validation.metric);
        // Equal is better too: later weights have seen more.
        let best = self.state.best.is_none_or(|best| score >= best);
        if best {
            self.state.best = Some(score);
            let note = json!({ "step": self.state.step }).to_string();
            let bytes = weights::to_safetensors(&weights::collect(self.model()), &note)
                .map_err(|source| TrainError::Weights { path: self.folder.path().to_path_buf(), source })?;
            self.folder.write_weights(&bytes)?;
        }
        progress.report(&format!("validation at step {}", self.state.step), &report);
        let timing = json!({ "seconds": started.elapsed().as_secs_f64() });
        self.folder.log(&json!({
            "step": self.state.step, "validation": report, "best": best, "timing": timing
        }))?;
        self.meter.pause(started);
        Ok(())
    }

    /// Measures the weights that were kept on the test split.
    fn test(&mut self) -> Result<Option<Report>, TrainError> {
        if self.task.test.is_empty() {
            return Ok(None);
        }
        let started = Instant::now();
        let trained = TrainedModel::open(self.folder.path(), &self.device)?;
        let report = self.measure(&trained, &self.task.test)?;
        let timing = json!({ "seconds": started.elapsed().as_secs_f64() });
        self.folder.log(&json!({ "step": self.state.step, "test": report, "timing": timing }))?;
        Ok(Some(report))
    }

    fn measure(&self, trained: &TrainedModel, samples: &[Sample]) -> Result<Report, TrainError> {
        validation::validate(trained, samples, self.config.validation.samples)
    }

    fn trained(&self, model: Transformer) -> TrainedModel {
        TrainedModel {
            model,
            config: self.config.model.clone(),
            decoding: self.config.decoding.clone(),
            source_tokenizer: self.task.source_tokenizer.clone(),
            target_tokenizer: self.task.target_tokenizer.clone(),
            sizes: self.task.sizes(),
            device: self.device.clone(),
        }
    }

    fn still_a_number(&self, loss: f64) -> Result<(), TrainError> {
        match loss.is_finite() {
            true => Ok(()),
            false => Err(TrainError::Diverged { step: self.state.step, loss }),
        }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.state.metrics_length = self.folder.metrics_length()?;
        self.state.since_logged = self.meter.counted()?;
        self.still_a_number(self.state.since_logged.loss.into())?;
        checkpoint::save(
            &self.folder,
            self.learner.model(),
            self.learner.optimizer(),
            &self.state,
            self.config.training.keep,
        )
    }
}
