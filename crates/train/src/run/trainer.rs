//! The training loop. What it does besides updating the weights stands in `measure`.

mod measure;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use model::{Batch, Transformer};
use serde_json::json;

use crate::adam::Adam;
use crate::checkpoint::{self, Checkpoint, State};
use crate::data::{Example, Prefetch, Prefetched};
use crate::ema::Ema;
use crate::error::TrainError;
use crate::learner::{Learner, Update};
use crate::meter::Meter;
use crate::progress::{Progress, StepLine};
use crate::run_folder::RunFolder;
use crate::schedule;
use crate::task::Task;
use crate::validation::Report;
use crate::workers::Workers;
use runs::config::RunConfig;

/// How training ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All steps are done; the exported weights' test, if there is a test split.
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
    /// A new run that starts from the weights of `model`, or (with `resume`) the one in `path`, from its last
    /// checkpoint. The model's device differentiates, `device` does not. From here on the whole process takes its products
    /// with `training.matmul_precision`.
    ///
    /// # Errors
    /// A folder that cannot be written, or a checkpoint that cannot be read.
    pub fn new(
        config: &'a RunConfig,
        task: &'a Task,
        model: Transformer,
        path: &Path,
        resume: bool,
        device: Device,
        workers: Workers,
    ) -> Result<Self, TrainError> {
        let training = &config.training;
        training.matmul_precision.set();
        let (mut folder, found) = match resume {
            true => (RunFolder::resume(path, task)?, checkpoint::load_latest(path, &model, training)?),
            false => (RunFolder::create(path, config, task)?, None),
        };
        let Checkpoint { state, model, optimizer, ema } = found.unwrap_or_else(|| Checkpoint::start(model));
        folder.cut_metrics(state.metrics_length)?;
        let meter = Meter::resume(state.since_logged, &device);
        let decay = (training.ema > 0.0).then_some(training.ema);
        let ema = decay.map(|decay| Ema::from_tensors(decay, ema, &device));
        let optimizer = Adam::from_tensors(optimizer, &device).with_weight_decay(training.weight_decay);
        let learner = Learner::new(model, optimizer, workers, device.clone()).with_ema(ema);
        let mut trainer = Self { config, task, device, folder, learner, state, meter };
        if !resume && training.init_from.is_some() {
            trainer.save()?; // from here on the other run may change or go
        }
        Ok(trainer)
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
        if self.state.finished {
            return Ok(Outcome::AlreadyFinished);
        }
        self.tell_of_later_weights(progress);
        let (part_tokens, parts) = (training.max_tokens / training.accumulate, training.accumulate);
        let data = self.task.training.clone();
        let mut ahead = Prefetch::start(data, part_tokens, parts, training.seed, self.state.position)?;
        while self.state.step < training.steps {
            if stop.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(Outcome::Interrupted { step: self.state.step });
            }
            let next = ahead.next_update();
            let (Prefetched { parts, after, epoch_read }, waited) =
                next.or_else(|error| self.cut_short(error, progress))?;
            let parts: Vec<Batch> = parts.iter().map(|examples| self.batch(examples)).collect();
            self.update(&parts);
            self.meter.waited(waited);
            self.state.position = after;
            progress.advance(self.state.step);

            let due = |every: u64| self.state.step.is_multiple_of(every);
            let (log, last) = (due(training.log_every), self.state.step == training.steps);
            let (validate, checkpoint) = (due(validation.every) || last, due(training.checkpoint_every));
            if log || last {
                progress.step(self.log()?);
            }
            if let Some(counts) = epoch_read {
                self.tell(counts, progress)?;
            }
            if validate {
                self.validate(progress)?;
                if self.exhausted() {
                    progress.say(&format!("nothing better in {} validations: done early", validation.patience));
                    break;
                }
            }
            if checkpoint && !last {
                self.save()?;
            }
        }
        let test = self.finish(progress)?;
        self.state.finished = true;
        self.save()?;
        Ok(Outcome::Finished(test))
    }

    /// Keeps what was learned before the data broke off.
    fn cut_short<T>(&mut self, error: TrainError, progress: &Progress) -> Result<T, TrainError> {
        // A corpus that has changed may have been learned from already.
        let changed = matches!(error, TrainError::CorpusChanged { .. } | TrainError::LearnedElsewhere { .. });
        if self.state.step > 0 && !changed {
            self.save()?;
            progress.say(&format!("checkpoint of step {} written; go on with --resume", self.state.step));
        }
        Err(error)
    }

    /// One update of the weights.
    fn update(&mut self, parts: &[Batch]) {
        let (training, step) = (&self.config.training, self.state.step + 1);
        let found = self.learner.update(
            parts,
            Update {
                step,
                learning_rate: schedule::learning_rate(training, self.config.model.d_model, step),
                seed: training.seed,
                dropout_share: training.dropout_share(step),
                objective: training.objective(step),
                clip_norm: training.clip_norm,
            },
        );
        self.meter.add(found, parts);
        self.state.step = step;
        self.state.tokens += parts.iter().map(|part| part.target_tokens as u64).sum::<u64>();
    }

    fn batch(&self, examples: &[Example]) -> Batch {
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
            "timing": {
                "seconds": reading.seconds,
                "tokens_per_second": reading.tokens_per_second,
                "waiting_for_data": reading.waiting,
            },
        }))?;
        let tokens_per_second = reading.tokens_per_second;
        Ok(StepLine { step, loss: reading.loss, learning_rate: rate, tokens_per_second })
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
        checkpoint::save(&self.folder, &self.learner, &self.state, self.config.training.keep)
    }
}
