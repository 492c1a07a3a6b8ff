//! What a run folder and a configuration must have in common for the run to be resumed.

use std::fs;
use std::path::Path;

use model::safetensors_reader::SafetensorsReader;

use crate::config::{self, Progress, RunConfig, TaskConfig};
use crate::corpora::Corpora;
use crate::error::RunError;
use crate::layout;

/// The step of the weights that `infer` reads from a run folder, if there are any.
pub(crate) fn weights_step(run: &Path) -> Option<u64> {
    let file = SafetensorsReader::open(&run.join(layout::WEIGHTS)).ok()?;
    layout::noted_step(file.note())
}

/// Reads the configuration in a run folder.
pub(crate) fn stored_config(run: &Path) -> Result<RunConfig, RunError> {
    let path = run.join(layout::CONFIG);
    let text = fs::read_to_string(&path).map_err(|source| RunError::ConfigFile { path: path.clone(), source })?;
    toml::from_str(&text).map_err(|source| RunError::Toml { path, source: Box::new(source) })
}

/// Rejects a configuration with which the run cannot go on, naming the first difference.
pub(crate) fn check_same_config(run: &Path, config: &RunConfig) -> Result<(), RunError> {
    let (mut old, mut config) = (stored_config(run)?, config.clone());
    config::align_normalization(&mut old, &mut config);
    let checkpoints = layout::checkpoints(run).unwrap_or_default();
    let step = checkpoints.last().map_or(0, |(step, _)| *step);
    let progress = Progress { step, weights_step: weights_step(run) };
    for difference in config::differences("", &old, &config) {
        if let Some(reason) = config::why_not_changeable(&difference.key, &old, &config, progress) {
            let difference = difference.to_string();
            return Err(RunError::OtherConfig { path: run.to_path_buf(), difference, reason });
        }
    }
    Ok(())
}

/// Rejects corpora that differ from those at the start of the run.
pub(crate) fn check_same_corpora(
    path: &Path,
    corpora: &Corpora,
    there: &RunConfig,
    now: &RunConfig,
) -> Result<(), RunError> {
    let file = path.join(layout::CORPORA);
    let bytes = fs::read(&file).map_err(|source| RunError::Read { path: file.clone(), source })?;
    let old: Corpora = serde_json::from_slice(&bytes).map_err(|error| RunError::Damaged {
        path: file,
        found: error.to_string(),
        expected: "the number of pairs and a hash for each corpus",
    })?;
    if let Some(split) = old.difference(corpora) {
        return Err(RunError::OtherCorpus { path: path.to_path_buf(), split });
    }
    // Earlier versions did not record the files, so an unchanged path is taken for the same files.
    let train = |config: &RunConfig| match &config.task {
        TaskConfig::Translate(task) => Some(task.train.clone()),
        TaskConfig::Generated(_) => None,
    };
    let unrecorded = old.train_files.is_none() && train(there) == train(now);
    match unrecorded || old.train_files == corpora.train_files {
        true => Ok(()),
        false => Err(RunError::OtherFiles { path: path.to_path_buf() }),
    }
}
