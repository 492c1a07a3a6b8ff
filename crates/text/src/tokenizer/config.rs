//! The `[tokenizer]` table of a configuration.

use serde::{Deserialize, Serialize};

use super::{BYTE_TOKENS, SPECIAL_TOKENS};
use crate::TextError;

/// How text is cut into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// Byte-pair encoding: frequent neighbours are merged, again and again.
    #[default]
    Bpe,
    /// The unigram language model: the most probable segmentation under learned piece probabilities.
    Unigram,
    /// Whole words, punctuation split off.
    Word,
}

/// Largest `vocab_size` taken seriously: an embedding row per token has to fit in memory.
const MAX_VOCAB_SIZE: usize = 1_000_000;

/// How a vocabulary is trained.
///
/// ```
/// use text::TokenizerConfig;
///
/// let config = TokenizerConfig { vocab_size: 100, ..TokenizerConfig::default() };
/// let message = config.validate().unwrap_err().to_string();
/// assert!(message.starts_with("tokenizer.vocab_size = 100: expected at least 260"), "{message}");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerConfig {
    /// How text is cut.
    pub kind: TokenizerKind,
    /// Tokens in all: `</s>`, `<unk>` and `<pad>` included, and for BPE and unigram the 256 byte tokens too.
    /// Exact for BPE and unigram, an upper bound for words.
    pub vocab_size: usize,
    /// One vocabulary for source and target, trained on both.
    pub joint: bool,
    /// Lower-case all text, input and output.
    pub lowercase: bool,
    /// Compose characters (Unicode NFC), so that `e` + combining acute becomes `é`.
    pub nfc: bool,
    /// BPE-dropout while training the model: probability that a merge is skipped, in [0, 1). 0 is off.
    pub dropout: f64,
    /// Train the vocabulary on at most this many lines.
    pub sample_lines: usize,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            kind: TokenizerKind::Bpe,
            vocab_size: 8000,
            joint: true,
            lowercase: false,
            nfc: true,
            dropout: 0.0,
            sample_lines: 1_000_000,
        }
    }
}

impl TokenizerConfig {
    /// Refuses values that cannot work, naming the field, what was found, what was expected and the remedy.
    pub fn validate(&self) -> Result<(), TextError> {
        let (least, reason) = match self.kind {
            TokenizerKind::Word => (SPECIAL_TOKENS + 1, "3 special tokens and a word"),
            TokenizerKind::Bpe | TokenizerKind::Unigram => {
                (SPECIAL_TOKENS + BYTE_TOKENS + 1, "3 special tokens, 256 byte tokens and a character")
            }
        };
        if self.vocab_size < least {
            return Err(TextError::VocabularyTooSmall { asked: self.vocab_size, least, reason: reason.into() });
        }
        if self.vocab_size > MAX_VOCAB_SIZE {
            return Err(TextError::Config {
                field: "tokenizer.vocab_size",
                found: self.vocab_size.to_string(),
                expected: format!("at most {MAX_VOCAB_SIZE}"),
                remedy: "choose a smaller vocabulary (8000 to 64000 is usual)".into(),
            });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(TextError::Config {
                field: "tokenizer.dropout",
                found: self.dropout.to_string(),
                expected: "a probability from 0 up to but excluding 1".into(),
                remedy: "set it to 0 to turn BPE-dropout off, or to 0.1 as in its paper".into(),
            });
        }
        if self.dropout > 0.0 && self.kind != TokenizerKind::Bpe {
            return Err(TextError::Config {
                field: "tokenizer.dropout",
                found: self.dropout.to_string(),
                expected: "0, since only BPE has merges to skip".into(),
                remedy: "remove it or set tokenizer.kind = \"bpe\"".into(),
            });
        }
        if self.sample_lines == 0 {
            return Err(TextError::Config {
                field: "tokenizer.sample_lines",
                found: "0".into(),
                expected: "at least 1".into(),
                remedy: "leave it out to train on up to a million lines".into(),
            });
        }
        Ok(())
    }
}
