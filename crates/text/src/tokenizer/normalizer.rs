//! The normalizer of a tokenizer: this program's, or that of the `tokenizers` library for other steps.

use tokenizers::{NormalizedString, NormalizerWrapper};
use unicode_normalization::UnicodeNormalization;

use super::normalization::{NormalizationRule, TextNormalizer};
use super::{TokenizerKind, pipeline};
use crate::special_tokens::SPACE_MARK;

/// What precedes the splitting of text into words.
#[derive(Clone, Debug)]
pub(super) enum Normalizer {
    /// A rule of this program; with marks for subwords.
    Own { text: TextNormalizer, marks: bool },
    /// The library applies the steps of the file, marks included.
    Library(Option<NormalizerWrapper>),
}

impl Normalizer {
    /// The normalizer that was recognised in a file, or else the library's.
    pub fn new(kind: TokenizerKind, own: Option<TextNormalizer>, library: Option<NormalizerWrapper>) -> Self {
        match own {
            Some(text) => {
                let marks = match kind {
                    TokenizerKind::Bpe | TokenizerKind::Unigram => true,
                    TokenizerKind::Word
                    | TokenizerKind::Whitespace
                    | TokenizerKind::Character
                    | TokenizerKind::Bytes => false,
                };
                Self::Own { text, marks }
            }
            None => Self::Library(library),
        }
    }

    /// Returns the rule; other steps are those of older files, which change nothing but case and composition.
    pub fn rule(&self) -> NormalizationRule {
        match self {
            Self::Own { text, .. } => text.rule(),
            Self::Library(_) => NormalizationRule::Lossless,
        }
    }

    /// Returns decoded text as readers expect it: composed, if the tokens are parts of characters.
    pub fn compose(&self, decoded: String) -> String {
        match self.rule() {
            NormalizationRule::Nfd => decoded.nfc().collect(),
            NormalizationRule::Nfc | NormalizationRule::NmtNfkc | NormalizationRule::Lossless => decoded,
        }
    }

    /// Returns the text to split into words.
    ///
    /// # Errors
    /// A text that the `tokenizers` crate rejects.
    pub fn normalize(&self, text: &str) -> tokenizers::Result<NormalizedString> {
        match self {
            Self::Own { text: own, marks: false } => Ok(own.normalize(text).into_owned().into()),
            Self::Own { text: own, marks: true } => Ok(pipeline::with_marks(&own.normalize(text)).into()),
            Self::Library(steps) => pipeline::normalize(steps.as_ref(), text),
        }
    }

    /// Returns normalised text without marks, for subwords.
    ///
    /// # Errors
    /// A text that the `tokenizers` crate rejects.
    pub fn plain(&self, text: &str) -> tokenizers::Result<String> {
        match self {
            Self::Own { text: own, .. } => Ok(own.normalize(text).into_owned()),
            Self::Library(steps) => {
                let normalized = pipeline::normalize(steps.as_ref(), text)?;
                let normalized = normalized.get();
                let unmarked = normalized.strip_prefix(SPACE_MARK).unwrap_or(normalized).replace(SPACE_MARK, " ");
                Ok(pipeline::without_escapes(&unmarked))
            }
        }
    }
}
