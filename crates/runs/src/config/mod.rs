//! One experiment, as one TOML file: read strictly, overridden by `--set`, then validated as a whole.

mod data;
mod decoding;
mod diff;
mod overrides;
mod precision;
mod regularization;
mod schedule;
mod task;
mod training;
mod validation;

use std::fs;
use std::path::Path;

use model::backend::Backend;
use model::config::Tie;
use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};
use text::{TextError, TokenizerConfig};

pub use data::DataConfig;
pub use decoding::{DecodingConfig, LengthPenalty, PenaltyForm};
pub use diff::first_difference;
pub use precision::MatmulPrecision;
pub use regularization::{AnnealDropout, RDrop};
pub use schedule::Schedule;
pub use task::{GeneratedConfig, TaskConfig, TranslateConfig};
pub use training::{Average, AverageOf, Export, Optimizer, TrainingConfig};
pub use validation::{Metric, ValidationConfig};

use crate::error::RunError;

/// A whole configuration. The resolved one, defaults included, is kept in the run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    pub task: TaskConfig,
    /// For `translate` alone; generated tasks have a vocabulary of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerConfig>,
    /// For `translate` alone, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataConfig>,
    #[serde(default)]
    pub model: ModelConfig,
    #[serde(default)]
    pub training: TrainingConfig,
    #[serde(default)]
    pub validation: ValidationConfig,
    #[serde(default)]
    pub decoding: DecodingConfig,
}

impl RunConfig {
    /// Reads a file, applies `--set table.key=value` overrides in order, and validates the whole.
    ///
    /// # Errors
    /// What is wrong, with file and line, or with the override at fault; first the file, unless an override mends it.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, RunError> {
        let text =
            fs::read_to_string(path).map_err(|source| RunError::ConfigFile { path: path.to_path_buf(), source })?;
        let toml_error = |source| RunError::Toml { path: path.to_path_buf(), source: Box::new(source) };
        let mut config: RunConfig = match overrides {
            [] => toml::from_str(&text).map_err(toml_error)?,
            _ => overrides::overridden(&text, overrides, toml_error)?,
        };
        config.validate().map_err(|source| RunError::Config { origin: path.display().to_string(), source })?;
        if matches!(config.task, TaskConfig::Translate(_)) {
            config.data.get_or_insert_default();
        }
        Ok(config)
    }

    /// Refuses what a new run shall not have; `origin` is named in errors. Runs that were made with it go on.
    ///
    /// # Errors
    /// Values that can be computed with and make no sense.
    pub fn validate_new(&self, origin: &Path) -> Result<(), RunError> {
        let checked = self.training.validate_new(&self.model);
        let checked = checked.and_then(|()| self.validation.validate_new(&self.model));
        checked.map_err(|source| RunError::Config { origin: origin.display().to_string(), source })
    }

    /// Refuses what this backend does not have; `origin` is named in errors.
    ///
    /// # Errors
    /// `training.matmul_precision = "bfloat16"` anywhere but on `flex`.
    pub fn validate_on(&self, backend: Backend, origin: &Path) -> Result<(), RunError> {
        let checked = self.training.matmul_precision.validate_on(backend);
        checked.map_err(|source| RunError::Config { origin: origin.display().to_string(), source })
    }

    /// The resolved configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration holds only values that TOML can express")
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.model.validate()?;
        self.task.validate(&self.model)?;
        match (&self.task, &self.tokenizer) {
            (TaskConfig::Translate(_), Some(tokenizer)) => {
                tokenizer.validate().map_err(tokenizer_error)?;
                if self.model.tie == Tie::All && !tokenizer.joint {
                    // Two vocabularies may be equally large, so sizes alone would not tell.
                    return Err(ConfigError::new(
                        "model.tie",
                        "\"all\"",
                        "one joint vocabulary, but tokenizer.joint = false makes two",
                        "set tokenizer.joint = true, or model.tie = \"decoder\"",
                    ));
                }
            }
            (TaskConfig::Translate(_), None) => {
                return Err(ConfigError::new(
                    "tokenizer",
                    "nothing",
                    "a [tokenizer] table for task.kind = \"translate\"",
                    "add one, for example kind = \"bpe\", vocab_size = 8000, joint = true",
                ));
            }
            (_, Some(_)) => {
                return Err(ConfigError::new(
                    "tokenizer",
                    "a table",
                    "none: generated tasks have a vocabulary of their own",
                    "remove the [tokenizer] table",
                ));
            }
            (_, None) => {}
        }
        self.training.validate()?;
        match (&self.task, &self.data) {
            (TaskConfig::Translate(_), Some(data)) => data.validate(&self.model)?,
            (_, Some(_)) => {
                let expected = "none: generated tasks make their own data";
                return Err(ConfigError::new("data", "a table", expected, "remove the [data] table"));
            }
            (_, None) => {}
        }
        self.validation.validate()?;
        self.decoding.validate(&self.model)
    }
}

/// The text crate's errors have the same four parts.
fn tokenizer_error(error: TextError) -> ConfigError {
    match error {
        TextError::Config { field, found, expected, remedy } => ConfigError::new(field, found, expected, remedy),
        TextError::VocabularyTooSmall { asked, least, reason } => ConfigError::new(
            "tokenizer.vocab_size",
            asked,
            format!("at least {least} ({reason})"),
            format!("set it to at least {least}"),
        ),
        other => ConfigError::new("tokenizer", "a table", "one that can be used", other.to_string()),
    }
}

pub fn at_least_one(field: &str, value: usize) -> Result<(), ConfigError> {
    match value {
        0 => Err(ConfigError::new(field, value, "at least 1", "choose a positive number")),
        _ => Ok(()),
    }
}
