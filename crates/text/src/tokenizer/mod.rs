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
mod checks;
mod config;
mod construction;
mod conversion;
mod decoding;
mod direction;
mod file;
mod library;
mod normalization;
mod normalizer;
mod pipeline;
pub mod sentencepiece;
mod steps;
mod train;

use std::collections::HashSet;
use std::fmt;

pub use config::{TokenizerConfig, TokenizerKind};
pub use direction::Direction;
pub use normalization::NormalizationRule;
use normalizer::Normalizer;
use sentencepiece::{SentencePiece, SentencePieces};
use serde_json::Value;
use steps::{LibrarySteps, Steps, refused};

use crate::special_tokens::{SPACE_MARK, UNKNOWN, byte_of};
use crate::{SpecialIds, Template};

/// The characters for a space, a tab and line breaks in labels that have one for each byte, as GPT-2's.
const BYTE_SPACES: [char; 4] = ['Ġ', 'ĉ', 'Ċ', 'č'];

/// Converts text to ids and back.
#[derive(Clone)]
pub struct Tokenizer {
    kind: TokenizerKind,
    direction: Direction,
    /// Label of each id.
    labels: Vec<String>,
    steps: Steps,
    /// Ids of the special tokens where the vocabulary was imported from, if they were other ids.
    original_ids: Option<SpecialIds>,
    /// The tokens around a text, if they are not `</s>` alone.
    template: Option<Template>,
    /// Ids of the template's tokens, which are no text.
    hidden: HashSet<u32>,
}

impl Tokenizer {
    /// Returns the label of one id as in the vocabulary: `▁cat`, `</s>`, `<0xE2>`.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.labels.get(id as usize).map(String::as_str)
    }

    /// Returns the number of bytes, white space excluded, that a label stands for in a text, or `None` for `<unk>`, which stands
    /// for any text.
    pub fn text_bytes(&self, label: &str) -> Option<usize> {
        if label == UNKNOWN {
            return None;
        }
        if let Some(byte) = byte_of(label) {
            return Some(usize::from(!byte.is_ascii_whitespace()));
        }
        Some(match &self.steps {
            Steps::Library(steps) if steps.has_byte_characters() => {
                label.chars().filter(|character| !BYTE_SPACES.contains(character)).count()
            }
            Steps::Library(_) | Steps::SentencePiece(_) => label
                .chars()
                .filter(|&character| !character.is_whitespace() && character != SPACE_MARK)
                .map(char::len_utf8)
                .sum(),
        })
    }

    /// Returns the label of every id, in order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Returns the SentencePiece model, if this tokenizer was made from one.
    pub fn sentencepiece(&self) -> Option<SentencePieces> {
        self.pieces().map(SentencePiece::model)
    }

    /// Returns the rule by which text is normalised, or `None` for an imported vocabulary, which has steps of its own.
    pub fn normalization(&self) -> Option<NormalizationRule> {
        match &self.steps {
            Steps::SentencePiece(_) => None,
            Steps::Library(steps) => (!steps.imported).then(|| steps.normalizer.rule()),
        }
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
        match &self.steps {
            Steps::SentencePiece(_) => false,
            Steps::Library(steps) => steps.imported,
        }
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
        self.template.is_none() && self.pieces().is_some_and(|pieces| pieces.codes().next().is_some())
    }

    /// Returns the id of a language code, with or without its brackets.
    pub(crate) fn code_of(&self, language: &str) -> Option<u32> {
        self.pieces()?.code(language)
    }

    /// Returns the language codes without their brackets, in order.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        self.pieces().into_iter().flat_map(SentencePiece::codes)
    }

    /// Returns the kind of vocabulary.
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// Returns the order of a text's tokens in a network.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns whether BPE-dropout has merges to skip. Imported vocabularies have none.
    pub fn has_merges(&self) -> bool {
        match &self.steps {
            Steps::SentencePiece(_) => false,
            Steps::Library(steps) => steps.segmenter.is_some(),
        }
    }

    /// Returns the number of ids, special tokens included.
    pub fn vocab_size(&self) -> usize {
        self.labels.len()
    }

    /// Returns the id of `<pad>`, the last, which is also the decoder start.
    pub fn pad_id(&self) -> u32 {
        self.labels.len() as u32 - 1
    }

    fn pieces(&self) -> Option<&SentencePiece> {
        match &self.steps {
            Steps::SentencePiece(pieces) => Some(pieces),
            Steps::Library(_) => None,
        }
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
