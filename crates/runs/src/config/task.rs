//! The `[task]` table: what is learned.

use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};
use text::{ParallelPath, TextError};

use super::at_least_one;

/// The `[task]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "Written")]
pub enum TaskConfig {
    /// Say the source again.
    Copy(GeneratedConfig),
    /// Say the source backwards.
    Reverse(GeneratedConfig),
    /// Say the source's symbols in order.
    Sort(GeneratedConfig),
    /// Say the source in another language.
    Translate(TranslateConfig),
}

/// The table as it stands in a file, all kinds in one, so that an error can show the line that it is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: Kind,
    symbols: Option<usize>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    train: Option<ParallelPath>,
    validation: Option<ParallelPath>,
    test: Option<ParallelPath>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Copy,
    Reverse,
    Sort,
    Translate,
}

impl TryFrom<Written> for TaskConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { kind, symbols, min_length, max_length, train, validation, test } = written;
        let generated = [
            ("symbols", symbols.is_some()),
            ("min_length", min_length.is_some()),
            ("max_length", max_length.is_some()),
        ];
        let corpora = [("train", train.is_some()), ("validation", validation.is_some()), ("test", test.is_some())];
        let (known, foreign) = if kind == Kind::Translate { (corpora, generated) } else { (generated, corpora) };
        if let Some((key, _)) = foreign.iter().find(|(_, given)| *given) {
            let name = ["copy", "reverse", "sort", "translate"][kind as usize];
            let known = known.map(|(key, _)| format!("`{key}`")).join(", ");
            return Err(format!("`{key}` has no place in a task of kind \"{name}\", expected {known}; remove it"));
        }
        let missing = |key: &str| format!("missing field `{key}`; give the path of a TSV file, or both sides' paths");
        let default = GeneratedConfig::default();
        let generated = GeneratedConfig {
            symbols: symbols.unwrap_or(default.symbols),
            min_length: min_length.unwrap_or(default.min_length),
            max_length: max_length.unwrap_or(default.max_length),
        };
        Ok(match kind {
            Kind::Copy => TaskConfig::Copy(generated),
            Kind::Reverse => TaskConfig::Reverse(generated),
            Kind::Sort => TaskConfig::Sort(generated),
            Kind::Translate => TaskConfig::Translate(TranslateConfig {
                train: train.ok_or_else(|| missing("train"))?,
                validation: validation.ok_or_else(|| missing("validation"))?,
                test,
            }),
        })
    }
}

impl TaskConfig {
    pub(crate) fn validate(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        match self {
            TaskConfig::Copy(config) | TaskConfig::Reverse(config) | TaskConfig::Sort(config) => config.validate(model),
            TaskConfig::Translate(config) => config.validate(),
        }
    }
}

/// Shape of the sequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneratedConfig {
    /// Distinct symbols, written 0, 1, 2, …
    pub symbols: usize,
    pub min_length: usize,
    pub max_length: usize,
}

impl Default for GeneratedConfig {
    fn default() -> Self {
        Self { symbols: 10, min_length: 1, max_length: 10 }
    }
}

impl GeneratedConfig {
    pub(super) fn validate(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        if self.max_length >= model.max_length {
            return Err(ConfigError::new(
                "task.max_length",
                self.max_length,
                format!("below model.max_length = {}, which counts the end token too", model.max_length),
                format!("set model.max_length to at least {}", self.max_length.saturating_add(1)),
            ));
        }
        at_least_one("task.symbols", self.symbols)?;
        if self.symbols > MOST_SYMBOLS {
            return Err(ConfigError::new(
                "task.symbols",
                self.symbols,
                format!("at most {MOST_SYMBOLS}"),
                "ten is enough to learn",
            ));
        }
        at_least_one("task.min_length", self.min_length)?;
        if self.max_length < self.min_length {
            return Err(ConfigError::new(
                "task.max_length",
                self.max_length,
                format!("at least task.min_length = {}", self.min_length),
                "lower min_length or raise max_length",
            ));
        }
        Ok(())
    }
}

/// An embedding row per symbol has to fit in memory.
const MOST_SYMBOLS: usize = 1_000_000;

/// Where the parallel text is: for each split a TSV file (`source TAB target`), or a pair of files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TranslateConfig {
    pub train: ParallelPath,
    pub validation: ParallelPath,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<ParallelPath>,
}

impl TranslateConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let splits = [
            ("task.train", Some(&self.train)),
            ("task.validation", Some(&self.validation)),
            ("task.test", self.test.as_ref()),
        ];
        for (field, path) in splits {
            let Some(path) = path else { continue };
            if let Err(TextError::UnequalShards { source_files, target_files, .. }) = path.shards() {
                let found = format!("{path}, {source_files} source files and {target_files} target files");
                let remedy = "list them pairwise, in the same order";
                return Err(ConfigError::new(field, found, "as many of each", remedy));
            }
        }
        Ok(())
    }
}
