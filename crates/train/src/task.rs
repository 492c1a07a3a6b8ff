//! The task: tokenizers, training data and held-out examples, assembled from the configuration.

use std::sync::Arc;

use model::VocabularySizes;
use runs::config::{GeneratedConfig, TaskConfig, TranslateConfig, tokenizer_error};
use runs::corpora::{Corpora, CorpusHash};
use runs::{RunConfig, RunError};
use text::{Frames, Tokenizer, read_parallel, reject_shared_pipes};

use crate::data::{
    self, EvalExample, Generator, PairEncoder, Split, Survey, TrainingData, Vocabularies, eval_examples,
};
use crate::error::TrainError;

/// The tokenizers and the data of a run.
#[derive(Debug)]
pub struct Task {
    /// The tokenizer of the source side.
    pub source_tokenizer: Arc<Tokenizer>,
    /// The tokenizer of the target side.
    pub target_tokenizer: Arc<Tokenizer>,
    /// The tokens around texts.
    pub frames: Frames,
    /// The source of training examples.
    pub training: Arc<TrainingData>,
    /// The validation split.
    pub validation: Vec<EvalExample>,
    /// The test split; empty if the configuration has none.
    pub test: Vec<EvalExample>,
    /// Hashes of the corpora, so that the run is resumed with the same.
    pub corpora: Corpora,
    /// Remarks to print before training starts, such as the number of dropped pairs.
    pub notes: Vec<String>,
}

impl Task {
    /// Generates, or reads and tokenises, the data of a configuration. Vocabularies are trained on the corpus unless
    /// given.
    ///
    /// # Errors
    /// A corpus that cannot be read, a vocabulary that cannot be trained, or nothing left to train or validate on.
    pub fn new(config: &RunConfig, vocabularies: Option<Vocabularies>) -> Result<Self, TrainError> {
        let task = match &config.task {
            TaskConfig::Generated(task) => Self::generated(task, config),
            TaskConfig::Translate(task) => Self::translate(task, config, vocabularies),
        }?;
        config
            .model
            .validate_vocabularies(task.sizes())
            .map_err(|source| RunError::Config { origin: "vocabulary".to_string(), source })?;
        Ok(task)
    }

    /// The sizes of the two vocabularies.
    pub fn sizes(&self) -> VocabularySizes {
        VocabularySizes { source: self.source_tokenizer.vocab_size(), target: self.target_tokenizer.vocab_size() }
    }

    fn generated(task: &GeneratedConfig, config: &RunConfig) -> Result<Self, TrainError> {
        let generator = Generator::new(task.clone(), config.training.seed);
        let tokenizer = Arc::new(Tokenizer::from_words(&generator.words()));
        let validation = generator.held_out(Split::Validation, config.validation.sentences);
        let test = generator.held_out(Split::Test, config.validation.sentences);
        if validation.is_empty() || test.is_empty() || !generator.is_trainable() {
            return Err(TrainError::Data(
                "the task has too few sequences to hold some out; raise task.symbols or task.max_length".to_string(),
            ));
        }
        let mut notes = Vec::new();
        if validation.len() < config.validation.sentences {
            notes.push(format!("only {} sequences to validate on: the task has no more", validation.len()));
        }
        Ok(Self {
            frames: frames(&tokenizer, &tokenizer, config)?,
            source_tokenizer: tokenizer.clone(),
            target_tokenizer: tokenizer,
            training: Arc::new(TrainingData::Generated(generator)),
            validation,
            test,
            corpora: Corpora::default(),
            notes,
        })
    }

    fn translate(
        task: &TranslateConfig,
        config: &RunConfig,
        vocabularies: Option<Vocabularies>,
    ) -> Result<Self, TrainError> {
        let tokenizers = config.tokenizer.clone().unwrap_or_default();
        let filters = config.data.clone().unwrap_or_default();
        let sampled = if vocabularies.is_some() { 0 } else { Survey::sample_size(&tokenizers) };
        let splits = [Some(&task.train), Some(&task.validation), task.test.as_ref()];
        reject_shared_pipes(&splits.into_iter().flatten().collect::<Vec<_>>())?;
        let survey = Survey::read(&task.train, filters.shuffle_buffer.max(sampled), filters.shuffle_buffer)?;
        let validation = read_parallel(&task.validation)?;
        let test = task.test.as_ref().map(read_parallel).transpose()?.unwrap_or_default();
        let streamed = survey.corpus_hash.pairs > filters.shuffle_buffer;
        let corpora = Corpora {
            train: Some(survey.corpus_hash.clone()),
            train_files: (streamed && survey.files.len() > 1).then(|| survey.files.clone()),
            validation: Some(CorpusHash::from_pairs(&validation)),
            test: task.test.as_ref().map(|_| CorpusHash::from_pairs(&test)),
        };
        let Vocabularies { source, target } = match vocabularies {
            Some(vocabularies) => vocabularies,
            None => survey.train_vocabularies(&task.train, &tokenizers)?,
        };

        let frames = frames(&source, &target, config)?;
        let encoder = PairEncoder {
            frames: frames.clone(),
            source_tokenizer: source.clone(),
            target_tokenizer: target.clone(),
            max_length: filters.max_length(&config.model),
            max_length_key: filters.max_length_key(&config.model),
            max_ratio: filters.max_ratio,
            source_dropout: tokenizers.source().dropout,
            target_dropout: tokenizers.target().dropout,
            seed: config.training.seed,
            decoding: config.decoding.clone(),
        };
        // The filters of [data] are for training; held-out pairs need only fit the model.
        let unfiltered = PairEncoder {
            max_length: config.model.max_length,
            max_length_key: "model.max_length",
            max_ratio: 0.0,
            ..encoder.clone()
        };
        let origin = config.training.init_from.iter();
        let mut notes: Vec<String> =
            origin.map(|run| format!("the vocabularies are those of {}, not trained again", run.display())).collect();
        let max_count = config.validation.sentences;
        let validation = eval_examples("validation", validation, max_count, &unfiltered, &mut notes)?;
        let test = eval_examples("test", test, max_count, &unfiltered, &mut notes)?;
        let training = data::training_data(&task.train, filters.shuffle_buffer, survey, encoder, &mut notes)?;
        notes.push(data::unknown_rates("validation", &validation));
        if !test.is_empty() {
            notes.push(data::unknown_rates("test", &test));
        }
        Ok(Self {
            frames,
            source_tokenizer: source,
            target_tokenizer: target,
            training: Arc::new(training),
            validation,
            test,
            corpora,
            notes,
        })
    }
}

/// The tokens around texts in the languages of a configuration.
fn frames(source: &Tokenizer, target: &Tokenizer, config: &RunConfig) -> Result<Frames, TrainError> {
    let frames = Frames::new(source, target, config.decoding.languages());
    frames.map_err(|error| TrainError::Config(tokenizer_error(error)))
}
