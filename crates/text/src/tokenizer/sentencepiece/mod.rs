//! Unigram models of SentencePiece (Kudo and Richardson 2018), exactly as SentencePiece itself applies them.
//!
//! Such a tokenizer differs from the ones trained here in three ways. Text is normalised by a table that the model
//! brings along (`charsmap`). The model's pieces and the vocabulary are two lists: a piece that the vocabulary lacks
//! can be the best one and is then `<unk>`, and a word of the vocabulary that is no piece (it belongs to the other
//! language) is found only where characters that no piece covers happen to read so, yet decodes. And a code such as `>>fra<<` in front of a text, which tells a
//! multilingual model what to write, is one token.
//!
//! Files are in the Hugging Face `tokenizers` format all the same (`file`), and other programs that read them agree on
//! ordinary text. They differ where the `tokenizers` library differs from SentencePiece: it normalises whole graphemes
//! rather than the longest entry of the table, and knows only pieces that have an id.

mod charsmap;
pub(super) mod file;
mod normalizer;
mod search;

use std::collections::{HashMap, HashSet};

use normalizer::Normalizer;
use search::Search;

use super::{SPECIAL_TOKENS, UNKNOWN_ID, byte_label};

/// A unigram model of SentencePiece: what it holds, whatever file it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct SentencePieces {
    /// The pieces that text is cut into, with their log-probabilities.
    pub pieces: Vec<(String, f32)>,
    /// Whether characters that no piece covers become their bytes (`<0xE2>`) rather than `<unk>`.
    pub byte_fallback: bool,
    /// What happens to text before it is cut.
    pub normalization: Normalization,
}

/// How SentencePiece prepares text. Spaces always become `▁`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalization {
    /// The compiled table of replacements, such as NFKC; empty is none.
    pub charsmap: Vec<u8>,
    /// Whether text gets a space in front.
    pub add_dummy_prefix: bool,
    /// Whether spaces at the edges go, and repeated ones become one.
    pub remove_extra_whitespaces: bool,
}

/// A model joined with a vocabulary: from text to ids.
#[derive(Clone, Debug)]
pub(super) struct SentencePiece {
    model: SentencePieces,
    normalizer: Normalizer,
    search: Search,
    /// Id of each language code of the vocabulary.
    codes: HashMap<String, u32>,
}

impl SentencePiece {
    /// Joins a model with the vocabulary whose `labels` stand in the order of their ids; else what is wrong with it.
    pub fn new(model: SentencePieces, labels: &[String]) -> Result<Self, String> {
        let ids: HashMap<&str, u32> = labels.iter().map(String::as_str).zip(0..).collect();
        let id_of = |label: &str| ids.get(label).copied().unwrap_or(UNKNOWN_ID);
        let bytes = model.byte_fallback.then(|| (0..=u8::MAX).map(|byte| id_of(&byte_label(byte))).collect());
        let pieces = model.pieces.iter().map(|(piece, score)| (piece.as_str(), *score, id_of(piece)));
        let known: HashSet<&str> = model.pieces.iter().map(|(piece, _)| piece.as_str()).collect();
        // Without the special tokens: written out in text they are text.
        let ordinary =
            labels.iter().map(String::as_str).zip(0..).skip(2).take(labels.len().saturating_sub(SPECIAL_TOKENS));
        let others = ordinary.filter(|(label, _)| !known.contains(label));
        let codes =
            labels.iter().zip(0..).filter(|(label, _)| split_code(label).is_some_and(|(_, rest)| rest.is_empty()));
        Ok(Self {
            normalizer: Normalizer::new(&model.normalization)?,
            search: Search::new(pieces, others, bytes)?,
            codes: codes.map(|(label, id)| (label.clone(), id)).collect(),
            model,
        })
    }

    /// The model that this was made of.
    pub fn model(&self) -> &SentencePieces {
        &self.model
    }

    /// The ids of `text`, without `</s>`.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let (code, text) = split_code(text).map_or((None, text), |(code, rest)| (Some(code), rest));
        let mut ids = Vec::with_capacity(1 + text.len() / 2);
        ids.extend(code.map(|code| self.codes.get(code).copied().unwrap_or(UNKNOWN_ID)));
        self.search.segment(&self.normalizer.normalize(text), &mut ids);
        ids
    }

    /// What SentencePiece makes of `text` before cutting it, with spaces in place of `▁`.
    pub fn normalize(&self, text: &str) -> String {
        self.normalizer.normalize(text).replace(super::SPACE_MARK, " ").trim_matches(' ').to_owned()
    }
}

/// A leading `>>code<<` and what follows it.
fn split_code(text: &str) -> Option<(&str, &str)> {
    let end = text.starts_with(">>").then(|| text.find("<<")).flatten()?;
    Some(text.split_at(end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reaches_from_the_first_character_to_the_first_closing_sign() {
        assert_eq!(split_code(">>fra<< Hello <<"), Some((">>fra<<", " Hello <<")));
        assert_eq!(split_code(">>fra<<"), Some((">>fra<<", "")));
        assert_eq!(split_code(" >>fra<< Hello"), None);
        assert_eq!(split_code(">>fra Hello"), None);
    }
}
