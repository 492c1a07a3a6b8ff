//! Continuing a finished run: with more steps it goes on as if it had never ended.
//!
//! The end of a run logs, validates, averages and tests where a longer run would not. So its checkpoint also keeps the
//! state before that, and the best weights if the end replaced them.

use std::fs;
use std::io;
use std::path::Path;

use model::Transformer;
use model::safetensors_reader::SafetensorsReader;
use model::weights::{self, WeightsError};
use runs::atomic::{replace_file, write_error};
use runs::config::RunConfig;
use runs::layout::{self, BEST, METRICS, STATE};
use runs::record::Record;
use runs::{RunError, RunFolder};
use serde::{Deserialize, Serialize};

use super::checkpoint::CheckpointState;
use super::snapshots::Snapshot;
use super::step_metrics::Sums;
use crate::error::TrainError;

/// The parts of a [`CheckpointState`] that the end of a run changes, as they were before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeforeEnd {
    /// The best score.
    pub best: Option<f64>,
    /// Validations in a row without improvement.
    pub stale: usize,
    /// The weights kept for averaging.
    pub snapshots: Vec<Snapshot>,
    /// Length of `metrics.jsonl` in bytes.
    pub metrics_length: u64,
    /// The sums since the last logged step.
    pub since_logged: Sums,
}

impl CheckpointState {
    /// Returns whether a run with this configuration would not have ended here, although this run is finished.
    pub(super) fn reopens(&self, config: &RunConfig) -> bool {
        let stale = self.before_end.as_ref().map_or(self.stale, |before| before.stale);
        let patience = config.validation.patience;
        self.finished && self.step < config.training.steps && (patience == 0 || stale < patience)
    }

    /// Returns the state as it was before the end.
    ///
    /// # Errors
    /// A run that an earlier version ended where a longer one would neither log nor validate.
    pub(super) fn reopened(self, folder: &RunFolder) -> Result<Self, TrainError> {
        let before = match self.before_end {
            Some(before) => before,
            None => self.before_end_of_earlier_version(folder)?,
        };
        let BeforeEnd { best, stale, snapshots, metrics_length, since_logged } = before;
        let state = Self { best, stale, snapshots, metrics_length, since_logged, before_end: None, ..self };
        Ok(Self { finished: false, ..state })
    }

    fn before_end_of_earlier_version(&self, folder: &RunFolder) -> Result<BeforeEnd, TrainError> {
        let RunConfig { training, validation, .. } = folder.config()?;
        let due = |every| self.step.is_multiple_of(every);
        let stopped_early = self.step < training.steps;
        if !(stopped_early || due(training.log_every) && due(validation.every)) {
            return Err(TrainError::Checkpoint {
                path: layout::checkpoint(folder.path(), self.step),
                reason:
                    "an earlier version of the program ended the run there, between two logged steps or validations"
                        .to_string(),
                remedy: "start from its weights with --init-from, or start a new run with --overwrite",
            });
        }
        let metrics = folder.path().join(METRICS);
        let length = length_before_end(&metrics).map_err(|source| RunError::Read { path: metrics, source })?;
        Ok(BeforeEnd {
            best: self.best,
            stale: self.stale,
            snapshots: self.snapshots.clone(),
            metrics_length: length,
            since_logged: self.since_logged,
        })
    }
}

/// Returns the length of `metrics.jsonl` in bytes without the scores of averaged weights and of the test at its end.
fn length_before_end(metrics: &Path) -> io::Result<u64> {
    let bytes = fs::read(metrics)?;
    let is_end =
        |line: &&[u8]| matches!(serde_json::from_slice::<Record>(line), Ok(Record::Test(_) | Record::Average(_)));
    let end: usize = bytes.split_inclusive(|byte| *byte == b'\n').rev().take_while(is_end).map(<[u8]>::len).sum();
    Ok((bytes.len() - end) as u64)
}

/// Takes back the end of a run on disk. `state` is that before the end. After a kill anywhere in here, resuming with the
/// old configuration ends the run again, and with the new one goes on.
pub(super) fn reopen(folder: &mut RunFolder, state: &CheckpointState) -> Result<(), TrainError> {
    restore_best(folder, state.step)?;
    let checkpoint = layout::checkpoint(folder.path(), state.step);
    let best = checkpoint.join(BEST);
    replace_file(&checkpoint.join(STATE), &state.to_json(&checkpoint)?)?;
    folder.truncate_metrics(state.metrics_length)?;
    if best.is_file() {
        fs::remove_file(&best).map_err(write_error(&best, "removing the best weights before the end"))?;
    }
    Ok(())
}

/// Writes the best weights before the end of a run back to its folder, if the checkpoint of `step` keeps them.
pub(super) fn restore_best(folder: &mut RunFolder, step: u64) -> Result<(), TrainError> {
    let path = layout::checkpoint(folder.path(), step).join(BEST);
    if path.is_file() {
        let bytes = fs::read(&path).map_err(|source| RunError::Read { path: path.clone(), source })?;
        weights::from_safetensors(&bytes).map_err(|source| TrainError::Weights { path, source })?;
        folder.write_weights(&bytes)?;
    }
    Ok(())
}

/// Checks the weights outside of the checkpoint that the run needs: the best ones, which no later validation may replace, and
/// those to be averaged.
///
/// # Errors
/// Weights that are missing, damaged or of another model.
pub(super) fn check_weights(
    folder: &RunFolder,
    state: &CheckpointState,
    model: &Transformer,
    config: &RunConfig,
) -> Result<(), TrainError> {
    if state.best.is_some() {
        check_file(&folder.path().join(layout::WEIGHTS), model)?;
    }
    if state.finished && !state.reopens(config) {
        return Ok(());
    }
    let before_end = state.before_end.iter().flat_map(|before| &before.snapshots);
    let mut snapshots = state.snapshots.iter().chain(before_end);
    snapshots.try_for_each(|snapshot| check_file(&layout::snapshot(folder.path(), snapshot.step), model))
}

/// Checks that a file has the weights of a model like this one, without reading their values.
fn check_file(path: &Path, model: &Transformer) -> Result<(), TrainError> {
    let path = path.to_path_buf();
    let found = match SafetensorsReader::open(&path) {
        Ok(file) if file.shapes() == weights::shapes(model).into_iter().collect() => return Ok(()),
        Ok(_) => "weights of another model".to_string(),
        Err(WeightsError::Read(source)) => return Err(RunError::Read { path, source }.into()),
        Err(WeightsError::Format(error)) => format!("a damaged file ({error})"),
        Err(
            WeightsError::Dtype { .. }
            | WeightsError::Quantised { .. }
            | WeightsError::Missing(_)
            | WeightsError::Unexpected(_)
            | WeightsError::Shape { .. }
            | WeightsError::NotANumber(_)
            | WeightsError::Foreign,
        ) => "weights of another program".to_string(),
    };
    Err(RunError::Damaged { path, found, expected: "those of this run" }.into())
}
