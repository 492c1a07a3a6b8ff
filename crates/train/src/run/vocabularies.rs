//! Vocabularies that exist before a run: its own if it resumes, or those of the run that `training.init_from` names.

use std::path::Path;

use runs::ExistingRun;
use runs::config::RunConfig;

use crate::data::Vocabularies;
use crate::error::TrainError;

/// Returns the vocabularies that exist already: those of the run being resumed, or of the run that `training.init_from`
/// names. [`RunConfig::load`] compares them with `[tokenizer]`.
///
/// # Errors
/// Files that are missing or damaged.
pub fn initial_vocabularies(
    config: &RunConfig,
    output: &Path,
    existing: ExistingRun,
) -> Result<Option<Vocabularies>, TrainError> {
    if existing == ExistingRun::Resumable {
        return Ok(Some(Vocabularies::load(output)?));
    }
    let Some(origin) = &config.training.init_from else { return Ok(None) };
    let found = Vocabularies::load(origin).map_err(|source| TrainError::InitFromRun(source.into()))?;
    Ok(Some(found))
}
