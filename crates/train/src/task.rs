//! What is learned: a generated task, or translation between the two sides of a corpus.

mod corpora;
mod generated;
mod translate;

use std::path::Path;
use std::sync::Arc;

use model::VocabularySizes;
use runs::RunConfig;
use runs::RunError;
use runs::config::TaskConfig;
use runs::layout;
use text::{Pair, TextError, Tokenizer};

pub use corpora::{Contents, Corpora, Fingerprint};
pub use generated::{Generator, Rule};

use crate::data::{Example, TrainingData};
use crate::error::TrainError;

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
        Ok(Self { source: load(layout::SOURCE_TOKENIZER)?, target: load(layout::TARGET_TOKENIZER)? })
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
            .map_err(|source| RunError::Config { origin: "vocabulary".to_string(), source })?;
        Ok(task)
    }

    pub fn sizes(&self) -> VocabularySizes {
        VocabularySizes { source: self.source_tokenizer.vocab_size(), target: self.target_tokenizer.vocab_size() }
    }
}
