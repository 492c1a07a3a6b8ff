//! One experiment, as one TOML file: read strictly, overridden by `--set`, then validated as a whole.

use std::fs;
use std::path::Path;

use infer::DecodingConfig;
use model::config::Tie;
use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};
use text::{TextError, TokenizerConfig};

use crate::error::TrainError;
use crate::schedule::Schedule;
use crate::task::TaskConfig;

/// A whole configuration. The resolved one, defaults included, is kept in the run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    pub task: TaskConfig,
    /// For `translate` alone; generated tasks have a vocabulary of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerConfig>,
    #[serde(default)]
    pub model: ModelConfig,
    #[serde(default)]
    pub training: TrainingConfig,
    #[serde(default)]
    pub validation: ValidationConfig,
    #[serde(default)]
    pub decoding: DecodingConfig,
}

/// The `[training]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Everything random follows from it: weights, data, order, dropout.
    pub seed: u64,
    /// Updates of the weights.
    pub steps: u64,
    /// Target tokens per update, padding included (source tokens are bounded likewise).
    pub max_tokens: usize,
    /// Parts into which an update is split; their gradients add up to the whole update's. On a CPU as many parts as
    /// there are threads run side by side, which is faster; more parts than that save memory.
    pub accumulate: usize,
    /// Shape of the learning rate over the steps.
    pub schedule: Schedule,
    /// Factor of the paper's formula for `noam` (1 = the paper), the peak rate for the others.
    pub learning_rate: f64,
    pub warmup_steps: u64,
    /// ε of label smoothing (paper, section 5.4).
    pub label_smoothing: f64,
    /// Longest global gradient norm; 0 = no clipping (the paper).
    pub clip_norm: f64,
    /// Steps between two logged lines.
    pub log_every: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints to keep.
    pub keep: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            steps: 100_000,
            max_tokens: 4096,
            accumulate: 1,
            schedule: Schedule::Noam,
            learning_rate: 1.0,
            warmup_steps: 4000,
            label_smoothing: 0.1,
            clip_norm: 0.0,
            log_every: 50,
            checkpoint_every: 1000,
            keep: 2,
        }
    }
}

/// What decides which weights are the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of sentences decoded exactly.
    Exact,
    /// Corpus BLEU.
    Bleu,
    /// Corpus chrF.
    Chrf,
    /// Negative log-likelihood per target token; lower is better.
    Nll,
}

/// The `[validation]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Steps between two validations; the last step is always validated.
    pub every: u64,
    /// Sentences to validate (and test) on; the first of a corpus.
    pub sentences: usize,
    /// What decides which weights are the best.
    pub metric: Metric,
    /// Source, reference and output triples to show.
    pub samples: usize,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self { every: 1000, sentences: 1000, metric: Metric::Exact, samples: 3 }
    }
}

impl RunConfig {
    /// Reads a file, applies `--set table.key=value` overrides in order, and validates the whole.
    ///
    /// # Errors
    /// What is wrong, with file and line, or with the override at fault.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let text =
            fs::read_to_string(path).map_err(|source| TrainError::ConfigFile { path: path.to_path_buf(), source })?;
        let toml_error = |source| TrainError::Toml { path: path.to_path_buf(), source: Box::new(source) };
        let config: RunConfig = match overrides {
            [] => toml::from_str(&text).map_err(toml_error)?,
            _ => overridden(toml::from_str(&text).map_err(toml_error)?, overrides)?,
        };
        config.validate().map_err(|source| TrainError::Config { origin: path.display().to_string(), source })?;
        Ok(config)
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
                if self.model.tie == Tie::Three && !tokenizer.joint {
                    // Two vocabularies may be equally large, so sizes alone would not tell.
                    return Err(ConfigError::new(
                        "model.tie",
                        "\"three\"",
                        "one joint vocabulary, but tokenizer.joint = false makes two",
                        "set tokenizer.joint = true, or model.tie = \"two\"",
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
        for (field, value) in
            [("validation.every", self.validation.every as usize), ("validation.sentences", self.validation.sentences)]
        {
            at_least_one(field, value)?;
        }
        self.decoding.validate(&self.model)
    }
}

impl TrainingConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("training.steps", self.steps as usize),
            ("training.max_tokens", self.max_tokens),
            ("training.accumulate", self.accumulate),
            ("training.warmup_steps", self.warmup_steps as usize),
            ("training.log_every", self.log_every as usize),
            ("training.checkpoint_every", self.checkpoint_every as usize),
            ("training.keep", self.keep),
        ] {
            at_least_one(field, value)?;
        }
        if self.accumulate > self.max_tokens {
            return Err(ConfigError::new(
                "training.accumulate",
                self.accumulate,
                format!("at most training.max_tokens = {}", self.max_tokens),
                "split an update into fewer parts",
            ));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            let remedy = "1.0 is the paper's factor for \"noam\"; the other schedules want a rate such as 0.001";
            return Err(ConfigError::new("training.learning_rate", self.learning_rate, "a positive number", remedy));
        }
        if self.schedule != Schedule::Noam && self.learning_rate >= 1.0 {
            return Err(ConfigError::new(
                "training.learning_rate",
                self.learning_rate,
                "a peak rate below 1, since only \"noam\" takes a factor",
                "0.001 is a usual peak",
            ));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let expected = "at least 0 and below 1";
            return Err(ConfigError::new("training.label_smoothing", self.label_smoothing, expected, "0.1 is usual"));
        }
        if !(self.clip_norm.is_finite() && self.clip_norm >= 0.0) {
            let remedy = "1.0 is usual; 0 turns clipping off";
            return Err(ConfigError::new("training.clip_norm", self.clip_norm, "a number of at least 0", remedy));
        }
        Ok(())
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

pub(crate) fn at_least_one(field: &str, value: usize) -> Result<(), ConfigError> {
    match value {
        0 => Err(ConfigError::new(field, value, "at least 1", "choose a positive number")),
        _ => Ok(()),
    }
}

/// The configuration that a file's table and all overrides together make.
fn overridden(mut table: toml::Table, overrides: &[String]) -> Result<RunConfig, TrainError> {
    let parse = |table: &toml::Table| table.clone().try_into::<RunConfig>();
    let unchanged = parse(&table).map_err(|error| error.to_string());
    let mut culprit = None;
    for given in overrides {
        set(&mut table, given)?;
        // The override after which it first fails in a new way is the one to name, if it still fails in the end.
        match parse(&table) {
            Ok(_) => culprit = None,
            Err(error) if culprit.is_none() && unchanged.as_ref().err() != Some(&error.to_string()) => {
                culprit = Some(given);
            }
            Err(_) => {}
        }
    }
    parse(&table).map_err(|error| TrainError::Set {
        given: culprit.or(overrides.last()).cloned().unwrap_or_default(),
        reason: error.to_string().trim().to_string(),
    })
}

/// Puts `table.key=value` into the table; the value is TOML, or else a plain string.
fn set(table: &mut toml::Table, given: &str) -> Result<(), TrainError> {
    let fail = |reason: &str| TrainError::Set { given: given.to_string(), reason: reason.to_string() };
    let form = "expected table.key=value, for example training.steps=500";
    let (path, value) = given.split_once('=').ok_or_else(|| fail(form))?;
    let (tables, key) = path.trim().rsplit_once('.').ok_or_else(|| fail(form))?;
    let value = format!("value = {}", value.trim())
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.trim().to_string()));
    let mut target = table;
    for name in tables.split('.') {
        let entry = target.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        target = entry.as_table_mut().ok_or_else(|| fail(&format!("`{name}` is a value, not a table")))?;
    }
    target.insert(key.to_string(), value);
    Ok(())
}
