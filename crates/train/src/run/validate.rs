//! Validation during training, and the choice of the weights that the run folder holds.

use std::fs;
use std::time::Instant;

use decode::engine::read_network;
use decode::{DecodeError, TrainedModel};
use model::weights::{self, NamedTensor};
use runs::RunError;
use runs::config::{FinalWeights, RunConfig};
use runs::layout;
use runs::record::{self, Record, Scores, Timing};

use super::checkpoint::CheckpointState;
use super::evaluate::{evaluate, score, sources, translate};
use super::observer::Observer;
use super::reopen::BeforeEnd;
use super::snapshots::{self, Snapshot};
use super::trainer::Trainer;
use crate::error::TrainError;
use crate::report;

impl Trainer<'_> {
    /// Measures the current weights on the validation split, and writes them to the run folder if they are the best.
    pub(super) fn validate(&mut self, observer: &mut impl Observer) -> Result<(), TrainError> {
        let (started, step) = (Instant::now(), self.state.step);
        let model = self.train_state.eval_model();
        let tensors = weights::collect(&model);
        let validation = &self.config.validation;
        let decodable = self.decoder.with_weights(&model, &tensors);
        self.ranks.compare_weights(&self.train_state, step)?;
        let outputs = self.ranks.translate(&sources(&self.task.validation), |texts| translate(&decodable, texts));
        let scored =
            outputs.and_then(|outputs| evaluate(&outputs, &decodable, &model, &self.task.validation, validation));
        let scores = scored.map_err(|error| match matches!(error, TrainError::Decode(DecodeError::NotFinite)) {
            true => TrainError::Diverged { step, loss: f64::NAN },
            false => error,
        })?;
        self.ensure_finite(scores.nll)?; // such weights could become the best
        let score = score(&scores, validation.metric);
        // Ties count as an improvement for keeping weights, not for early stopping.
        let best = self.state.best.is_none_or(|best| score >= best);
        self.state.stale = match self.state.best {
            Some(old) if score <= old => self.state.stale + 1,
            Some(_) | None => 0,
        };
        if best {
            self.state.best = Some(score);
            self.write_weights(&tensors)?;
        }
        if let Some(average) = self.config.training.average {
            snapshots::write(self.folder.path(), step, &tensors)?;
            self.state.snapshots = snapshots::choose(&self.state.snapshots, Snapshot { step, score }, average);
        }
        observer.scored(&format!("validation at step {step}"), &scores);
        let timing = since(started);
        self.log_scores(Record::Validation(record::Validation { step, scores, best, timing }))?;
        self.metrics.exclude_since(started);
        Ok(())
    }

    /// Returns whether training stops early, after `validation.patience` validations without improvement.
    pub(super) fn out_of_patience(&self) -> bool {
        let patience = self.config.validation.patience;
        patience > 0 && self.state.stale >= patience
    }

    /// Notes if `model.safetensors` is newer than the checkpoint. If updates are deterministic, the validation that wrote it
    /// is repeated; on other devices these weights may not recur.
    pub(super) fn warn_newer_weights(&self, observer: &mut impl Observer) {
        if let Some(step) = self.folder.weights_step().filter(|&step| step > self.state.step) {
            let path = self.folder.path().join(layout::WEIGHTS);
            observer.note(&format!(
                "{} holds the weights of step {step}, after the checkpoint, until a validation is the best",
                path.display()
            ));
        }
    }

    /// Logs and validates the last update, writes the final weights and measures them on the test split, if there is one.
    /// What a longer run would not do here comes after the state that it goes on with.
    pub(super) fn finish(&mut self, observer: &mut impl Observer) -> Result<Option<Scores>, TrainError> {
        let RunConfig { training, validation, .. } = self.config;
        let step = self.state.step;
        let validates = step == training.steps && !step.is_multiple_of(validation.every);
        let averages = match training.final_weights {
            FinalWeights::Average => true,
            FinalWeights::Best | FinalWeights::Ema => false, // the best validation wrote them
        };
        if self.state.best.is_some() && (validates || averages) {
            let path = self.folder.path().join(layout::WEIGHTS);
            self.best_before_end = Some(fs::read(&path).map_err(|source| RunError::Read { path, source })?);
            self.save()?; // a kill while these weights are replaced loses nothing
        }
        let CheckpointState { best, stale, .. } = self.state;
        let (metrics_length, since_logged) = (self.folder.sync_metrics()?, self.metrics.sums()?);
        let snapshots = self.state.snapshots.clone();
        self.state.before_end = Some(BeforeEnd { best, stale, snapshots, metrics_length, since_logged });
        if step == training.steps && !step.is_multiple_of(training.log_every) {
            observer.logged(&self.log()?);
        }
        if validates {
            self.validate(observer)?;
        }
        if averages {
            self.write_average(observer)?;
        }
        if self.task.test.is_empty() {
            return Ok(None);
        }
        let (started, step) = (Instant::now(), self.state.step);
        let model = TrainedModel::open(self.folder.path(), &self.device)?;
        let path = self.folder.path().join(layout::WEIGHTS);
        let network = read_network(&path, &model.config, model.sizes, &self.device)
            .map_err(|source| TrainError::Weights { path, source })?;
        let outputs = translate(&model, &sources(&self.task.test))?;
        let scores = evaluate(&outputs, &model, &network, &self.task.test, &self.config.validation)?;
        self.log_scores(Record::Test(record::Test { step, scores: scores.clone(), timing: since(started) }))?;
        Ok(Some(scores))
    }

    /// Replaces the best weights by the mean of the snapshots.
    fn write_average(&mut self, observer: &mut impl Observer) -> Result<(), TrainError> {
        let (started, step) = (Instant::now(), self.state.step);
        let mean = snapshots::mean(self.folder.path(), &self.state.snapshots)?;
        let model = weights::load(self.train_state.eval_model(), mean.clone())
            .map_err(|source| TrainError::Weights { path: self.folder.path().to_path_buf(), source })?;
        let decodable = self.decoder.with_weights(&model, &mean);
        let examples = &self.task.validation;
        let outputs = translate(&decodable, &sources(examples))?;
        let scores = evaluate(&outputs, &decodable, &model, examples, &self.config.validation)?;
        self.write_weights(&mean)?;
        let average_of: Vec<u64> = self.state.snapshots.iter().map(|snapshot| snapshot.step).collect();
        observer.scored(&format!("validation of the average of {} validations' weights", average_of.len()), &scores);
        let timing = since(started);
        self.log_scores(Record::Average(record::Average { step, average_of, scores, timing }))
    }

    /// Logs a record and updates the report.
    fn log_scores(&mut self, record: Record) -> Result<(), TrainError> {
        self.folder.log(&record)?;
        report::write(self.folder.path())
    }

    fn write_weights(&mut self, tensors: &[NamedTensor]) -> Result<(), TrainError> {
        let bytes = weights::to_safetensors(tensors, &layout::step_note(self.state.step))
            .map_err(|source| TrainError::Weights { path: self.folder.path().to_path_buf(), source })?;
        Ok(self.folder.write_weights(&bytes)?)
    }
}

fn since(started: Instant) -> Timing {
    Timing { seconds: started.elapsed().as_secs_f64() }
}
