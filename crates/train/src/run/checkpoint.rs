//! Checkpoints: the complete state of a run, from which it resumes exactly.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use model::weights::{self, NamedTensor};
use model::{Transformer, parameters};
use serde::{Deserialize, Serialize};

use runs::atomic::{WriteError, replace_file, replace_folder, write_error, write_file};
use runs::config::TrainingConfig;
use runs::layout::{self, BEST, CHECKPOINTS, EMA, LORA, OPTIMIZER, STATE, WEIGHTS};
use runs::{RunFolder, failpoint};

use super::checkpoint_checks::{check_complete, check_counts, check_moments, check_step};
use super::reopen::BeforeEnd;
use super::snapshots::{self, Snapshot};
use super::step_metrics::Sums;
use crate::data::Position;
use crate::error::TrainError;
use crate::optim::{Lora, TrainState};

/// The state of training apart from its tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointState {
    /// Updates so far.
    pub step: u64,
    /// The position of the next batch.
    pub position: Position,
    /// The best score so far; higher is better for every metric.
    pub best: Option<f64>,
    /// Validations in a row without improvement. Ties count here, although their weights become the best.
    pub stale: usize,
    /// The weights kept for averaging.
    pub snapshots: Vec<Snapshot>,
    /// Target tokens so far, padding not counted.
    pub tokens: u64,
    /// Length of `metrics.jsonl` in bytes.
    pub metrics_length: u64,
    /// The sums since the last logged step.
    pub since_logged: Sums,
    /// Whether the run is finished, the test included.
    pub finished: bool,
    /// In a finished run, what a longer one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_end: Option<BeforeEnd>,
}

impl CheckpointState {
    /// Returns the contents of `state.json` in the checkpoint `path`.
    ///
    /// # Errors
    /// A number that JSON cannot express.
    pub(super) fn to_json(&self, path: &Path) -> Result<Vec<u8>, WriteError> {
        serde_json::to_vec_pretty(self).map_err(|error| write_error(path, "encoding")(error.into()))
    }
}

/// A checkpoint in memory.
pub struct Checkpoint {
    /// The state apart from tensors.
    pub state: CheckpointState,
    /// The model.
    pub model: Transformer,
    /// The tensors of [`Adam`](crate::optim::Adam).
    pub optimizer: Vec<NamedTensor>,
    /// The tensors of [`Ema`](crate::optim::Ema), if it is kept.
    pub ema: Vec<NamedTensor>,
    /// The tensors of [`Lora`], if it is used.
    pub lora: Option<Vec<NamedTensor>>,
}

impl Checkpoint {
    /// The state before the first update.
    pub fn initial(model: Transformer) -> Self {
        Self { state: CheckpointState::default(), model, optimizer: Vec::new(), ema: Vec::new(), lora: None }
    }
}

/// Writes `checkpoints/step-N` as a whole, then removes all but the newest `keep` checkpoints.
///
/// `moments` returns those of the optimizer as a whole. `best` has the best weights so far if the end of the run may
/// replace them in the run folder.
///
/// # Errors
/// Weights that are not finite, or a full disk, for example; earlier checkpoints are kept.
pub fn save(
    folder: &RunFolder,
    train_state: &TrainState,
    moments: impl FnOnce() -> Result<Vec<NamedTensor>, TrainError>,
    state: &CheckpointState,
    best: Option<&[u8]>,
    keep: usize,
) -> Result<(), TrainError> {
    let path = layout::checkpoint(folder.path(), state.step);
    if path.is_dir() {
        // It is complete, and the same step of a run always leads to the same state, but for its end.
        if let Some(best) = best {
            replace_file(&path.join(BEST), best)?;
        }
        if state.finished {
            replace_file(&path.join(STATE), &state.to_json(&path)?)?;
        }
        return Ok(());
    }
    let fail = |source| TrainError::Weights { path: path.clone(), source };
    let note = layout::step_note(state.step);
    let model = weights::collect(train_state.model());
    if !model.iter().all(|tensor| tensor.values.iter().all(|value| value.is_finite())) {
        return Err(TrainError::InfiniteWeights { step: state.step }); // it could replace the last good checkpoint
    }
    let model = weights::to_safetensors(&model, &note).map_err(fail)?;
    let optimizer = weights::to_safetensors(&moments()?, &note).map_err(fail)?;
    let ema = train_state.ema().map(|ema| weights::to_safetensors(&ema.tensors(), &note)).transpose().map_err(fail)?;
    let lora =
        train_state.lora().map(|lora| weights::to_safetensors(&lora.tensors(), &note)).transpose().map_err(fail)?;
    replace_folder(&path, |partial| {
        write_file(&partial.join(WEIGHTS), &model)?;
        write_file(&partial.join(OPTIMIZER), &optimizer)?;
        ema.map_or(Ok(()), |ema| write_file(&partial.join(EMA), &ema))?;
        lora.map_or(Ok(()), |lora| write_file(&partial.join(LORA), &lora))?;
        best.map_or(Ok(()), |best| write_file(&partial.join(BEST), best))?;
        write_file(&partial.join(STATE), &state.to_json(partial)?)
    })?;
    remove_old(folder.path(), keep)
}

/// Removes all but the newest `keep` checkpoints, and the snapshots that none of these lists.
fn remove_old(folder: &Path, keep: usize) -> Result<(), TrainError> {
    for (_, old) in list(folder)?.into_iter().rev().skip(keep) {
        fs::remove_dir_all(&old).map_err(write_error(&old, "removing an old checkpoint"))?;
        failpoint::step();
    }
    let kept: Result<Vec<CheckpointState>, _> = list(folder)?.into_iter().map(|(_, path)| read_state(&path)).collect();
    let Ok(kept) = kept else { return Ok(()) }; // a damaged one no longer lists its snapshots
    let before_end = kept.iter().filter_map(|state| state.before_end.as_ref()).flat_map(|before| &before.snapshots);
    let all = kept.iter().flat_map(|state| &state.snapshots).chain(before_end);
    let steps = all.map(|snapshot| snapshot.step).collect();
    snapshots::keep_only(folder, &steps)
}

/// Returns whether a run folder has a checkpoint.
pub fn exists(folder: &Path) -> bool {
    list(folder).is_ok_and(|found| !found.is_empty())
}

/// Loads the newest checkpoint into a model like `blank`, or returns `None` if there is none. Then removes the checkpoints
/// that a kill kept [`save`] from removing; `keep` is the number to keep.
///
/// # Errors
/// A checkpoint that is damaged or belongs to another configuration.
pub fn load_latest(
    folder: &Path,
    blank: &Transformer,
    training: &TrainingConfig,
    keep: usize,
) -> Result<Option<Checkpoint>, TrainError> {
    let mut found = list(folder)?;
    let Some((step, path)) = found.pop() else { return Ok(None) };
    let remedy = match found.is_empty() {
        true => "restore it, or start a new run with --overwrite",
        false => "remove that folder to resume from the one before it",
    };
    let broken = |reason: String| TrainError::Checkpoint { path: path.clone(), reason, remedy };
    let read = |name: &str| fs::read(path.join(name)).map_err(|error| broken(format!("cannot read {name}: {error}")));
    let state = read_state(&path).map_err(broken)?;
    check_step(Some(state.step), step).map_err(|reason| broken(format!("{STATE}: {reason}")))?;
    let tensors = |name: &str| -> Result<Vec<NamedTensor>, TrainError> {
        let named = |reason: String| broken(format!("{name}: {reason}"));
        let (tensors, note) = weights::from_safetensors(&read(name)?).map_err(|error| named(error.to_string()))?;
        check_step(note.as_deref().and_then(layout::noted_step), step).map_err(named)?;
        Ok(tensors)
    };
    let model =
        weights::load(blank.clone(), tensors(WEIGHTS)?).map_err(|error| broken(format!("{WEIGHTS}: {error}")))?;
    // The number of values of each weight.
    let sizes = weights::shapes(&model).into_iter().map(|(name, shape)| (name, shape.iter().product())).collect();
    let moments = tensors(OPTIMIZER)?;
    let lora = match &training.lora {
        None => None,
        Some(config) => Some((Lora::new(blank, config, training.seed).sizes(), tensors(LORA)?)),
    };
    if let Some((sizes, factors)) = &lora {
        check_complete(factors, sizes).map_err(|reason| broken(format!("{LORA}: {reason}")))?;
    }
    let trained = lora.as_ref().map_or(&sizes, |(sizes, _)| sizes);
    check_moments(&moments, trained, state.step).map_err(|reason| broken(format!("{OPTIMIZER}: {reason}")))?;
    // Before the first update there is nothing to average.
    let averaged = training.ema_decay().is_some() && state.step > 0;
    let ema = if averaged { tensors(EMA)? } else { Vec::new() };
    if averaged {
        let trained: BTreeSet<String> = parameters::trainable(blank).into_iter().collect();
        let sizes = sizes.into_iter().filter(|(name, _)| trained.contains(name)).collect();
        check_complete(&ema, &sizes).map_err(|reason| broken(format!("{EMA}: {reason}")))?;
    }
    remove_old(folder, keep)?;
    let lora = lora.map(|(_, factors)| factors);
    Ok(Some(Checkpoint { state, model, optimizer: moments, ema, lora }))
}

fn read_state(path: &Path) -> Result<CheckpointState, String> {
    let bytes = fs::read(path.join(STATE)).map_err(|error| format!("cannot read {STATE}: {error}"))?;
    let damaged = |error: serde_json::Error| format!("{STATE} is damaged: {error}");
    let state = serde_json::from_slice(&bytes).map_err(damaged)?;
    check_counts(&serde_json::from_slice(&bytes).map_err(damaged)?).map_err(|reason| format!("{STATE}: {reason}"))?;
    Ok(state)
}

/// Returns the checkpoints of a run folder with their steps, oldest first.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    Ok(layout::checkpoints(folder).map_err(write_error(&folder.join(CHECKPOINTS), "listing"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_its_file_to_the_last_bit() {
        for k in 1..1000 {
            let (loss, nll) = (k as f32 / 3.0, 1.0 / k as f32);
            let since_logged = Sums { loss, nll, tokens: k, padded: 2 * k, gradient_norm: loss / 7.0 };
            let state = CheckpointState { best: Some(k as f64 / 1001.0), since_logged, ..Default::default() };
            let written = serde_json::to_vec_pretty(&state).unwrap();
            assert_eq!(serde_json::from_slice::<CheckpointState>(&written).unwrap(), state);
        }
    }
}
