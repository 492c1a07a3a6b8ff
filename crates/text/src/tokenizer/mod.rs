//! Tokenizers: a line of text to ids and back.
//!
//! Ids have Marian's layout: `</s>` is 0, `<unk>` is 1, `<pad>` is the last. Files have the format of the Hugging Face
//! `tokenizers` library and hold all steps from text to ids: normalisation ([`NormalizationRule`]) included. For BPE,
//! unigram and byte vocabularies the round trip loses nothing else: [`Tokenizer::decode`] returns what [`Tokenizer::normalize`]
//! returns, for every Unicode string. The `pipeline` module explains how.
//!
//! ```
//! use text::{Tokenizer, TokenizerConfig};
//!
//! let config = TokenizerConfig { vocab_size: 280, ..TokenizerConfig::default() };
//! let lines = ["the cat sat on the mat", "the dog sat on the log"];
//! let tokenizer = Tokenizer::train(&config, lines.iter()).unwrap();
//! let ids = tokenizer.encode("  the\u{a0}cata\u{ad}log </s> ▁ 猫").unwrap();
//! assert_eq!(tokenizer.decode(&ids).unwrap(), "the catalog </s> ▁ 猫");
//! ```

mod bpe_dropout;
mod config;
mod decoding;
mod file;
mod library;
mod normalization;
mod normalizer;
mod pipeline;
pub mod sentencepiece;
mod train;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use bpe_dropout::Segmenter;
pub use config::{TokenizerConfig, TokenizerKind};
use decoding::Edges;
pub use normalization::NormalizationRule;
use normalizer::Normalizer;
use sentencepiece::{SentencePiece, SentencePieces};
use serde_json::Value;
use tokenizers::{Decoder, Model};

use crate::special_tokens::{END_ID, SPACE_MARK, UNKNOWN_ID};
use crate::{FieldError, SpecialIds, Template, TextError, is_blank};

/// Converts text to ids and back.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    kind: TokenizerKind,
    /// Label of each id.
    labels: Vec<String>,
    normalizer: Normalizer,
    /// Whether the decoder is that of [`pipeline::subword_decoder`].
    own_decoder: bool,
    /// Merges of a BPE vocabulary, for BPE-dropout.
    segmenter: Option<Segmenter>,
    /// A SentencePiece model, which then encodes instead of `inner`.
    sentencepiece: Option<SentencePiece>,
    /// Ids of the special tokens where the vocabulary was imported from, if they were other ids.
    original_ids: Option<SpecialIds>,
    /// Whether the steps are those of another program's file, which the library applies as they are.
    imported: bool,
    /// The tokens around a text, if they are not `</s>` alone.
    template: Option<Template>,
    /// Ids of the template's tokens, which are no text.
    hidden: HashSet<u32>,
}

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
    /// The vocabulary is `</s>`, `<unk>`, …, `<pad>`; `special` are the ids that these had where it comes from. Pieces that it lacks become `<unk>`. Its entries that are no pieces
    /// decode, but match only text whose characters no piece covers. A leading `>>code<<` is one token. `origin` appears in
    /// errors.
    ///
    /// # Errors
    /// A vocabulary of another layout, or an invalid model.
    pub fn from_sentencepiece(
        model: &SentencePieces,
        vocabulary: &[String],
        special: SpecialIds,
        origin: &Path,
    ) -> Result<Self, TextError> {
        let mut file = sentencepiece::file::assemble(model, vocabulary);
        file::write_original_ids(&mut file, (special != SpecialIds::layout(vocabulary.len())).then_some(special));
        file::from_value(file, origin)
    }

    /// Returns the tokenizer of another program's file in the `tokenizers` format, whose steps the library applies.
    ///
    /// `vocabulary` has the label of every id in the order of the ids here: `</s>`, `<unk>`, …, `<pad>`; `special` are the ids that
    /// these had in the file. Tokens that the file adds to its vocabulary never match text. `origin` appears in errors.
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

    /// Returns the ids of `text`, without `</s>`.
    ///
    /// # Errors
    /// A text that the `tokenizers` crate rejects.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        if let Some(sentencepiece) = &self.sentencepiece {
            return Ok(match self.template {
                None => sentencepiece.encode(text),
                Some(_) => sentencepiece.encode_plain(text),
            });
        }
        let mut ids = Vec::with_capacity(text.len() / 2);
        for word in self.words(text)? {
            let tokens = self.inner.get_model().tokenize(&word).map_err(|error| refused(text, &error))?;
            ids.extend(tokens.into_iter().map(|token| token.id));
        }
        Ok(ids)
    }

    /// Returns the ids of a text from outside a corpus, without `</s>`: none of a blank text ([`is_blank`]), and with line
    /// breaks (`\n`, `\r\n`, `\r`) read as spaces, whatever the normalisation.
    ///
    /// # Errors
    /// A text that the `tokenizers` crate rejects.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, TextError> {
        if is_blank(text) {
            return Ok(Vec::new());
        }
        match text.contains(['\n', '\r']) {
            true => self.encode(&text.replace("\r\n", " ").replace(['\n', '\r'], " ")),
            false => self.encode(text),
        }
    }

    /// Returns the ids of `text` under BPE-dropout (Provilkov et al. 2020): each merge is skipped with probability `rate`.
    ///
    /// Random numbers depend only on `key` and the position in the text. Rate 0 equals [`encode`](Self::encode), as does
    /// any rate for vocabularies without merges.
    ///
    /// # Errors
    /// A rate outside [0, 1], or a text that the `tokenizers` crate rejects.
    pub fn encode_with_dropout(&self, text: &str, rate: f64, key: u64) -> Result<Vec<u32>, TextError> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(FieldError {
                field: "tokenizer.dropout",
                found: rate.to_string(),
                expected: "a probability from 0 to 1".into(),
                remedy: "set it to 0 to turn BPE-dropout off, or to 0.1 as in its paper".into(),
            }
            .into());
        }
        let Some(segmenter) = &self.segmenter else {
            return self.encode(text);
        };
        let words = self.words(text)?;
        let mut ids = Vec::with_capacity(text.len() / 2);
        for (index, word) in words.iter().enumerate() {
            segmenter.segment(word, rate, key, index as u64, &mut ids);
        }
        Ok(ids)
    }

    /// Returns the text of `ids`, skipping `</s>`, `<unk>`, `<pad>` and the tokens of the template.
    ///
    /// Byte tokens decode as in SentencePiece: each byte that belongs to no valid character becomes `�`.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        let vocab_size = self.vocab_size();
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocab_size) {
            return Err(TextError::UnknownId { id, vocab_size });
        }
        let special = |id: u32| id == END_ID || id == UNKNOWN_ID || id == self.pad_id() || self.hidden.contains(&id);
        let labels = ids.iter().filter(|id| !special(**id)).map(|id| self.labels[*id as usize].as_str());
        if let Some(sentencepiece) = &self.sentencepiece {
            return Ok(decoding::join(labels, sentencepiece.model().byte_fallback, Edges::Marks));
        }
        if self.kind == TokenizerKind::Bytes {
            return Ok(decoding::join(labels, true, Edges::FirstMark));
        }
        if self.imported {
            let labels: Vec<String> = labels.map(str::to_owned).collect();
            return match self.inner.get_decoder() {
                Some(decoder) => decoder.decode(labels).map_err(|error| refused(&format!("{ids:?}"), &error)),
                None => Ok(labels.join(" ")),
            };
        }
        if self.own_decoder {
            return Ok(pipeline::without_escapes(&decoding::join(labels, true, Edges::FirstMark)));
        }
        self.inner.decode(ids, true).map_err(|error| refused(&format!("{ids:?}"), &error))
    }

    /// Returns the normalised `text`: the text that decoding its ids can return. Normalising twice changes nothing.
    ///
    /// For vocabularies of words, these are joined as in decoding; those outside the vocabulary are kept.
    ///
    /// # Errors
    /// A text that the `tokenizers` crate rejects.
    pub fn normalize(&self, text: &str) -> Result<String, TextError> {
        if let Some(sentencepiece) = &self.sentencepiece {
            return Ok(sentencepiece.normalize(text));
        }
        if self.imported {
            let normalized = self.normalizer.normalize(text).map_err(|error| refused(text, &error))?;
            return Ok(normalized.get().replace(SPACE_MARK, " ").trim_matches(' ').to_owned());
        }
        match self.kind {
            TokenizerKind::Word | TokenizerKind::Whitespace => {
                let words = self.words(text)?;
                match self.inner.get_decoder() {
                    Some(decoder) => decoder.decode(words).map_err(|error| refused(text, &error)),
                    None => Ok(words.join(" ")),
                }
            }
            TokenizerKind::Bpe | TokenizerKind::Unigram => {
                self.normalizer.plain(text).map_err(|error| refused(text, &error))
            }
            TokenizerKind::Character | TokenizerKind::Bytes => {
                let normalized = self.normalizer.normalize(text).map_err(|error| refused(text, &error))?;
                Ok(normalized.get().to_owned())
            }
        }
    }

    /// Returns the label of one id as in the vocabulary: `▁cat`, `</s>`, `<0xE2>`.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.labels.get(id as usize).map(String::as_str)
    }

    /// Returns the label of every id, in order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Returns the SentencePiece model, if this tokenizer was made from one.
    pub fn sentencepiece(&self) -> Option<&SentencePieces> {
        self.sentencepiece.as_ref().map(SentencePiece::model)
    }

    /// Returns the rule by which text is normalised, or `None` for an imported vocabulary, which has steps of its own.
    pub fn normalization(&self) -> Option<NormalizationRule> {
        (self.sentencepiece.is_none() && !self.imported).then(|| self.normalizer.rule())
    }

    /// Returns the ids of the special tokens where the vocabulary was imported from; else those of the layout.
    pub fn special_ids(&self) -> SpecialIds {
        self.original_ids.unwrap_or_else(|| SpecialIds::layout(self.vocab_size()))
    }

    /// Returns the tokens around a text, if they are not `</s>` alone.
    pub fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    /// Whether the steps are those of another program's file, which the library applies as they are.
    pub fn is_imported(&self) -> bool {
        self.imported
    }

    /// Returns the file of an imported vocabulary with the ids that it had, its special tokens, and those around a text.
    pub fn to_original_file(&self) -> Value {
        library::restore(self)
    }

    /// Returns the id of a label.
    pub fn id_of(&self, label: &str) -> Option<u32> {
        self.labels.iter().position(|own| own == label).map(|id| id as u32)
    }

    /// Whether the vocabulary has language codes such as `>>fra<<`, as Marian's models for several languages.
    pub(crate) fn has_codes(&self) -> bool {
        self.template.is_none() && self.sentencepiece.as_ref().is_some_and(|pieces| pieces.codes().next().is_some())
    }

    /// Returns the id of a language code, with or without its brackets.
    pub(crate) fn code_of(&self, language: &str) -> Option<u32> {
        self.sentencepiece.as_ref()?.code(language)
    }

    /// Returns the language codes without their brackets, in order.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        self.sentencepiece.iter().flat_map(SentencePiece::codes)
    }

    /// Returns the kind of vocabulary.
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// Returns whether BPE-dropout has merges to skip. Imported vocabularies have none.
    pub fn has_merges(&self) -> bool {
        self.segmenter.is_some()
    }

    /// Returns the number of ids, special tokens included.
    pub fn vocab_size(&self) -> usize {
        self.labels.len()
    }

    /// Returns the id of `<pad>`, the last, which is also the decoder start.
    pub fn pad_id(&self) -> u32 {
        self.labels.len() as u32 - 1
    }

    /// Splits `text` into the words that the model segments.
    fn words(&self, text: &str) -> Result<Vec<String>, TextError> {
        self.normalizer
            .normalize(text)
            .and_then(|normalized| pipeline::words(self.inner.get_pre_tokenizer(), normalized))
            .map_err(|error| refused(text, &error))
    }
}

impl fmt::Debug for Tokenizer {
    /// Shows kind and size only: all tokens would fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("kind", &self.kind)
            .field("vocab_size", &self.vocab_size())
            .finish_non_exhaustive()
    }
}

/// Returns the error for a text that the `tokenizers` crate rejects; the message shows its beginning.
fn refused(text: &str, error: &tokenizers::Error) -> TextError {
    TextError::Tokenize { text: text.chars().take(80).collect(), message: error.to_string() }
}
