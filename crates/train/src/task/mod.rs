//! What is learned: a generated task, or translation between the two sides of a corpus.

mod corpora;
mod generated;
mod translate;

use std::path::Path;
use std::sync::Arc;

use infer::trained::files;
use model::{ConfigError, ModelConfig, VocabularySizes};
use serde::{Deserialize, Serialize};
use text::{Pair, ParallelPath, TextError, Tokenizer};

pub use corpora::{Contents, Corpora, Fingerprint};
pub use generated::{GeneratedConfig, Generator, Rule};
pub use translate::TranslateConfig;

use crate::config::RunConfig;
use crate::data::{Example, TrainingData};
use crate::error::TrainError;

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

/// A pair to validate on: the text beside its ids.
#[derive(Clone, Debug)]
pub struct Sample {
    pub pair: Pair,
    pub example: Example,
}

/// Everything that training needs to know of its task.
#[derive(Debug)]
pub struct Task {
    pub source_tokenizer: Arc<Tokenizer>,
    pub target_tokenizer: Arc<Tokenizer>,
    pub training: Arc<TrainingData>,
    pub validation: Vec<Sample>,
    /// Empty when the configuration names none.
    pub test: Vec<Sample>,
    /// What the data were made from; a run is resumed with the same.
    pub corpora: Corpora,
    /// What a person should know before training starts, such as dropped pairs.
    pub notes: Vec<String>,
}

/// Vocabularies that are there already, of the run that is resumed or of the one whose weights are taken over.
#[derive(Clone, Debug)]
pub struct Vocabularies {
    pub source: Arc<Tokenizer>,
    pub target: Arc<Tokenizer>,
}

impl Vocabularies {
    /// Those of a run folder.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub fn of_run(folder: &Path) -> Result<Self, TextError> {
        let load = |name| Tokenizer::load(&folder.join(name)).map(Arc::new);
        Ok(Self { source: load(files::SOURCE_TOKENIZER)?, target: load(files::TARGET_TOKENIZER)? })
    }
}

impl Task {
    /// Generates, or reads and tokenises, all that the configuration asks for. Vocabularies for a corpus are trained
    /// unless given.
    ///
    /// # Errors
    /// A corpus that cannot be read, a vocabulary that cannot be trained, or nothing left to train or validate on.
    pub fn new(config: &RunConfig, vocabularies: Option<Vocabularies>) -> Result<Self, TrainError> {
        let task = match &config.task {
            TaskConfig::Copy(task) => generated::task(Rule::Copy, task, config),
            TaskConfig::Reverse(task) => generated::task(Rule::Reverse, task, config),
            TaskConfig::Sort(task) => generated::task(Rule::Sort, task, config),
            TaskConfig::Translate(task) => translate::task(task, config, vocabularies),
        }?;
        config
            .model
            .validate_vocabularies(task.sizes())
            .map_err(|source| TrainError::Config { origin: "vocabulary".to_string(), source })?;
        Ok(task)
    }

    pub fn sizes(&self) -> VocabularySizes {
        VocabularySizes { source: self.source_tokenizer.vocab_size(), target: self.target_tokenizer.vocab_size() }
    }
}
