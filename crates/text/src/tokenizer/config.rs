//! The `[tokenizer]` table of a configuration.

use serde::{Deserialize, Serialize};

use super::{Direction, NormalizationRule};
use crate::error::FieldError;
use crate::special_tokens::{BYTE_TOKENS, SPECIAL_TOKENS};

/// The algorithm that splits text into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// Byte-pair encoding: the most frequent pair of neighbours is merged, repeatedly.
    #[default]
    Bpe,
    /// The unigram language model: the most probable segmentation under learned piece probabilities.
    Unigram,
    /// Whole words, punctuation split off.
    Word,
    /// Tokens between white space, as in text that is tokenised already, or in phonetic transcriptions.
    Whitespace,
    /// Unicode characters, spaces included.
    Character,
    /// The bytes of UTF-8, as in ByT5 (Xue et al. 2022).
    Bytes,
}

impl TokenizerKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Bpe, Self::Unigram, Self::Word, Self::Whitespace, Self::Character, Self::Bytes];

    /// Returns the value of `tokenizer.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bpe => "bpe",
            Self::Unigram => "unigram",
            Self::Word => "word",
            Self::Whitespace => "whitespace",
            Self::Character => "character",
            Self::Bytes => "bytes",
        }
    }

    /// Returns whether the vocabulary has a token for each byte.
    pub(super) fn has_bytes(self) -> bool {
        match self {
            Self::Bpe | Self::Unigram | Self::Bytes => true,
            Self::Word | Self::Whitespace | Self::Character => false,
        }
    }
}

/// Maximum `vocab_size`, as each token has an embedding row in memory.
const MAX_VOCAB_SIZE: usize = 1_000_000;

/// Training of a vocabulary: the `[tokenizer]` table.
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
    /// Algorithm of the tokenizer.
    pub kind: TokenizerKind,
    /// Order in which the network reads or writes the tokens of a text: `"right_to_left"` begins with the last, so that a text
    /// that is cropped loses its beginning. Vocabularies that exist keep theirs.
    pub direction: Direction,
    /// Number of tokens, including `</s>`, `<unk>`, `<pad>` and, for BPE, unigram and bytes, 256 byte tokens. Exact for
    /// BPE and unigram, a maximum for all others.
    pub vocab_size: usize,
    /// Whether source and target share one vocabulary, trained on both.
    pub joint: bool,
    /// Normalisation of text, the same in training and in use: `"nfc"`, `"nfd"`, `"nmt_nfkc"` or `"lossless"`.
    /// Vocabularies that exist keep theirs. With `nfc = false` the default is `"lossless"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalization: Option<NormalizationRule>,
    /// Whether text is converted to lower case, a final `Σ` to `ς`. Translations are in lower case too.
    pub lowercase: bool,
    /// Whether characters are composed (Unicode NFC): `e` and a combining acute accent become `é`. `false` requires
    /// `normalization = "lossless"`.
    pub nfc: bool,
    /// BPE-dropout: probability, in [0, 1), that a merge is skipped when training data is tokenised; 0 disables it.
    pub dropout: f64,
    /// Maximum number of lines that the vocabulary is trained on.
    pub sample_lines: usize,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            kind: TokenizerKind::Bpe,
            direction: Direction::LeftToRight,
            vocab_size: 8000,
            joint: true,
            normalization: None,
            lowercase: false,
            nfc: true,
            dropout: 0.0,
            sample_lines: 1_000_000,
        }
    }
}

impl TokenizerConfig {
    /// Returns the rule of normalisation: `normalization`, or else its default.
    pub fn rule(&self) -> NormalizationRule {
        self.normalization.unwrap_or(if self.nfc { NormalizationRule::Nfc } else { NormalizationRule::Lossless })
    }

    /// Checks all values.
    ///
    /// # Errors
    /// The first invalid value, with its field, the expected values and a remedy.
    pub fn validate(&self) -> Result<(), FieldError> {
        let (min, reason) = match self.kind {
            TokenizerKind::Word | TokenizerKind::Whitespace => (SPECIAL_TOKENS + 1, "3 special tokens and a word"),
            TokenizerKind::Character => (SPECIAL_TOKENS + 1, "3 special tokens and a character"),
            TokenizerKind::Bytes => (SPECIAL_TOKENS + BYTE_TOKENS, "3 special tokens and 256 byte tokens"),
            TokenizerKind::Bpe | TokenizerKind::Unigram => {
                (SPECIAL_TOKENS + BYTE_TOKENS + 1, "3 special tokens, 256 byte tokens and a character")
            }
        };
        if self.vocab_size < min {
            return Err(FieldError {
                field: "tokenizer.vocab_size",
                found: self.vocab_size.to_string(),
                expected: format!("at least {min} ({reason})"),
                remedy: format!("set it to at least {min}"),
            });
        }
        if self.vocab_size > MAX_VOCAB_SIZE {
            return Err(FieldError {
                field: "tokenizer.vocab_size",
                found: self.vocab_size.to_string(),
                expected: format!("at most {MAX_VOCAB_SIZE}"),
                remedy: "choose a smaller vocabulary (8000 to 64000 is usual)".into(),
            });
        }
        let rule = self.rule();
        let composes = match rule {
            NormalizationRule::Nfc | NormalizationRule::Nfd | NormalizationRule::NmtNfkc => true,
            NormalizationRule::Lossless => false,
        };
        if !self.nfc && composes {
            return Err(FieldError {
                field: "tokenizer.nfc",
                found: "false".into(),
                expected: format!("true with tokenizer.normalization = \"{}\", whose output is composed", rule.name()),
                remedy: "set tokenizer.nfc = true, or tokenizer.normalization = \"lossless\"".into(),
            });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(FieldError {
                field: "tokenizer.dropout",
                found: self.dropout.to_string(),
                expected: "a probability from 0 up to but excluding 1".into(),
                remedy: "set it to 0 to turn BPE-dropout off, or to 0.1 as in its paper".into(),
            });
        }
        if self.dropout > 0.0 && self.kind != TokenizerKind::Bpe {
            return Err(FieldError {
                field: "tokenizer.dropout",
                found: self.dropout.to_string(),
                expected: "0, since only BPE has merges to skip".into(),
                remedy: "set tokenizer.dropout = 0, or tokenizer.kind = \"bpe\"".into(),
            });
        }
        if self.sample_lines == 0 {
            return Err(FieldError {
                field: "tokenizer.sample_lines",
                found: "0".into(),
                expected: "at least 1".into(),
                remedy: "remove it to train on up to a million lines".into(),
            });
        }
        Ok(())
    }
}
