//! Checkpoints: everything needed to go on as if never interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use model::Transformer;
use model::weights::{self, NamedTensor};
use serde::{Deserialize, Serialize};

use crate::adam::Adam;
use crate::batches::Position;
use crate::error::TrainError;
use crate::meter::Counted;
use crate::run_folder::{self, RunFolder, write_error, write_file};

/// Where training stands; the weights and moments apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Updates done.
    pub step: u64,
    /// The next batch of data.
    pub position: Position,
    /// The best validation so far; higher is better whatever the metric.
    pub best: Option<f64>,
    /// Real target tokens seen.
    pub tokens: u64,
    /// Bytes of `metrics.jsonl` up to here.
    pub metrics_length: u64,
    /// What the next logged line counts already.
    pub since_logged: Counted,
}

const CHECKPOINTS: &str = "checkpoints";
const STATE: &str = "state.json";
const WEIGHTS: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// Writes `checkpoints/step-N` as a whole, then removes the oldest beyond `keep`.
///
/// # Errors
/// A full disk, for one; the checkpoints before it stay.
pub fn save(
    folder: &RunFolder,
    model: &Transformer,
    optimizer: &Adam,
    state: &State,
    keep: usize,
) -> Result<(), TrainError> {
    let checkpoints = folder.path().join(CHECKPOINTS);
    fs::create_dir_all(&checkpoints).map_err(write_error(&checkpoints, "creating the folder"))?;
    let path = checkpoints.join(format!("step-{}", state.step));
    if path.is_dir() {
        return Ok(()); // whole, since it was moved into place; and what a step leads to is a function of the run
    }
    let fail = |source| TrainError::Weights { path: path.clone(), source };
    let note = format!("{{\"step\":{}}}", state.step);
    let model = weights::to_safetensors(&weights::collect(model), &note).map_err(fail)?;
    let optimizer = weights::to_safetensors(&optimizer.tensors(), &note).map_err(fail)?;
    run_folder::replace_folder(&path, |partial| {
        write_file(&partial.join(WEIGHTS), &model)?;
        write_file(&partial.join(OPTIMIZER), &optimizer)?;
        let state = serde_json::to_vec_pretty(state).map_err(|error| write_error(partial, "encoding")(error.into()))?;
        write_file(&partial.join(STATE), &state)
    })?;
    for (_, old) in list(folder.path())?.into_iter().rev().skip(keep) {
        fs::remove_dir_all(&old).map_err(write_error(&old, "removing an old checkpoint"))?;
    }
    Ok(())
}

/// The newest checkpoint's state, weights and optimizer, or `None` where there is none yet.
///
/// # Errors
/// A checkpoint that is damaged or belongs to another configuration.
pub fn load_latest(
    folder: &Path,
    blank: Transformer,
    device: &Device,
) -> Result<Option<(State, Transformer, Adam)>, TrainError> {
    remove_unfinished(&folder.join(CHECKPOINTS));
    let Some((_, path)) = list(folder)?.pop() else { return Ok(None) };
    let broken = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
    let read = |name: &str| fs::read(path.join(name)).map_err(|error| broken(format!("cannot read {name}: {error}")));
    let state: State =
        serde_json::from_slice(&read(STATE)?).map_err(|error| broken(format!("{STATE} is damaged: {error}")))?;
    let tensors = |name: &str| {
        let read = weights::from_safetensors(&read(name)?).map_err(|error| broken(format!("{name}: {error}")));
        read.map(|(tensors, _)| tensors)
    };
    let model = weights::load(blank, tensors(WEIGHTS)?).map_err(|error| broken(format!("{WEIGHTS}: {error}")))?;
    let moments = tensors(OPTIMIZER)?;
    check_moments(&moments, &model, state.step).map_err(|reason| broken(format!("{OPTIMIZER}: {reason}")))?;
    Ok(Some((state, model, Adam::from_tensors(moments, device))))
}

/// Removes what a kill in the middle of a save has left. Nobody reads it, so a failure here is no failure.
fn remove_unfinished(checkpoints: &Path) {
    let unfinished = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(".step-") && name.ends_with(".partial")
    };
    let entries = fs::read_dir(checkpoints).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(unfinished).for_each(|path| drop(fs::remove_dir_all(path)));
}

/// Checks that each tensor is a moment of a weight of this model, and that both moments of a weight are there.
fn check_moments(moments: &[NamedTensor], model: &Transformer, step: u64) -> Result<(), String> {
    let sizes: BTreeMap<String, usize> =
        weights::shapes(model).into_iter().map(|(name, shape)| (name, shape.iter().product())).collect();
    let (mut first, mut second) = (0, 0);
    for moment in moments {
        let (kind, name) = moment.name.split_once('.').unwrap_or_default();
        match kind {
            "first" => first += 1,
            "second" => second += 1,
            _ => return Err(format!("tensor `{}` is not of an optimizer", moment.name)),
        }
        if sizes.get(name) != Some(&moment.values.len()) {
            return Err(format!("tensor `{}` fits no weight of the model", moment.name));
        }
    }
    if first != second || (first == 0 && step > 0) {
        return Err(format!("{first} first and {second} second moments after {step} steps; expected as many of both"));
    }
    Ok(())
}

/// The checkpoints of a run folder with their steps, oldest first.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    let checkpoints = folder.join(CHECKPOINTS);
    if !checkpoints.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&checkpoints).map_err(write_error(&checkpoints, "listing"))?;
    let step = |path: PathBuf| {
        let step = path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?;
        Some((step, path))
    };
    let mut found: Vec<(u64, PathBuf)> = entries.flatten().filter_map(|entry| step(entry.path())).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kill_left_of_a_save_is_removed_and_nothing_else() {
        let place = temp_dir::TempDir::new().unwrap();
        for name in [".step-20.partial", "step-10", ".hidden"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        remove_unfinished(place.path());
        let left = |name: &str| place.path().join(name).exists();
        assert_eq!((left(".step-20.partial"), left("step-10"), left(".hidden")), (false, true, true));
    }

    #[test]
    fn a_state_survives_its_file_to_the_last_bit() {
        for k in 1..1000 {
            let since_logged = Counted { loss: k as f32 / 3.0, nll: 1.0 / k as f32, tokens: k, padded: 2 * k };
            let state = State { best: Some(k as f64 / 1001.0), since_logged, ..State::default() };
            let written = serde_json::to_vec_pretty(&state).unwrap();
            assert_eq!(serde_json::from_slice::<State>(&written).unwrap(), state);
        }
    }
}
