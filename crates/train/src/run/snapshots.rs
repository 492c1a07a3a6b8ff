//! Checkpoint averaging: the weights of several validations, kept to be averaged at the end.
//!
//! A snapshot is written once and never changed. The [`CheckpointState`](super::checkpoint::CheckpointState) lists the
//! snapshots in use, so a file is removed once no remaining checkpoint lists it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use model::weights::{self, NamedTensor};
use serde::{Deserialize, Serialize};

use runs::RunError;
use runs::atomic::{make_folder, replace_file, write_error};
use runs::config::{Average, AverageOf};
use runs::failpoint;
use runs::layout::{self, SNAPSHOTS};

use crate::error::TrainError;

/// A validation whose weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The step of the validation.
    pub step: u64,
    /// Its score; higher is better.
    pub score: f64,
}

/// Returns the snapshots to keep after `new` is added, oldest first.
///
/// ```
/// use runs::config::{Average, AverageOf};
/// use train::run::snapshots::{Snapshot, choose};
/// let from_scores = |scores: &[f64]| -> Vec<Snapshot> {
///     scores.iter().zip(1..).map(|(&score, step)| Snapshot { step, score }).collect()
/// };
/// let steps = |kept: Vec<Snapshot>| kept.iter().map(|snapshot| snapshot.step).collect::<Vec<_>>();
/// let scores = from_scores(&[5.0, 9.0, 7.0]);
/// let new = Snapshot { step: 4, score: 8.0 };
/// assert_eq!(steps(choose(&scores, new, Average { of: AverageOf::Last, count: 3 })), [2, 3, 4]);
/// assert_eq!(steps(choose(&scores, new, Average { of: AverageOf::Best, count: 2 })), [2, 4]);
/// ```
pub fn choose(old: &[Snapshot], new: Snapshot, average: Average) -> Vec<Snapshot> {
    let mut all: Vec<Snapshot> = old.iter().copied().chain([new]).collect();
    if average.of == AverageOf::Best {
        // Later ones win ties.
        all.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.step.cmp(&b.step)));
    }
    let mut kept = all.split_off(all.len().saturating_sub(average.count));
    kept.sort_by_key(|snapshot| snapshot.step);
    kept
}

/// Writes the weights of a validation.
///
/// # Errors
/// A full disk, for example.
pub fn write(run: &Path, step: u64, tensors: &[NamedTensor]) -> Result<(), TrainError> {
    let path = layout::snapshot(run, step);
    make_folder(&run.join(SNAPSHOTS))?;
    let bytes = weights::to_safetensors(tensors, &layout::step_note(step))
        .map_err(|source| TrainError::Weights { path: path.clone(), source })?;
    Ok(replace_file(&path, &bytes)?)
}

/// Returns the mean of the snapshots' weights, sorted by name.
///
/// # Errors
/// A snapshot that is missing, damaged or of another model than the first.
///
/// # Panics
/// Without a snapshot.
pub fn mean(run: &Path, snapshots: &[Snapshot]) -> Result<Vec<NamedTensor>, TrainError> {
    let read = |snapshot: &Snapshot| {
        let path = layout::snapshot(run, snapshot.step);
        let bytes = fs::read(&path).map_err(|source| RunError::Read { path: path.clone(), source })?;
        let read = weights::from_safetensors(&bytes).map_err(|source| TrainError::Weights { path, source });
        let (mut tensors, _) = read?;
        // A file has no order.
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tensors)
    };
    let all = snapshots.iter().map(read).collect::<Result<Vec<_>, TrainError>>()?;
    for (tensors, snapshot) in all.iter().zip(snapshots) {
        if !tensors.iter().map(key).eq(all[0].iter().map(key)) {
            let (path, found) = (layout::snapshot(run, snapshot.step), "weights of another model".to_string());
            return Err(RunError::Damaged { path, found, expected: "those of this run" }.into());
        }
    }
    let averaged = |(at, first): (usize, &NamedTensor)| {
        let value = |i: usize| {
            let sum: f64 = all.iter().map(|tensors| f64::from(tensors[at].values[i])).sum();
            (sum / all.len() as f64) as f32
        };
        NamedTensor { values: (0..first.values.len()).map(value).collect(), ..first.clone() }
    };
    Ok(all[0].iter().enumerate().map(averaged).collect())
}

/// The name and shape, by which snapshots are compared.
fn key(tensor: &NamedTensor) -> (&str, &[usize]) {
    (&tensor.name, &tensor.shape)
}

/// Removes all snapshots but those of these steps.
///
/// # Errors
/// A folder that cannot be changed.
pub fn keep_only(run: &Path, steps: &BTreeSet<u64>) -> Result<(), TrainError> {
    let wanted: BTreeSet<PathBuf> = steps.iter().map(|&step| layout::snapshot(run, step)).collect();
    let entries = fs::read_dir(run.join(SNAPSHOTS)).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| !wanted.contains(path)) {
        fs::remove_file(&path).map_err(write_error(&path, "removing an old snapshot"))?;
        failpoint::step();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(values: [f32; 2]) -> Vec<NamedTensor> {
        let tensor =
            |name: &str, values: Vec<f32>| NamedTensor { name: name.into(), shape: vec![values.len()], values };
        let single = |i: u8| tensor(&char::from(b'b' + i).to_string(), vec![values[0] * f32::from(i)]);
        [tensor("a", values.to_vec())].into_iter().chain((0..20).map(single)).collect()
    }

    #[test]
    fn the_mean_is_over_each_weight() {
        let run = temp_dir::TempDir::new().unwrap();
        let steps = [(3, [1.0, 2.0]), (10, [3.0, 6.0]), (20, [8.0, 1.0])];
        steps.iter().for_each(|(step, values)| write(run.path(), *step, &tensors(*values)).unwrap());
        let snapshots: Vec<Snapshot> = steps.iter().map(|&(step, _)| Snapshot { step, score: 0.0 }).collect();
        assert_eq!(mean(run.path(), &snapshots).unwrap(), tensors([4.0, 3.0]));
        assert_eq!(mean(run.path(), &snapshots[..1]).unwrap(), tensors([1.0, 2.0]));

        let mut longer = tensors([1.0, 2.0]);
        longer[0] = NamedTensor { shape: vec![3], values: vec![1.0; 3], ..longer[0].clone() };
        for other in [&tensors([1.0, 2.0])[..20], &longer] {
            write(run.path(), 10, other).unwrap();
            let error = mean(run.path(), &snapshots).unwrap_err().to_string();
            assert!(error.contains("step-10.safetensors holds weights of another model"), "{error}");
        }

        keep_only(run.path(), &BTreeSet::from([3, 20])).unwrap();
        let error = mean(run.path(), &snapshots).unwrap_err().to_string();
        assert!(error.contains("snapshots/step-10.safetensors"), "{error}");
        assert_eq!(mean(run.path(), &[snapshots[0], snapshots[2]]).unwrap(), tensors([4.5, 1.5]));
    }
}
