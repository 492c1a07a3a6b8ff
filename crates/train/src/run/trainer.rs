//! The training loop. Validation and the choice of the final weights are in `validate`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use model::{Batch, Transformer};
use runs::config::{Difference, RunConfig};
use runs::record::{PairCounts, Record, Scores, Step, StepTiming};
use runs::{ExistingRun, RunFolder, RunParts};

use super::checkpoint::{self, Checkpoint, CheckpointState};
use super::evaluate::Decoder;
use super::observer::{Observer, Started};
use super::prepare;
use super::ranks::Ranks;
use super::reopen::{check_weights, reopen, restore_best};
use super::step_metrics::StepMetrics;
use crate::data::{Example, Prefetch, Prefetched, padded_batch};
use crate::error::TrainError;
use crate::optim::{MicroBatches, StepOptions, TrainState, Workers, learning_rate};
use crate::task::Task;

/// The end of training.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All steps are done; with the scores of the final weights on the test split, if there is one.
    Finished(Option<Scores>),
    /// The run was finished before.
    AlreadyFinished {
        /// Total number of updates.
        step: u64,
    },
    /// Training stopped on request, with a checkpoint to resume from.
    Interrupted {
        /// The step of the checkpoint.
        step: u64,
    },
}

/// A run in progress.
pub(super) struct Trainer<'a> {
    pub(super) config: &'a RunConfig,
    pub(super) task: &'a Task,
    pub(super) device: Device,
    pub(super) folder: RunFolder,
    pub(super) decoder: Decoder,
    pub(super) ranks: Ranks<'a>,
    pub(super) train_state: TrainState,
    pub(super) state: CheckpointState,
    pub(super) metrics: StepMetrics,
    /// The best weights before the end of the run, if its end may replace them.
    pub(super) best_before_end: Option<Vec<u8>>,
    /// Changes of the configuration since the run was last started.
    changes: Vec<Difference>,
}

/// The run folder, and what was found there.
pub(super) struct Place<'p> {
    pub(super) path: &'p Path,
    pub(super) existing: ExistingRun,
}

impl<'a> Trainer<'a> {
    /// Creates the run folder, or opens it and restores its last checkpoint. `model`, whose device
    /// differentiates unlike `device`, has the initial weights.
    pub(super) fn new(
        config: &'a RunConfig,
        task: &'a Task,
        model: Transformer,
        place: Place<'_>,
        device: Device,
        workers: Workers,
        ranks: Ranks<'a>,
    ) -> Result<Self, TrainError> {
        let Place { path, existing } = place;
        let training = &config.training;
        let (mut folder, checkpoint) = match existing {
            ExistingRun::Resumable => {
                let folder = RunFolder::resume(path, &task.corpora, config)?;
                let keep = folder.config()?.training.keep_checkpoints; // a finished run does not change
                (folder, checkpoint::load_latest(path, &model, training, keep)?)
            }
            ExistingRun::None | ExistingRun::ToBackUp => (RunFolder::create(path, parts(config, task))?, None),
        };
        let Checkpoint { state, model, optimizer, ema, lora } =
            checkpoint.unwrap_or_else(|| Checkpoint::initial(model));
        let model = prepare::frozen(model, training)?;
        check_weights(&folder, &state, &model, config)?;
        let state = match state.reopens(config) {
            true => {
                let state = state.reopened(&folder)?;
                reopen(&mut folder, &state)?;
                state
            }
            false => {
                if !state.finished {
                    restore_best(&mut folder, state.step)?; // after a kill while the run ended
                }
                folder.truncate_metrics(state.metrics_length)?;
                state
            }
        };
        let changes = if state.finished { Vec::new() } else { folder.adopt_config(config)? };
        let metrics = StepMetrics::resume(state.since_logged, &device);
        let train_state = TrainState::restore(model, optimizer, ema, lora, training, workers, device.clone());
        let train_state = ranks.start(config, task, train_state);
        let (source, target) = (task.source_tokenizer.clone(), task.target_tokenizer.clone());
        let decoder = Decoder::new(config, source, target, device.clone());
        let best_before_end = None;
        let mut trainer = Self {
            config,
            task,
            device,
            folder,
            decoder,
            ranks,
            train_state,
            state,
            metrics,
            best_before_end,
            changes,
        };
        if existing != ExistingRun::Resumable && training.init_from.is_some() {
            trainer.save()?; // from here on the other run may be changed or removed
        }
        Ok(trainer)
    }

    /// Trains to the last step, or until `stop` is set.
    pub(super) fn train(&mut self, observer: &mut impl Observer, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let RunConfig { training, validation, .. } = self.config;
        let (model, notes) = (self.train_state.model(), &self.task.notes);
        observer.started(Started { model, notes, step: self.state.step, steps: training.steps });
        if self.state.finished {
            if self.state.step < training.steps {
                observer.note(&format!("it stopped early, by validation.patience = {}", validation.patience));
            }
            return Ok(Outcome::AlreadyFinished { step: self.state.step });
        }
        if self.ranks.are_several() {
            observer.note(&self.ranks.description());
        }
        self.changes.iter().for_each(|change| observer.note(&format!("changed: {change}")));
        self.warn_newer_weights(observer);
        let max_tokens = training.max_tokens / training.micro_batches;
        let data = self.task.training.clone();
        let mut prefetch =
            Prefetch::start(data, max_tokens, training.micro_batches, training.seed, self.state.position)?;
        // A run that was killed while it ended is out of patience already.
        while self.state.step < training.steps && !self.out_of_patience() {
            if stop.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(Outcome::Interrupted { step: self.state.step });
            }
            let next = prefetch.next_update();
            let (Prefetched { micro_batches, after, epoch_read }, waited) =
                next.or_else(|error| self.save_on_data_error(error, observer))?;
            self.update(&micro_batches)?;
            self.metrics.add_waiting(waited);
            self.state.position = after;
            observer.updated(self.state.step);

            let step = self.state.step;
            let due = |every: u64| step.is_multiple_of(every);
            if due(training.log_every) {
                observer.logged(&self.log()?);
            }
            if let Some(counts) = epoch_read {
                self.log_epoch(counts, observer)?;
            }
            if due(validation.every) {
                self.validate(observer)?;
                if self.out_of_patience() {
                    observer.note(&format!("no improvement in {} validations: stopping early", validation.patience));
                    break;
                }
            }
            if due(training.checkpoint_every) && step < training.steps {
                self.save()?;
            }
        }
        let test = self.finish(observer)?;
        self.state.finished = true;
        self.save()?;
        Ok(Outcome::Finished(test))
    }

    /// Saves a checkpoint when the data cannot be read any more, and returns the error.
    fn save_on_data_error<T>(&mut self, error: TrainError, observer: &mut impl Observer) -> Result<T, TrainError> {
        // The weights may have been trained on a corpus that has changed.
        let changed = matches!(error, TrainError::CorpusChanged { .. } | TrainError::LearnedElsewhere { .. });
        if self.state.step > 0 && !changed {
            self.save()?;
            observer.note(&format!("checkpoint of step {} written; resume with --resume", self.state.step));
        }
        Err(error)
    }

    /// Updates the weights once.
    fn update(&mut self, micro_batches: &[Vec<Example>]) -> Result<(), TrainError> {
        let step = self.state.step + 1;
        let target_tokens =
            |examples: &Vec<Example>| examples.iter().map(|example| example.target.len()).sum::<usize>();
        let tokens = micro_batches.iter().map(target_tokens).sum();
        let own = self.ranks.deal(step, tokens, micro_batches);
        let (start, sizes) = (self.task.frames.target.start, self.task.sizes());
        let batches: Vec<Batch> =
            own.iter().map(|examples| padded_batch(examples, start, sizes, &self.device)).collect();
        let share = MicroBatches { batches: &batches, count: micro_batches.len(), tokens };
        let output = self.train_state.step_together(share, step_options(self.config, step), self.ranks.cluster())?;
        let longest = |examples: &Vec<Example>| examples.iter().map(|example| example.target.len()).max().unwrap_or(0);
        let positions = micro_batches.iter().map(|examples| examples.len() * longest(examples)).sum();
        self.metrics.add(output, tokens, positions);
        self.state.step = step;
        self.state.tokens += tokens as u64;
        Ok(())
    }

    /// Logs the numbers since the last logged step.
    pub(super) fn log(&mut self) -> Result<Step, TrainError> {
        let step = self.state.step;
        let means = self.metrics.take(&self.device)?;
        let traffic = self.ranks.traffic(means.seconds);
        self.ensure_finite(means.loss)?;
        let record = Step {
            step,
            epoch: self.state.position.epoch,
            loss: means.loss,
            nll: means.nll,
            perplexity: means.nll.exp(),
            learning_rate: learning_rate(&self.config.training, self.config.model.d_model, step),
            gradient_norm: means.gradient_norm,
            tokens: self.state.tokens,
            padding: means.padding,
            timing: StepTiming {
                seconds: means.seconds,
                tokens_per_second: means.tokens_per_second,
                waiting_for_data: means.waiting,
                exchanging: traffic.map(|(share, _)| share),
                sent_bytes: traffic.map(|(_, bytes)| bytes),
            },
        };
        self.folder.log(&Record::Step(record.clone()))?;
        Ok(record)
    }

    /// Logs the counts of an epoch of a streamed corpus; one in memory was counted before training began.
    fn log_epoch(&mut self, counts: PairCounts, observer: &mut impl Observer) -> Result<(), TrainError> {
        if !self.task.training.is_streamed() {
            return Ok(());
        }
        let step = self.state.step;
        observer.note(&format!("an epoch ends at step {step}: {counts}"));
        let record = runs::record::Epoch { step, epoch_read: counts, timing: runs::record::NoTiming {} };
        Ok(self.folder.log(&Record::Epoch(record))?)
    }

    pub(super) fn ensure_finite(&self, loss: f64) -> Result<(), TrainError> {
        match loss.is_finite() {
            true => Ok(()),
            false => Err(TrainError::Diverged { step: self.state.step, loss }),
        }
    }

    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        self.state.metrics_length = self.folder.sync_metrics()?;
        self.state.since_logged = self.metrics.sums()?;
        self.ensure_finite(self.state.since_logged.loss.into())?;
        self.ranks.compare_weights(&self.train_state, self.state.step)?;
        let (best, keep) = (self.best_before_end.as_deref(), self.config.training.keep_checkpoints);
        let moments = || self.ranks.moments(&self.train_state);
        checkpoint::save(&self.folder, &self.train_state, moments, &self.state, best, keep)
    }
}

/// Returns the options of update number `step`, from 1.
pub fn step_options(config: &RunConfig, step: u64) -> StepOptions {
    let training = &config.training;
    StepOptions {
        step,
        learning_rate: learning_rate(training, config.model.d_model, step),
        seed: training.seed,
        dropout_share: training.dropout_share(step),
        objective: training.objective(step),
        clip_norm: training.clip_norm,
    }
}

fn parts<'a>(config: &'a RunConfig, task: &'a Task) -> RunParts<'a> {
    RunParts {
        config,
        source_tokenizer: &task.source_tokenizer,
        target_tokenizer: &task.target_tokenizer,
        corpora: &task.corpora,
    }
}
