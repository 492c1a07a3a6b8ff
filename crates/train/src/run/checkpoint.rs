//! Checkpoints: everything needed to go on as if never interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use model::Transformer;
use model::weights::{self, NamedTensor};
use serde::{Deserialize, Serialize};

use crate::data::Position;
use crate::error::TrainError;
use crate::learner::Learner;
use crate::meter::Counted;
use crate::run_folder::RunFolder;
use crate::snapshots::{self, Snapshot};
use runs::config::TrainingConfig;
use runs::durable::{self, write_error, write_file};
use runs::failpoint;

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
    /// Validations in a row that were no better than the best before them. Equal ones count, though their weights, which
    /// have seen more, become the best.
    pub stale: usize,
    /// The weights kept for averaging.
    pub snapshots: Vec<Snapshot>,
    /// Real target tokens seen.
    pub tokens: u64,
    /// Bytes of `metrics.jsonl` up to here.
    pub metrics_length: u64,
    /// What the next logged line counts already.
    pub since_logged: Counted,
    /// Whether all is done, the test included.
    pub finished: bool,
}

/// All that a checkpoint holds.
pub struct Checkpoint {
    pub state: State,
    pub model: Transformer,
    /// Of [`Adam`](crate::adam::Adam).
    pub optimizer: Vec<NamedTensor>,
    /// Of [`Ema`](crate::ema::Ema), if it is kept.
    pub ema: Vec<NamedTensor>,
}

impl Checkpoint {
    /// Before the first update.
    pub fn start(model: Transformer) -> Self {
        Self { state: State::default(), model, optimizer: Vec::new(), ema: Vec::new() }
    }
}

/// Where they are in a run folder.
pub const CHECKPOINTS: &str = "checkpoints";
const STATE: &str = "state.json";
const WEIGHTS: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const EMA: &str = "ema.safetensors";

/// Writes `checkpoints/step-N` as a whole, then removes the oldest beyond `keep`.
///
/// # Errors
/// A full disk, for one; the checkpoints before it stay.
pub fn save(folder: &RunFolder, learner: &Learner, state: &State, keep: usize) -> Result<(), TrainError> {
    let checkpoints = folder.path().join(CHECKPOINTS);
    let path = checkpoints.join(format!("step-{}", state.step));
    if path.is_dir() {
        return Ok(()); // whole, since it was moved into place; and what a step leads to is a function of the run
    }
    let fail = |source| TrainError::Weights { path: path.clone(), source };
    let note = format!("{{\"step\":{}}}", state.step);
    let model = weights::to_safetensors(&weights::collect(learner.model()), &note).map_err(fail)?;
    let optimizer = weights::to_safetensors(&learner.optimizer().tensors(), &note).map_err(fail)?;
    let ema = learner.ema().map(|ema| weights::to_safetensors(&ema.tensors(), &note)).transpose().map_err(fail)?;
    durable::replace_folder(&path, |partial| {
        write_file(&partial.join(WEIGHTS), &model)?;
        write_file(&partial.join(OPTIMIZER), &optimizer)?;
        ema.map_or(Ok(()), |ema| write_file(&partial.join(EMA), &ema))?;
        let state = serde_json::to_vec_pretty(state).map_err(|error| write_error(partial, "encoding")(error.into()))?;
        write_file(&partial.join(STATE), &state)
    })?;
    tidy(folder.path(), keep)
}

/// Removes the checkpoints but the newest `keep`, and the snapshots that none of these counts on.
fn tidy(folder: &Path, keep: usize) -> Result<(), TrainError> {
    for (_, old) in list(folder)?.into_iter().rev().skip(keep) {
        fs::remove_dir_all(&old).map_err(write_error(&old, "removing an old checkpoint"))?;
        failpoint::step();
    }
    let kept: Result<Vec<State>, _> = list(folder)?.into_iter().map(|(_, path)| read_state(&path)).collect();
    let Ok(kept) = kept else { return Ok(()) }; // a damaged one no longer says what it counts on
    let counted_on = kept.iter().flat_map(|state| &state.snapshots).map(|snapshot| snapshot.step).collect();
    snapshots::keep_only(folder, &counted_on)
}

/// Whether a run folder has a checkpoint to go on from.
pub fn exists(folder: &Path) -> bool {
    list(folder).is_ok_and(|found| !found.is_empty())
}

/// The newest checkpoint, its weights in a model like `blank`, or `None` where there is none yet. What a kill kept
/// [`save`] from removing is removed once the checkpoint has proved sound.
///
/// # Errors
/// A checkpoint that is damaged or belongs to another configuration.
pub fn load_latest(
    folder: &Path,
    blank: &Transformer,
    training: &TrainingConfig,
) -> Result<Option<Checkpoint>, TrainError> {
    remove_unfinished(&folder.join(CHECKPOINTS));
    let mut found = list(folder)?;
    let Some((_, path)) = found.pop() else { return Ok(None) };
    let remedy = match found.is_empty() {
        true => "restore it, or start anew with --overwrite",
        false => "remove that folder to resume from the one before it",
    };
    let broken = |reason: String| TrainError::Checkpoint { path: path.clone(), reason, remedy };
    let read = |name: &str| fs::read(path.join(name)).map_err(|error| broken(format!("cannot read {name}: {error}")));
    let state = read_state(&path).map_err(broken)?;
    let tensors = |name: &str| {
        let read = weights::from_safetensors(&read(name)?).map_err(|error| broken(format!("{name}: {error}")));
        read.map(|(tensors, _)| tensors)
    };
    let model =
        weights::load(blank.clone(), tensors(WEIGHTS)?).map_err(|error| broken(format!("{WEIGHTS}: {error}")))?;
    // How many values each weight has.
    let sizes = weights::shapes(&model).into_iter().map(|(name, shape)| (name, shape.iter().product())).collect();
    let moments = tensors(OPTIMIZER)?;
    check_moments(&moments, &sizes, state.step).map_err(|reason| broken(format!("{OPTIMIZER}: {reason}")))?;
    // Before the first update there is nothing to average.
    let averaged = training.ema > 0.0 && state.step > 0;
    let ema = if averaged { tensors(EMA)? } else { Vec::new() };
    if averaged {
        check_ema(&ema, &sizes).map_err(|reason| broken(format!("{EMA}: {reason}")))?;
    }
    tidy(folder, training.keep)?;
    Ok(Some(Checkpoint { state, model, optimizer: moments, ema }))
}

fn read_state(path: &Path) -> Result<State, String> {
    let bytes = fs::read(path.join(STATE)).map_err(|error| format!("cannot read {STATE}: {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{STATE} is damaged: {error}"))
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
fn check_moments(moments: &[NamedTensor], sizes: &BTreeMap<String, usize>, step: u64) -> Result<(), String> {
    let (mut first, mut second) = (BTreeSet::new(), BTreeSet::new());
    for moment in moments {
        let (kind, name) = moment.name.split_once('.').unwrap_or_default();
        match kind {
            "first" => first.insert(name),
            "second" => second.insert(name),
            _ => return Err(format!("tensor `{}` is not of an optimizer", moment.name)),
        };
        if sizes.get(name) != Some(&moment.values.len()) {
            return Err(format!("tensor `{}` fits no weight of the model", moment.name));
        }
    }
    match first.symmetric_difference(&second).next() {
        Some(name) => Err(format!("one moment of `{name}` is there without the other")),
        None if first.is_empty() && step > 0 => Err(format!("no moments after {step} steps")),
        None => Ok(()),
    }
}

/// Checks that a moving average is of this model's weights, all of them.
fn check_ema(ema: &[NamedTensor], sizes: &BTreeMap<String, usize>) -> Result<(), String> {
    if ema.len() != sizes.len() {
        return Err(format!("{} weights, expected {}", ema.len(), sizes.len()));
    }
    match ema.iter().find(|tensor| sizes.get(&tensor.name) != Some(&tensor.values.len())) {
        Some(tensor) => Err(format!("tensor `{}` fits no weight of the model", tensor.name)),
        None => Ok(()),
    }
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
    fn an_optimizer_without_one_of_its_moments_is_refused() {
        let sizes = BTreeMap::from([("a", 2), ("b", 1)].map(|(name, size)| (name.to_string(), size)));
        let moment = |name: &str| {
            let size = if name.ends_with('a') { 2 } else { 1 };
            NamedTensor { name: name.to_string(), shape: vec![size], values: vec![0.0; size] }
        };
        let check = |names: &[&str], step| {
            check_moments(&names.iter().map(|name| moment(name)).collect::<Vec<_>>(), &sizes, step)
        };
        assert_eq!(check(&["first.a", "first.b", "second.b", "second.a"], 5), Ok(()));
        assert_eq!(check(&[], 0), Ok(()));
        for (names, told) in [
            (&["first.a", "second.b"][..], "one moment of `a`"),
            (&["first.a", "first.b", "second.b"], "one moment of `a`"),
            (&["first.a", "third.a"], "`third.a` is not of an optimizer"),
            (&["first.c", "second.c"], "`first.c` fits no weight"),
            (&[], "no moments after 5 steps"),
        ] {
            assert!(check(names, 5).is_err_and(|error| error.contains(told)), "{names:?}");
        }
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
