//! What training finds out about its weights, and which of them the run folder is given.

use std::time::Instant;

use decode::{DecodeError, TrainedModel};
use model::Transformer;
use model::weights::{self, NamedTensor};
use runs::DecodingConfig;
use runs::layout;
use serde_json::json;

use super::Trainer;
use crate::data::{Counts, TrainingData};
use crate::error::TrainError;
use crate::progress::Progress;
use crate::report;
use crate::snapshots::{self, Snapshot};
use crate::task::Sample;
use crate::validation::{self, Report};
use runs::config::Export;

impl Trainer<'_> {
    /// Decodes the validation set and keeps the weights if they are the best so far.
    pub(super) fn validate(&mut self, progress: &Progress) -> Result<(), TrainError> {
        let (started, step) = (Instant::now(), self.state.step);
        let usable = self.learner.usable();
        let report =
            self.measure(&self.trained(usable.clone()), &self.task.validation).map_err(|error| match error {
                TrainError::Decode(DecodeError::NotFinite) => TrainError::Diverged { step, loss: f64::NAN },
                other => other,
            })?;
        self.still_a_number(report.nll)?; // else such weights could become the best
        let score = report.score(self.config.validation.metric);
        // Equal is better too: later weights have seen more. Patience wants more than that.
        let best = self.state.best.is_none_or(|best| score >= best);
        self.state.stale = match self.state.best {
            Some(old) if score <= old => self.state.stale + 1,
            _ => 0,
        };
        let tensors = weights::collect(&usable);
        if best {
            self.state.best = Some(score);
            self.write_weights(&tensors)?;
        }
        if let Some(average) = self.config.training.average {
            snapshots::write(self.folder.path(), step, &tensors)?;
            self.state.snapshots = snapshots::chosen(&self.state.snapshots, Snapshot { step, score }, average);
        }
        progress.report(&format!("validation at step {step}"), &report);
        let timing = json!({ "seconds": started.elapsed().as_secs_f64() });
        self.folder.log(&json!({ "step": step, "validation": report, "best": best, "timing": timing }))?;
        report::write(self.folder.path())?;
        self.meter.pause(started);
        Ok(())
    }

    /// Whether so many validations brought nothing better that training shall end.
    pub(super) fn exhausted(&self) -> bool {
        let patience = self.config.validation.patience;
        patience > 0 && self.state.stale >= patience
    }

    /// Says so if the folder's weights are of a validation after the checkpoint that is gone on from. Where updates
    /// repeat bit for bit, so does that validation; elsewhere they may be of one that never comes again.
    pub(super) fn tell_of_later_weights(&self, progress: &Progress) {
        if let Some(step) = self.folder.weights_step().filter(|&step| step > self.state.step) {
            let path = self.folder.path().join(layout::WEIGHTS);
            let told =
                format!("holds the weights of step {step}, after the checkpoint, until a validation is the best");
            progress.say(&format!("{} {told}", path.display()));
        }
    }

    /// What was read of an epoch of a corpus that is streamed; one in memory was counted before training began.
    pub(super) fn tell(&mut self, counts: Counts, progress: &Progress) -> Result<(), TrainError> {
        if !matches!(*self.task.training, TrainingData::Streamed(_)) {
            return Ok(());
        }
        progress.say(&format!("an epoch ends at step {}: {counts}", self.state.step));
        self.folder.log(&json!({ "step": self.state.step, "epoch_read": counts, "timing": {} }))
    }

    /// Gives the folder its final weights and measures them on the test split.
    pub(super) fn finish(&mut self, progress: &Progress) -> Result<Option<Report>, TrainError> {
        if self.config.training.export == Export::Average {
            self.export_average(progress)?;
        }
        if self.task.test.is_empty() {
            return Ok(None);
        }
        let started = Instant::now();
        let trained = TrainedModel::open(self.folder.path(), &self.device)?;
        let report = self.measure(&trained, &self.task.test)?;
        let timing = json!({ "seconds": started.elapsed().as_secs_f64() });
        self.folder.log(&json!({ "step": self.state.step, "test": report, "timing": timing }))?;
        report::write(self.folder.path())?;
        Ok(Some(report))
    }

    /// Replaces the best weights by the mean of the snapshots.
    fn export_average(&mut self, progress: &Progress) -> Result<(), TrainError> {
        let started = Instant::now();
        let mean = snapshots::mean(self.folder.path(), &self.state.snapshots)?;
        let model = weights::load(self.learner.usable(), mean.clone())
            .map_err(|source| TrainError::Weights { path: self.folder.path().to_path_buf(), source })?;
        let report = self.measure(&self.trained(model), &self.task.validation)?;
        self.write_weights(&mean)?;
        let steps: Vec<u64> = self.state.snapshots.iter().map(|snapshot| snapshot.step).collect();
        progress.report(&format!("validation of the average of {} validations' weights", steps.len()), &report);
        let timing = json!({ "seconds": started.elapsed().as_secs_f64() });
        self.folder
            .log(&json!({ "step": self.state.step, "average_of": steps, "validation": report, "timing": timing }))?;
        report::write(self.folder.path())
    }

    fn write_weights(&mut self, tensors: &[NamedTensor]) -> Result<(), TrainError> {
        let note = json!({ "step": self.state.step }).to_string();
        let bytes = weights::to_safetensors(tensors, &note)
            .map_err(|source| TrainError::Weights { path: self.folder.path().to_path_buf(), source })?;
        self.folder.write_weights(&bytes)
    }

    fn measure(&self, trained: &TrainedModel, samples: &[Sample]) -> Result<Report, TrainError> {
        validation::validate(trained, samples, &self.config.validation)
    }

    /// Decoding while training is cheaper than what users get in the end.
    fn while_training(&self) -> DecodingConfig {
        DecodingConfig { beam: self.config.validation.beam, ..self.config.decoding.clone() }
    }

    fn trained(&self, model: Transformer) -> TrainedModel {
        let tokenizers = (self.task.source_tokenizer.clone(), self.task.target_tokenizer.clone());
        let (config, device) = (self.config.model.clone(), self.device.clone());
        TrainedModel::of(model, config, self.while_training(), tokenizers.0, tokenizers.1, device)
    }
}
