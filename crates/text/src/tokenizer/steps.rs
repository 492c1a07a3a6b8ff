//! The steps from text to ids and back: those of a SentencePiece model, or those of the `tokenizers` library.

use tokenizers::{Decoder, DecoderWrapper, Model};

use super::bpe_dropout::Segmenter;
use super::decoding::{self, Edges};
use super::sentencepiece::SentencePiece;
use super::{Normalizer, TokenizerKind, pipeline};
use crate::TextError;
use crate::special_tokens::SPACE_MARK;

/// What converts text.
#[derive(Clone)]
pub(super) enum Steps {
    /// A SentencePiece model.
    SentencePiece(Box<SentencePiece>),
    /// The steps of a file, by the `tokenizers` library.
    Library(Box<LibrarySteps>),
}

/// Steps of the `tokenizers` library, some of which have a form of their own here.
#[derive(Clone)]
pub(super) struct LibrarySteps {
    pub inner: tokenizers::Tokenizer,
    pub normalizer: Normalizer,
    /// Whether the decoder is that of [`pipeline::subword_decoder`].
    pub own_decoder: bool,
    /// Merges of a BPE vocabulary, for BPE-dropout.
    pub segmenter: Option<Segmenter>,
    /// Whether the steps are those of another program's file, which the library applies as they are.
    pub imported: bool,
}

impl LibrarySteps {
    /// Returns the ids of `text`.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let mut ids = Vec::with_capacity(text.len() / 2);
        for word in self.words(text)? {
            let tokens = self.inner.get_model().tokenize(&word).map_err(|error| refused(text, &error))?;
            ids.extend(tokens.into_iter().map(|token| token.id));
        }
        Ok(ids)
    }

    /// Whether labels have a character for each byte of their text.
    pub fn has_byte_characters(&self) -> bool {
        match self.inner.get_decoder() {
            Some(DecoderWrapper::ByteLevel(_)) => true,
            Some(DecoderWrapper::Sequence(steps)) => {
                steps.get_decoders().iter().any(|step| matches!(step, DecoderWrapper::ByteLevel(_)))
            }
            Some(_) | None => false,
        }
    }

    /// Splits `text` into the words that the model segments.
    pub fn words(&self, text: &str) -> Result<Vec<String>, TextError> {
        self.normalizer
            .normalize(text)
            .and_then(|normalized| pipeline::words(self.inner.get_pre_tokenizer(), normalized))
            .map_err(|error| refused(text, &error))
    }

    /// Returns the text of `labels`, the ordinary ones of `ids`.
    pub fn decode<'a>(&self, labels: impl Iterator<Item = &'a str>, ids: &[u32]) -> Result<String, TextError> {
        self.join_labels(labels, ids).map(|text| self.normalizer.compose(text))
    }

    fn join_labels<'a>(&self, labels: impl Iterator<Item = &'a str>, ids: &[u32]) -> Result<String, TextError> {
        if self.imported {
            return self
                .join(labels.map(str::to_owned).collect())
                .map_err(|error| refused(&format!("{ids:?}"), &error));
        }
        if self.own_decoder {
            return Ok(pipeline::without_escapes(&decoding::join(labels, true, Edges::FirstMark)));
        }
        self.inner.decode(ids, true).map_err(|error| refused(&format!("{ids:?}"), &error))
    }

    /// Joins words with the library's decoder, or else with spaces.
    fn join(&self, words: Vec<String>) -> tokenizers::Result<String> {
        match self.inner.get_decoder() {
            Some(decoder) => decoder.decode(words),
            None => Ok(words.join(" ")),
        }
    }

    /// Returns the normalised `text`, as decoding returns it.
    pub fn normalize(&self, text: &str, kind: TokenizerKind) -> Result<String, TextError> {
        self.normalize_words(text, kind).map(|text| self.normalizer.compose(text))
    }

    fn normalize_words(&self, text: &str, kind: TokenizerKind) -> Result<String, TextError> {
        let rejected = |error: tokenizers::Error| refused(text, &error);
        if self.imported {
            let normalized = self.normalizer.normalize(text).map_err(rejected)?;
            return Ok(normalized.get().replace(SPACE_MARK, " ").trim_matches(' ').to_owned());
        }
        match kind {
            TokenizerKind::Word | TokenizerKind::Whitespace => self.join(self.words(text)?).map_err(rejected),
            TokenizerKind::Bpe | TokenizerKind::Unigram => self.normalizer.plain(text).map_err(rejected),
            TokenizerKind::Character | TokenizerKind::Bytes => {
                Ok(self.normalizer.normalize(text).map_err(rejected)?.get().to_owned())
            }
        }
    }
}

/// Returns the error for a text that the `tokenizers` crate rejects; the message shows its beginning.
pub(super) fn refused(text: &str, error: &tokenizers::Error) -> TextError {
    TextError::Tokenize { text: text.chars().take(80).collect(), message: error.to_string() }
}
