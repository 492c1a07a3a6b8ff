//! Conversion of text to ids and back.

use super::decoding::{self, Edges};
use super::{Steps, Tokenizer, TokenizerKind};
use crate::special_tokens::{END_ID, UNKNOWN_ID};
use crate::{FieldError, TextError, is_blank};

impl Tokenizer {
    /// Returns the ids of `text` in the order of the network ([`direction`](Self::direction)), without `</s>`.
    ///
    /// # Errors
    /// A text that the `tokenizers` crate rejects.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let ids = match &self.steps {
            Steps::SentencePiece(pieces) if self.template.is_some() => pieces.encode_plain(text),
            Steps::SentencePiece(pieces) => pieces.encode(text),
            Steps::Library(steps) => steps.encode(text)?,
        };
        Ok(self.direction.ordered(ids))
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
        let (steps, segmenter) = match &self.steps {
            Steps::Library(steps) => match &steps.segmenter {
                Some(segmenter) => (steps, segmenter),
                None => return self.encode(text),
            },
            Steps::SentencePiece(_) => return self.encode(text),
        };
        let words = steps.words(text)?;
        let mut ids = Vec::with_capacity(text.len() / 2);
        for (index, word) in words.iter().enumerate() {
            segmenter.segment(word, rate, key, index as u64, &mut ids);
        }
        Ok(self.direction.ordered(ids))
    }

    /// Returns the text of `ids` in the order of the network, skipping `</s>`, `<unk>`, `<pad>` and the tokens of the template.
    ///
    /// Byte tokens decode as in SentencePiece: each byte that belongs to no valid character becomes `�`.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        let vocab_size = self.vocab_size();
        let ids = &self.direction.ordered(ids.to_vec())[..];
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocab_size) {
            return Err(TextError::UnknownId { id, vocab_size });
        }
        let special = |id: u32| id == END_ID || id == UNKNOWN_ID || id == self.pad_id() || self.hidden.contains(&id);
        let labels = ids.iter().filter(|id| !special(**id)).map(|id| self.labels[*id as usize].as_str());
        match &self.steps {
            Steps::SentencePiece(pieces) => Ok(decoding::join(labels, pieces.byte_fallback(), Edges::Marks)),
            Steps::Library(steps) if self.kind == TokenizerKind::Bytes => {
                Ok(steps.normalizer.compose(decoding::join(labels, true, Edges::FirstMark)))
            }
            Steps::Library(steps) => steps.decode(labels, ids),
        }
    }

    /// Returns the normalised `text`: the text that decoding its ids can return. Normalising twice changes nothing.
    ///
    /// For vocabularies of words, these are joined as in decoding; those outside the vocabulary are kept.
    ///
    /// # Errors
    /// A text that the `tokenizers` crate rejects.
    pub fn normalize(&self, text: &str) -> Result<String, TextError> {
        match &self.steps {
            Steps::SentencePiece(pieces) => Ok(pieces.normalize(text)),
            Steps::Library(steps) => steps.normalize(text, self.kind),
        }
    }
}
