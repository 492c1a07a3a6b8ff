//! Models of SentencePiece (Kudo and Richardson 2018), unigram or BPE, exactly as SentencePiece itself applies them.
//!
//! Such a tokenizer differs from those trained here in three ways:
//!
//! * A table of the model normalises text (`charsmap`).
//! * The pieces of the model and the vocabulary are two lists. A piece outside the vocabulary may win the segmentation and
//!   becomes `<unk>`. A word of the vocabulary that is no piece (of the other language) decodes, but matches only text
//!   whose characters no piece covers.
//! * A leading language code such as `>>fra<<` is one token.
//!
//! Files have the Hugging Face `tokenizers` format (`file`), from which other programs compute the same ids for ordinary
//! text. The `tokenizers` library differs from SentencePiece in two points: it normalises whole graphemes rather than the
//! longest entry of the table, and it has only pieces with an id.

mod bpe;
mod charsmap;
pub(super) mod file;
mod normalizer;
mod pieces;
mod search;

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bpe::Merges;
pub(super) use normalizer::SpaceNormalizer;
use search::{Fallback, Search};

use crate::special_tokens::{FIRST_ORDINARY_ID, SPACE_MARK, SPECIAL_TOKENS, UNKNOWN_ID, byte_label};

/// Precedes a label that never matches text.
pub(super) const NEVER_FOUND: char = ' ';

/// Encodes a table of replacements as in a tokenizer file.
pub(super) fn to_base64(charsmap: &[u8]) -> String {
    STANDARD.encode(charsmap)
}

/// How a SentencePiece model cuts text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PieceKind {
    /// The most probable pieces.
    #[default]
    Unigram,
    /// Merges of neighbours, the best score first.
    Bpe,
}

/// The contents of a SentencePiece model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentencePieces {
    /// How text is cut.
    pub kind: PieceKind,
    /// Pieces and their scores: of a unigram model log-probabilities, of a BPE model the order of merges, negated.
    pub pieces: Vec<(String, f32)>,
    /// Pieces that are never cut or normalised.
    pub user_defined: Vec<String>,
    /// Pieces that are never produced, with scores. Merges may lead through them, and are then undone.
    pub unused: Vec<(String, f32)>,
    /// Whether characters outside all pieces become their bytes (`<0xE2>`) rather than `<unk>`.
    pub byte_fallback: bool,
    /// Normalisation of text before segmentation.
    pub normalization: Normalization,
}

/// Normalisation of text. Spaces always become `▁`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalization {
    /// Compiled table of replacements, such as NFKC; empty for none.
    pub charsmap: Vec<u8>,
    /// Whether a space is prepended to text.
    pub add_dummy_prefix: bool,
    /// Whether leading and trailing spaces are removed, and repeated ones merged.
    pub remove_extra_whitespaces: bool,
}

/// A model joined with a vocabulary: converts text to ids.
#[derive(Clone, Debug)]
pub(super) struct SentencePiece {
    /// The model without its pieces, which `cutter` has.
    model: SentencePieces,
    normalizer: SpaceNormalizer,
    cutter: Cutter,
    /// Id of each language code of the vocabulary.
    codes: HashMap<String, u32>,
}

#[derive(Clone, Debug)]
enum Cutter {
    Unigram(Search),
    Bpe(Merges),
}

impl SentencePiece {
    /// Joins a model with a vocabulary, whose `labels` have the order of their ids; the error describes the model's defect.
    pub fn new(mut model: SentencePieces, labels: &[String]) -> Result<Self, String> {
        let ids: HashMap<&str, u32> = labels.iter().map(String::as_str).zip(0..).collect();
        let id_of = |label: &str| ids.get(label).copied().unwrap_or(UNKNOWN_ID);
        let bytes = model.byte_fallback.then(|| (0..=u8::MAX).map(|byte| id_of(&byte_label(byte))).collect());
        let pieces = model.pieces.iter().map(|(piece, score)| (piece.as_str(), *score, id_of(piece)));
        let unused = model.unused.iter().map(|(piece, score)| (piece.as_str(), *score, id_of(piece)));
        let mut is_piece = vec![false; labels.len()];
        let all = model.pieces.iter().chain(&model.unused);
        all.filter_map(|(piece, _)| ids.get(piece.as_str())).for_each(|id| is_piece[*id as usize] = true);
        // Special tokens spelled out in text are text.
        let ordinary = labels
            .iter()
            .map(String::as_str)
            .zip(0..)
            .skip(FIRST_ORDINARY_ID)
            .take(labels.len().saturating_sub(SPECIAL_TOKENS));
        let others = ordinary.filter(|(_, id)| !is_piece[*id as usize]);
        let user_defined: Vec<&str> = model.user_defined.iter().map(String::as_str).collect();
        let codes =
            labels.iter().zip(0..).filter(|(label, _)| split_code(label).is_some_and(|(_, rest)| rest.is_empty()));
        let fallback = Fallback::new(others, bytes);
        let cutter = match model.kind {
            PieceKind::Unigram => Cutter::Unigram(Search::new(pieces, &user_defined, fallback)?),
            PieceKind::Bpe => Cutter::Bpe(Merges::new(pieces, unused, &user_defined, fallback)?),
        };
        let normalizer = SpaceNormalizer::new(&model.normalization)?.with_fixed(&model.user_defined);
        let codes = codes.map(|(label, id)| (label.clone(), id)).collect();
        model.pieces = Vec::new();
        Ok(Self { normalizer, cutter, codes, model })
    }

    /// Returns the model.
    pub fn model(&self) -> SentencePieces {
        let owned = |(piece, score): (&str, f32)| (piece.to_owned(), score);
        let pieces = match &self.cutter {
            Cutter::Unigram(search) => search.pieces().iter().map(owned).collect(),
            Cutter::Bpe(merges) => merges.pieces().map(owned).collect(),
        };
        SentencePieces { pieces, ..self.model.clone() }
    }

    /// Returns whether characters outside all pieces become bytes.
    pub fn byte_fallback(&self) -> bool {
        self.model.byte_fallback
    }

    /// Returns the ids of `text`, without `</s>`.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let (code, text) = split_code(text).map_or((None, text), |(code, rest)| (Some(code), rest));
        let mut ids = Vec::with_capacity(1 + text.len() / 2);
        ids.extend(code.map(|code| self.codes.get(code).copied().unwrap_or(UNKNOWN_ID)));
        ids.extend(self.encode_plain(text));
        ids
    }

    /// As [`encode`](Self::encode), for a text without a language code.
    pub fn encode_plain(&self, text: &str) -> Vec<u32> {
        let (normalized, mut ids) = (self.normalizer.normalize(text), Vec::with_capacity(text.len() / 2));
        match &self.cutter {
            Cutter::Unigram(search) => search.segment(&normalized, &mut ids),
            Cutter::Bpe(merges) => merges.segment(&normalized, &mut ids),
        }
        ids
    }

    /// Returns the id of a language code, with or without its brackets.
    pub fn code(&self, language: &str) -> Option<u32> {
        self.codes.get(language).or_else(|| self.codes.get(&format!(">>{language}<<"))).copied()
    }

    /// Returns the language codes without their brackets, in order.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let mut codes: Vec<&str> =
            self.codes.keys().map(|code| code.trim_start_matches(">>").trim_end_matches("<<")).collect();
        codes.sort_unstable();
        codes.into_iter()
    }

    /// Returns `text` as normalised before segmentation, with spaces in place of `▁`.
    pub fn normalize(&self, text: &str) -> String {
        self.normalizer.normalize(text).replace(SPACE_MARK, " ").trim_matches(' ').to_owned()
    }
}

/// Splits a leading `>>code<<` from the rest.
fn split_code(text: &str) -> Option<(&str, &str)> {
    let end = text.starts_with(">>").then(|| text.find("<<")).flatten()?;
    Some(text.split_at(end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_split_from_the_start_only() {
        assert_eq!(split_code(">>fra<< Hello <<"), Some((">>fra<<", " Hello <<")));
        assert_eq!(split_code(">>fra<<"), Some((">>fra<<", "")));
        assert_eq!(split_code(" >>fra<< Hello"), None);
        assert_eq!(split_code(">>fra Hello"), None);
    }
}
