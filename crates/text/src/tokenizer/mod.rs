//! Tokenizers: a line of text to ids and back.
//!
//! Ids are laid out as Marian has them: `</s>` is 0, `<unk>` is 1, `<pad>` is the last. Files are valid for the Hugging
//! Face `tokenizers` libraries and hold the whole way from text to ids, preprocessing included. How any text survives the
//! round trip is told in the `pipeline` module; the short of it: [`Tokenizer::decode`] gives back what
//! [`Tokenizer::normalize`] gives, for BPE and unigram vocabularies and every Unicode string.
//!
//! ```
//! use text::{Tokenizer, TokenizerConfig};
//!
//! let config = TokenizerConfig { vocab_size: 280, ..TokenizerConfig::default() };
//! let lines = ["the cat sat on the mat", "the dog sat on the log"];
//! let tokenizer = Tokenizer::train(&config, lines.iter()).unwrap();
//! let text = "  the catalog </s> ▁ 猫";
//! assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
//! ```

mod bpe_dropout;
mod config;
mod file;
mod pipeline;
pub mod sentencepiece;
mod train;

use std::fmt;
use std::fs;
use std::path::Path;

use bpe_dropout::Segmenter;
pub use config::{TokenizerConfig, TokenizerKind};
use pipeline::SPACE_MARK;
use sentencepiece::{SentencePiece, SentencePieces};
use tokenizers::Decoder;

use crate::TextError;

/// Id of `</s>`, the end of a sentence.
pub const END_ID: u32 = 0;
/// Id of `<unk>`, a word outside the vocabulary.
pub const UNKNOWN_ID: u32 = 1;

/// Label of [`END_ID`].
const END: &str = "</s>";
/// Label of [`UNKNOWN_ID`].
const UNKNOWN: &str = "<unk>";
/// Label of the padding id, the last of every vocabulary.
const PAD: &str = "<pad>";
/// How many special tokens every vocabulary holds: `</s>`, `<unk>`, `<pad>`.
const SPECIAL_TOKENS: usize = 3;
/// How many byte tokens a subword vocabulary holds: `<0x00>` to `<0xFF>`, from id 2.
const BYTE_TOKENS: usize = 256;

/// Label of the token for one byte of a character outside the vocabulary.
fn byte_label(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Turns text into ids and back.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    kind: TokenizerKind,
    /// Label of each id.
    labels: Vec<String>,
    /// The merges of a BPE vocabulary, for segmenting with dropout.
    segmenter: Option<Segmenter>,
    /// What goes from text to ids instead of `inner`, for a model of SentencePiece.
    sentencepiece: Option<SentencePiece>,
}

impl Tokenizer {
    /// Trains a vocabulary on the first `config.sample_lines` lines. The same lines give the same bytes of
    /// [`to_json`](Self::to_json), in every process and with any number of threads.
    pub fn train<S: AsRef<str>>(config: &TokenizerConfig, lines: impl Iterator<Item = S>) -> Result<Self, TextError> {
        train::train(config, lines)
    }

    /// A fixed vocabulary: `</s>`, `<unk>`, `words` in order, `<pad>`. Text is cut at white space and joined with single
    /// spaces. A word given twice counts once.
    pub fn from_words(words: &[impl AsRef<str>]) -> Self {
        train::fixed(words)
    }

    /// A unigram model of SentencePiece, with the `vocabulary` of a translation model in the order of its ids: `</s>`,
    /// `<unk>`, …, `<pad>`. Pieces that the vocabulary lacks are `<unk>`; what is no piece decodes, but is found in text
    /// only where the model knows none of the characters; a text's leading `>>code<<` is one token. `origin` is named in errors.
    ///
    /// # Errors
    /// A vocabulary of another layout, or a model with parts that cannot be.
    pub fn from_sentencepiece(model: &SentencePieces, vocabulary: &[String], origin: &Path) -> Result<Self, TextError> {
        file::from_value(sentencepiece::file::assemble(model, vocabulary), origin)
    }

    /// Reads a tokenizer file.
    pub fn load(path: &Path) -> Result<Self, TextError> {
        let bytes = fs::read(path).map_err(|source| TextError::Read { path: path.to_owned(), source })?;
        let json = String::from_utf8(bytes).map_err(|error| TextError::NotUtf8 {
            path: path.to_owned(),
            line: 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count(),
        })?;
        Self::from_json(&json, path)
    }

    /// The text of a tokenizer file. Equal tokenizers give equal bytes.
    pub fn to_json(&self) -> String {
        // Everything in a tokenizer came from JSON, so it goes back to it.
        let mut json = match &self.sentencepiece {
            None => self.inner.to_string(true).expect("a tokenizer read from JSON is representable in JSON"),
            Some(from) => format!("{:#}", sentencepiece::file::assemble(from.model(), &self.labels)),
        };
        json.push('\n');
        json
    }

    /// Reads the text of a tokenizer file; `origin` is named in errors.
    pub fn from_json(json: &str, origin: &Path) -> Result<Self, TextError> {
        file::parse(json, origin)
    }

    /// The ids of `text`, without `</s>`.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        if let Some(sentencepiece) = &self.sentencepiece {
            return Ok(sentencepiece.encode(text));
        }
        let encoding = self.inner.encode_fast(text, false).map_err(|error| refused(text, &error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of `text` under BPE-dropout (Provilkov et al. 2020): each merge is skipped with probability `rate`, so that
    /// a word is cut in other ways each time. The draws depend only on `key` and the place in the text; rate 0 gives
    /// exactly [`encode`](Self::encode), and so does any rate for vocabularies without merges.
    pub fn encode_with_dropout(&self, text: &str, rate: f64, key: u64) -> Result<Vec<u32>, TextError> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(TextError::Config {
                field: "tokenizer.dropout",
                found: rate.to_string(),
                expected: "a probability from 0 to 1".into(),
                remedy: "set it to 0 to turn BPE-dropout off, or to 0.1 as in its paper".into(),
            });
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

    /// The text of `ids`. Special ids (`</s>`, `<unk>`, `<pad>`) leave no trace. Where byte tokens in a row do not
    /// form UTF-8 as a whole, each of them becomes `�`.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        let vocab_size = self.vocab_size();
        if let Some(&id) = ids.iter().find(|id| **id as usize >= vocab_size) {
            return Err(TextError::UnknownId { id, vocab_size });
        }
        let text = self.inner.decode(ids, true).map_err(|error| refused(&format!("{ids:?}"), &error))?;
        // As SentencePiece decodes: a piece may begin with a space wherever it stands.
        Ok(if self.sentencepiece.is_some() { text.trim_matches(' ').to_owned() } else { text })
    }

    /// What is left of `text` after lower-casing and NFC, where those are on: what decoding its ids can give back. For
    /// word vocabularies, the words are joined as decoding joins them; those that the vocabulary lacks stay.
    pub fn normalize(&self, text: &str) -> Result<String, TextError> {
        if let Some(sentencepiece) = &self.sentencepiece {
            return Ok(sentencepiece.normalize(text));
        }
        let normalized =
            pipeline::normalize(self.inner.get_normalizer(), text).map_err(|error| refused(text, &error))?;
        let normalized = normalized.get();
        Ok(match self.kind {
            TokenizerKind::Word => {
                let words = self.words(text)?;
                match self.inner.get_decoder() {
                    Some(decoder) => decoder.decode(words).map_err(|error| refused(text, &error))?,
                    None => words.join(" "),
                }
            }
            TokenizerKind::Bpe | TokenizerKind::Unigram => normalized
                .strip_prefix(SPACE_MARK)
                .unwrap_or(normalized)
                .replace(SPACE_MARK, " ")
                .replace("▂1", "▁")
                .replace("▂0", "▂"),
        })
    }

    /// The label of one id, as it stands in the vocabulary: `▁cat`, `</s>`, `<0xE2>`.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.labels.get(id as usize).map(String::as_str)
    }

    /// The label of every id, in order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The model of SentencePiece that this was made of, if it was.
    pub fn sentencepiece(&self) -> Option<&SentencePieces> {
        self.sentencepiece.as_ref().map(SentencePiece::model)
    }

    /// How text is cut.
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// How many ids there are, special ones included.
    pub fn vocab_size(&self) -> usize {
        self.labels.len()
    }

    /// Id of `<pad>`: the last one.
    pub fn pad_id(&self) -> u32 {
        self.labels.len() as u32 - 1
    }

    /// The words of `text` that the model sees one by one.
    fn words(&self, text: &str) -> Result<Vec<String>, TextError> {
        pipeline::words(self.inner.get_normalizer(), self.inner.get_pre_tokenizer(), text)
            .map_err(|error| refused(text, &error))
    }
}

impl fmt::Debug for Tokenizer {
    /// Kind and size: all tokens would fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("kind", &self.kind)
            .field("vocab_size", &self.vocab_size())
            .finish_non_exhaustive()
    }
}

/// An error of the `tokenizers` crate about `text`, of which the message shows the beginning.
fn refused(text: &str, error: &tokenizers::Error) -> TextError {
    TextError::Tokenize { text: text.chars().take(80).collect(), message: error.to_string() }
}
