//! How a [`Tokenizer`] is made: by training, from fixed words, or from other programs' vocabularies.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use super::sentencepiece::SentencePieces;
use super::sentencepiece::file::File;
use super::{Direction, Steps, Tokenizer, TokenizerConfig, TokenizerKind, file, library, train};
use crate::{SpecialIds, Template, TextError};

impl Tokenizer {
    /// Trains a vocabulary on the first `config.sample_lines` lines.
    ///
    /// Equal lines give equal bytes of [`to_json`](Self::to_json), in every process and with any number of threads.
    ///
    /// # Errors
    /// An invalid configuration, no text, or a vocabulary size that the text does not support.
    pub fn train<S: AsRef<str>>(config: &TokenizerConfig, lines: impl Iterator<Item = S>) -> Result<Self, TextError> {
        train::train(config, lines)
    }

    /// Returns a fixed vocabulary: `</s>`, `<unk>`, `words` in order without repetitions, `<pad>`.
    ///
    /// Text is split at white space and joined with single spaces.
    pub fn from_words(words: &[impl AsRef<str>]) -> Self {
        train::fixed(words)
    }

    /// Returns a SentencePiece unigram model with the `vocabulary` of a translation model in the order of its ids.
    ///
    /// The vocabulary is `</s>`, `<unk>`, …, `<pad>`; `special` are the original ids of these tokens. Pieces that it lacks
    /// become `<unk>`. Entries that are no pieces decode, but match only text whose characters no piece covers. A leading
    /// `>>code<<` is one token. `origin` appears in errors.
    ///
    /// # Errors
    /// A vocabulary of another layout, or an invalid model.
    pub fn from_sentencepiece(
        model: &SentencePieces,
        vocabulary: &[String],
        special: SpecialIds,
        origin: &Path,
    ) -> Result<Self, TextError> {
        let special = (special != SpecialIds::layout(vocabulary.len())).then_some(special);
        File::new(model, vocabulary, special, None).read(model.normalization.clone(), origin)
    }

    /// Returns the tokenizer of another program's file in the `tokenizers` format, whose steps the library applies.
    ///
    /// `vocabulary` has the label of every id in the order of the ids here: `</s>`, `<unk>`, …, `<pad>`; `special` are the ids
    /// of these tokens in the file. Tokens that the file adds to its vocabulary never match text. `origin` appears in errors.
    ///
    /// # Errors
    /// A vocabulary of another layout, or a file that the library rejects.
    pub fn from_tokenizers_file(
        file: Value,
        vocabulary: &[String],
        special: SpecialIds,
        origin: &Path,
    ) -> Result<Self, TextError> {
        let mut file = library::assemble(file, vocabulary);
        file::write_original_ids(&mut file, (special != SpecialIds::layout(vocabulary.len())).then_some(special));
        file::from_value(file, origin)
    }

    /// Joins the parts of a tokenizer; the error is (found, expected).
    pub(super) fn new(
        kind: TokenizerKind,
        labels: Vec<String>,
        steps: Steps,
        original_ids: Option<SpecialIds>,
        template: Option<Template>,
    ) -> Result<Self, (String, &'static str)> {
        let (direction, hidden) = (Direction::LeftToRight, HashSet::new());
        let mut tokenizer = Self { kind, direction, labels, steps, original_ids, template: None, hidden };
        tokenizer.set_template(template)?;
        Ok(tokenizer)
    }

    /// Returns the tokenizer for a network that reads or writes tokens in this order.
    pub(super) fn with_direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// Whether two tokenizers are equal, or differ in nothing but their [`direction`](Self::direction).
    pub fn equals_in_some_direction(&self, other: &Self) -> bool {
        self.to_json() == other.clone().with_direction(self.direction).to_json()
    }

    /// Returns the tokenizer with these tokens around a text.
    ///
    /// # Errors
    /// A template with a token that the vocabulary lacks.
    pub fn with_template(mut self, template: Template, origin: &Path) -> Result<Self, TextError> {
        self.set_template(Some(template)).map_err(|(found, expected)| TextError::TokenizerFile {
            path: origin.to_owned(),
            found,
            expected: expected.into(),
        })?;
        Ok(self)
    }

    fn set_template(&mut self, template: Option<Template>) -> Result<(), (String, &'static str)> {
        if let Some(template) = &template {
            let known: HashSet<&str> = self.labels.iter().map(String::as_str).collect();
            template.check(|label| known.contains(label))?;
            let hidden: HashSet<&str> = template.labels().collect();
            self.hidden = self
                .labels
                .iter()
                .zip(0..)
                .filter(|(label, _)| hidden.contains(label.as_str()))
                .map(|(_, id)| id)
                .collect();
        }
        self.template = template;
        Ok(())
    }
}
