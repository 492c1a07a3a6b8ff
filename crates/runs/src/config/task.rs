//! The `[task]` table: a generated task, or translation with its corpora.

use model::{ConfigError, ModelConfig};
use serde::de::{Deserializer, Error, IntoDeserializer};
use serde::{Deserialize, Serialize, Serializer};
use text::{ParallelPath, TextError};

use super::at_least_one;

/// The `[task]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawTaskConfig", into = "RawTaskConfig")]
pub enum TaskConfig {
    /// A task whose sequences are generated.
    Generated(GeneratedConfig),
    /// Translation between the two sides of a corpus.
    Translate(TranslateConfig),
}

/// A task without a corpus: the target is a function of the source.
///
/// A new task is a variant here and an arm in [`apply`](Self::apply); `task.kind` takes its name in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneratedTask {
    /// The target is the source.
    Copy,
    /// The target is the source backwards.
    Reverse,
    /// The target has the source's symbols in ascending order.
    Sort,
}

impl GeneratedTask {
    /// Returns the target of a source sequence.
    ///
    /// ```
    /// use runs::config::GeneratedTask;
    /// assert_eq!(GeneratedTask::Reverse.apply(&[3, 1, 2]), [2, 1, 3]);
    /// assert_eq!(GeneratedTask::Sort.apply(&[3, 1, 3]), [1, 3, 3]);
    /// ```
    pub fn apply(self, source: &[usize]) -> Vec<usize> {
        let mut target = source.to_vec();
        match self {
            GeneratedTask::Copy => {}
            GeneratedTask::Reverse => target.reverse(),
            GeneratedTask::Sort => target.sort(),
        }
        target
    }
}

/// The table in a file, with the keys of all kinds, so that an error can show the line.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTaskConfig {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbols: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<ParallelPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<ParallelPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<ParallelPath>,
}

/// The values of `task.kind`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Generated(GeneratedTask),
    Translate,
}

const TRANSLATE: &str = "translate";

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Kind::Generated(task) => task.serialize(serializer),
            Kind::Translate => serializer.serialize_str(TRANSLATE),
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == TRANSLATE {
            return Ok(Kind::Translate);
        }
        // The derived error ends with the names of the generated tasks.
        let task: Result<GeneratedTask, serde::de::value::Error> =
            GeneratedTask::deserialize(name.as_str().into_deserializer());
        task.map(Kind::Generated).map_err(|error| D::Error::custom(format!("{error}, `{TRANSLATE}`")))
    }
}

impl TryFrom<RawTaskConfig> for TaskConfig {
    type Error = String;

    fn try_from(raw: RawTaskConfig) -> Result<Self, String> {
        let RawTaskConfig { kind, symbols, min_length, max_length, train, validation, test } = raw;
        let generated = [
            ("symbols", symbols.is_some()),
            ("min_length", min_length.is_some()),
            ("max_length", max_length.is_some()),
        ];
        let corpora = [("train", train.is_some()), ("validation", validation.is_some()), ("test", test.is_some())];
        let (known, foreign) = match kind {
            Kind::Generated(_) => (generated, corpora),
            Kind::Translate => (corpora, generated),
        };
        if let Some((key, _)) = foreign.iter().find(|(_, given)| *given) {
            let kind = toml::Value::try_from(kind).map_err(|error| error.to_string())?;
            let known = known.map(|(key, _)| format!("`{key}`")).join(", ");
            return Err(format!("`{key}` is not a key of a task of kind {kind}, expected {known}; remove it"));
        }
        let missing = |key: &str| format!("missing field `{key}`; give the path of a TSV file, or both sides' paths");
        Ok(match kind {
            Kind::Generated(rule) => {
                let default = GeneratedConfig::new(rule);
                TaskConfig::Generated(GeneratedConfig {
                    rule,
                    symbols: symbols.unwrap_or(default.symbols),
                    min_length: min_length.unwrap_or(default.min_length),
                    max_length: max_length.unwrap_or(default.max_length),
                })
            }
            Kind::Translate => TaskConfig::Translate(TranslateConfig {
                train: train.ok_or_else(|| missing("train"))?,
                validation: validation.ok_or_else(|| missing("validation"))?,
                test,
            }),
        })
    }
}

impl From<TaskConfig> for RawTaskConfig {
    fn from(config: TaskConfig) -> Self {
        let empty = |kind| RawTaskConfig {
            kind,
            symbols: None,
            min_length: None,
            max_length: None,
            train: None,
            validation: None,
            test: None,
        };
        match config {
            TaskConfig::Generated(GeneratedConfig { rule, symbols, min_length, max_length }) => RawTaskConfig {
                symbols: Some(symbols),
                min_length: Some(min_length),
                max_length: Some(max_length),
                ..empty(Kind::Generated(rule))
            },
            TaskConfig::Translate(TranslateConfig { train, validation, test }) => {
                RawTaskConfig { train: Some(train), validation: Some(validation), test, ..empty(Kind::Translate) }
            }
        }
    }
}

impl TaskConfig {
    pub(crate) fn validate(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        match self {
            TaskConfig::Generated(config) => config.validate(model),
            TaskConfig::Translate(config) => config.validate(),
        }
    }
}

/// The `[task]` table of a generated task: which one, and the shape of its sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedConfig {
    /// The task, `task.kind`.
    pub rule: GeneratedTask,
    /// Number of distinct symbols, written 0, 1, 2, …; at most 1,000,000.
    pub symbols: usize,
    /// Length of the shortest sequence, in symbols.
    pub min_length: usize,
    /// Length of the longest sequence, in symbols; below `model.max_length`, which includes the end token.
    pub max_length: usize,
}

/// The largest `task.symbols`: an embedding row per symbol has to fit in memory.
const MAX_SYMBOLS: usize = 1_000_000;

impl GeneratedConfig {
    /// A task with the default shape: ten symbols, one to ten of them in a sequence.
    pub fn new(rule: GeneratedTask) -> Self {
        Self { rule, symbols: 10, min_length: 1, max_length: 10 }
    }

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
        if self.symbols > MAX_SYMBOLS {
            return Err(ConfigError::new(
                "task.symbols",
                self.symbols,
                format!("at most {MAX_SYMBOLS}"),
                "10 is usual",
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

/// The `[task]` table of `kind = "translate"`: the parallel corpora.
///
/// A corpus is a TSV file (`source TAB target`), a list of them, or `{ source = …, target = … }` with a file or a list
/// of files for each side. Files may be compressed by gzip or zstd.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslateConfig {
    /// The training corpus.
    pub train: ParallelPath,
    /// The validation corpus, which decides which weights are the best.
    pub validation: ParallelPath,
    /// The test corpus, measured once at the end with the final weights; without it there is no test.
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
                return Err(ConfigError::new(field, found, "equally many", remedy));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables as the first version of the program wrote them.
    #[test]
    fn tables_are_written_as_they_were_read() {
        for table in [
            "kind = \"sort\"\nsymbols = 10\nmin_length = 1\nmax_length = 10\n",
            "kind = \"translate\"\ntrain = \"a.tsv\"\nvalidation = \"b.tsv\"\n",
            "kind = \"translate\"\nvalidation = \"b.tsv\"\ntest = [\"c.tsv\", \"d.tsv\"]\n\n[train]\nsource = \"a.de\"\ntarget = \"a.en\"\n",
        ] {
            let config: TaskConfig = toml::from_str(table).unwrap();
            let written: toml::Table = toml::to_string(&config).unwrap().parse().unwrap();
            assert_eq!(written, table.parse::<toml::Table>().unwrap());
        }
        let written = toml::to_string(&TaskConfig::Generated(GeneratedConfig::new(GeneratedTask::Copy))).unwrap();
        assert_eq!(written, "kind = \"copy\"\nsymbols = 10\nmin_length = 1\nmax_length = 10\n");
    }

    #[test]
    fn an_unknown_kind_names_all_kinds() {
        let error = toml::from_str::<TaskConfig>("kind = \"paint\"").unwrap_err().to_string();
        assert!(error.contains("`paint`, expected one of `copy`, `reverse`, `sort`, `translate`"), "{error}");
    }
}
