//! The configuration of a run, one TOML file: read strictly, overridden by `--set`, then validated as a whole.

mod data;
mod decoding;
mod decoding_precision;
mod diff;
mod existing_vocabularies;
mod inherited;
mod length_penalty;
mod lora;
mod overrides;
mod precision;
mod recompute;
mod regularization;
mod renamed;
mod resume;
mod schedule;
mod task;
mod tokenizer_keys;
mod tokenizers;
mod training;
mod validation;

use std::fs;
use std::path::Path;

use model::backend::Backend;
use model::config::Tie;
use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

pub use data::DataConfig;
pub use decoding::{DecodingConfig, DecodingOverrides};
pub use decoding_precision::DecodingPrecision;
pub use diff::{Difference, differences, first_difference};
pub use length_penalty::{LengthPenalty, PenaltyForm};
pub use lora::LoraConfig;
pub use precision::MatmulPrecision;
pub use regularization::{AnnealDropout, RDrop};
pub use resume::{Progress, ResumeRule, resume_rules, why_not_changeable};
pub use schedule::Schedule;
pub use task::{GeneratedConfig, GeneratedTask, TaskConfig, TranslateConfig};
pub use tokenizers::TokenizersConfig;
pub use training::{Average, AverageOf, FinalWeights, Optimizer, TrainingConfig};
pub use validation::{Metric, ValidationConfig};

use crate::error::RunError;
use crate::{layout, same_run};

/// A whole configuration. The run folder holds the resolved one, defaults included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The task, generated or from a corpus.
    pub task: TaskConfig,
    /// The vocabularies, for `task.kind = "translate"` alone, where it is required without `training.init_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizersConfig>,
    /// Filters and shuffling of the corpus, for `task.kind = "translate"` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataConfig>,
    /// Sizes and options of the network.
    #[serde(default)]
    pub model: ModelConfig,
    /// Optimizer, schedule, batch size, checkpoints.
    #[serde(default)]
    pub training: TrainingConfig,
    /// Interval, size and metric of validations during training.
    #[serde(default)]
    pub validation: ValidationConfig,
    /// Default decoding settings; the options of `infer` override them.
    #[serde(default)]
    pub decoding: DecodingConfig,
}

impl RunConfig {
    /// Reads a file, applies `--set table.key=value` overrides in order, and validates the whole.
    ///
    /// With `training.init_from`, the tables `[model]`, `[tokenizer]` and `[decoding]` have that run's values where the
    /// file sets none, and the learning rate has defaults for fine-tuning.
    ///
    /// # Errors
    /// A file or an override that cannot be used, with the line or the override at fault. Errors of the file come first,
    /// unless an override corrects them.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, RunError> {
        Self::load_for(path, overrides, None)
    }

    /// As [`load`](Self::load), to resume the run folder `run` if it exists: it holds what the run took from
    /// `training.init_from` at its start.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_for(path: &Path, overrides: &[String], run: Option<&Path>) -> Result<Self, RunError> {
        let text =
            fs::read_to_string(path).map_err(|source| RunError::ConfigFile { path: path.to_path_buf(), source })?;
        let toml_error = |source| RunError::Toml { path: path.to_path_buf(), source: Box::new(source) };
        let invalid = |source| RunError::Config { origin: path.display().to_string(), source };
        if let Ok(table) = text.parse::<toml::Table>() {
            renamed::reject_both_names(&table).map_err(invalid)?;
        }
        let mut config: RunConfig = match overrides {
            [] => toml::from_str(&text).map_err(toml_error)?,
            _ => overrides::overridden(&text, overrides, toml_error)?,
        };
        if let Some(origin) = &config.training.init_from {
            let table = overrides::table(&text, overrides).map_err(toml_error)?;
            config = inherited::complete(table, &config.task, origin, run, invalid)?;
        }
        if let (None, Some(run)) = (&config.training.init_from, run.filter(|run| run.join(layout::CONFIG).is_file())) {
            // Before other errors: the tables that the run has inherited may be missing, too.
            if let Some(origin) = same_run::stored_config(run)?.training.init_from {
                let expected = format!("{:?}, with which the run {} was started", origin.display(), run.display());
                let remedy = format!("give --init-from {}", origin.display());
                return Err(invalid(ConfigError::new("training.init_from", "nothing", expected, remedy)));
            }
        }
        config.validate().map_err(invalid)?;
        if matches!(config.task, TaskConfig::Translate(_)) {
            config.data.get_or_insert_default();
        }
        Ok(config)
    }

    /// Extra checks for new runs, which existing runs need not pass to be resumed; `origin` is named in errors.
    ///
    /// # Errors
    /// Values that have no effect or defeat their purpose.
    pub fn validate_new(&self, origin: &Path) -> Result<(), RunError> {
        let checked = self.training.validate_new(&self.model);
        let checked = checked.and_then(|()| self.validation.validate_new(&self.model));
        checked.map_err(|source| RunError::Config { origin: origin.display().to_string(), source })
    }

    /// Extra checks for the run in the folder `run`, of values that differ from its own; `origin` is named in errors.
    ///
    /// # Errors
    /// As [`validate_new`](Self::validate_new), and a configuration in the folder that cannot be read.
    pub fn validate_resumed(&self, run: &Path, origin: &Path) -> Result<(), RunError> {
        if self.validation.beam == same_run::stored_config(run)?.validation.beam {
            return Ok(());
        }
        let checked = self.validation.validate_new(&self.model);
        checked.map_err(|source| RunError::Config { origin: origin.display().to_string(), source })
    }

    /// Checks that the backend supports all options; `origin` is named in errors.
    ///
    /// # Errors
    /// `training.matmul_precision` on a backend without that precision, or `training.recompute` on a CPU.
    pub fn validate_on(&self, backend: Backend, origin: &Path) -> Result<(), RunError> {
        let checked = self.training.validate_on(backend);
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
                tokenizer.validate()?;
                let (one_matrix, tie) = match self.model.tie {
                    Tie::All => (true, "\"all\""),
                    Tie::Inputs => (true, "\"inputs\""),
                    Tie::Decoder | Tie::None => (false, ""),
                };
                if one_matrix && !tokenizer.joint() {
                    // Two vocabularies may be equally large, so comparing sizes is not enough.
                    return Err(ConfigError::new(
                        "model.tie",
                        tie,
                        "one joint vocabulary, but tokenizer.joint = false, or a table for each side, makes two",
                        "set tie = \"decoder\", or tokenizer.joint = true without [tokenizer.source] and [tokenizer.target]",
                    ));
                }
            }
            (TaskConfig::Translate(_), None) if self.training.init_from.is_some() => {}
            (TaskConfig::Translate(_), None) => {
                return Err(ConfigError::new(
                    "tokenizer",
                    "nothing",
                    "a [tokenizer] table for task.kind = \"translate\"",
                    "add one, for example kind = \"bpe\", vocab_size = 8000, joint = true",
                ));
            }
            (TaskConfig::Generated(_), Some(_)) => {
                return Err(ConfigError::new(
                    "tokenizer",
                    "a table",
                    "none: generated tasks have a fixed vocabulary",
                    "remove the [tokenizer] table",
                ));
            }
            (TaskConfig::Generated(_), None) if self.decoding.source_prefix.is_empty() => {}
            (TaskConfig::Generated(_), None) => {
                return Err(ConfigError::new(
                    "decoding.source_prefix",
                    format!("{:?}", self.decoding.source_prefix),
                    "nothing: the sources of generated tasks are symbols alone",
                    "remove decoding.source_prefix",
                ));
            }
        }
        self.training.validate()?;
        match (&self.task, &self.data) {
            (TaskConfig::Translate(_), Some(data)) => data.validate(&self.model)?,
            (TaskConfig::Generated(_), Some(_)) => {
                let expected = "none: generated tasks make their own data";
                return Err(ConfigError::new("data", "a table", expected, "remove the [data] table"));
            }
            (TaskConfig::Translate(_) | TaskConfig::Generated(_), None) => {}
        }
        self.validation.validate()?;
        self.decoding.validate(&self.model)
    }
}

/// Makes `tokenizer.normalization` of a run and of the configuration that continues it comparable: absent now means that of
/// the run, and absent in the run the only rule that versions without the key had.
pub(crate) fn align_normalization(run: &mut RunConfig, now: &mut RunConfig) {
    if let (Some(run), Some(now)) = (&mut run.tokenizer, &mut now.tokenizer) {
        run.align_normalization(now);
    }
}

/// Converts an error of the crate `text`: it and `model` do not depend on each other.
pub fn tokenizer_error(text::FieldError { field, found, expected, remedy }: text::FieldError) -> ConfigError {
    ConfigError::new(field, found, expected, remedy)
}

/// Rejects zero.
fn at_least_one(field: &str, value: usize) -> Result<(), ConfigError> {
    match value {
        0 => Err(ConfigError::new(field, value, "at least 1", "choose a positive number")),
        _ => Ok(()),
    }
}
