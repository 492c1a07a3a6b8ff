//! SentencePiece model files (`.spm`), which are protocol buffers.
//!
//! The messages hold those fields of SentencePiece's `sentencepiece_model.proto` that are used here; others are ignored.

use std::collections::HashMap;
use std::path::Path;

use prost::Message;
use text::{Normalization, PieceKind, SentencePieces};

use crate::InterchangeError;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Clone, PartialEq, Message)]
struct Piece {
    #[prost(string, optional, tag = "1")]
    piece: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

/// Kinds of pieces, by number.
mod kind {
    pub const NORMAL: i32 = 1;
    pub const UNKNOWN: i32 = 2;
    pub const CONTROL: i32 = 3;
    pub const USER_DEFINED: i32 = 4;
    pub const UNUSED: i32 = 5;
    pub const BYTE: i32 = 6;
}

/// Properties of the model. An absent field has the default of the message's definition.
#[derive(Clone, PartialEq, Message)]
struct Trainer {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    vocab_size: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    whitespace_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
    #[prost(int32, optional, tag = "40")]
    unk_id: Option<i32>,
    #[prost(int32, optional, tag = "41")]
    bos_id: Option<i32>,
    #[prost(int32, optional, tag = "42")]
    eos_id: Option<i32>,
    #[prost(int32, optional, tag = "43")]
    pad_id: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    escape_whitespaces: Option<bool>,
}

/// Names of the model types, by number; there is no type 0.
const MODEL_TYPES: [&str; 5] = ["of type 0", "unigram", "BPE", "word", "character"];
const UNIGRAM: i32 = 1;
const BPE: i32 = 2;

const CONVERT: &str = "train a unigram or BPE model, or translate with the program that made this one";
const DOWNLOAD: &str = "download the file again";

/// Reads a model file.
///
/// # Errors
/// Bytes of another format, or a model with an unsupported property, by name.
pub fn read(bytes: &[u8], path: &Path) -> Result<SentencePieces, InterchangeError> {
    let wrong = |found: String, expected: &str, remedy| InterchangeError::File {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        remedy,
    };
    let model = ModelProto::decode(bytes)
        .map_err(|error| wrong(format!("bytes that do not decode ({error})"), "a SentencePiece model", DOWNLOAD))?;
    let (Some(trainer), Some(normalizer)) = (model.trainer, model.normalizer) else {
        let found = format!("{} pieces, and no settings after them", model.pieces.len());
        return Err(wrong(found, "those of the trainer and of the normaliser, as in every whole model", DOWNLOAD));
    };
    let model_type = trainer.model_type.unwrap_or(UNIGRAM);
    let piece_kind = match model_type {
        UNIGRAM => PieceKind::Unigram,
        BPE => PieceKind::Bpe,
        _ => {
            let name = usize::try_from(model_type).ok().and_then(|at| MODEL_TYPES.get(at)).copied();
            let found = format!("a {} model", name.unwrap_or("newer"));
            return Err(wrong(found, "a unigram or BPE model", CONVERT));
        }
    };
    if trainer.whitespace_as_suffix.unwrap_or(false) {
        return Err(wrong("treat_whitespace_as_suffix".to_owned(), "spaces in front of words", CONVERT));
    }
    if !normalizer.escape_whitespaces.unwrap_or(true) {
        return Err(wrong("escape_whitespaces = false".to_owned(), "spaces escaped as ▁", CONVERT));
    }

    let (mut pieces, mut user_defined, mut unused) = (Vec::with_capacity(model.pieces.len()), Vec::new(), Vec::new());
    let mut bytes = 0;
    for Piece { piece, score, kind } in model.pieces {
        let (piece, score) = (piece.unwrap_or_default(), score.unwrap_or_default());
        match kind.unwrap_or(kind::NORMAL) {
            kind::NORMAL => pieces.push((piece, score)),
            kind::UNKNOWN | kind::CONTROL => {}
            kind::UNUSED => unused.push((piece, score)),
            kind::BYTE => bytes += 1,
            kind::USER_DEFINED => {
                user_defined.push(piece.clone());
                pieces.push((piece, score));
            }
            other => {
                let found = format!("the piece {piece:?} of kind {other}");
                return Err(wrong(found, "a kind from 1 to 6", CONVERT));
            }
        }
    }
    let byte_fallback = trainer.byte_fallback.unwrap_or(false);
    if byte_fallback && bytes != 256 {
        return Err(wrong(format!("byte fallback with {bytes} byte pieces"), "256 byte pieces", DOWNLOAD));
    }
    let normalization = Normalization {
        charsmap: normalizer.charsmap.unwrap_or_default(),
        add_dummy_prefix: normalizer.add_dummy_prefix.unwrap_or(true),
        remove_extra_whitespaces: normalizer.remove_extra_whitespaces.unwrap_or(true),
    };
    Ok(SentencePieces { kind: piece_kind, pieces, user_defined, unused, byte_fallback, normalization })
}

/// Returns the labels of all pieces in the order of their ids, special ones included.
///
/// # Errors
/// Bytes that are no model file.
pub fn labels(bytes: &[u8], path: &Path) -> Result<Vec<String>, InterchangeError> {
    let model = ModelProto::decode(bytes).map_err(|error| InterchangeError::File {
        path: path.to_owned(),
        found: format!("bytes that do not decode ({error})"),
        expected: "a SentencePiece model".to_owned(),
        remedy: DOWNLOAD,
    })?;
    Ok(model.pieces.into_iter().map(|piece| piece.piece.unwrap_or_default()).collect())
}

/// Returns the bytes of a model file from which SentencePiece loads the same model.
pub fn write(model: &SentencePieces) -> Vec<u8> {
    let bytes = (0..=u8::MAX).filter(|_| model.byte_fallback).map(|byte| format!("<0x{byte:02X}>"));
    let special = ["<unk>", "<s>", "</s>"].into_iter().map(str::to_owned);
    let pieces = model.pieces.iter().chain(&model.unused).map(|(label, _)| label.clone());
    let labels: Vec<String> = special.chain(bytes).chain(pieces).collect();
    write_labels(model, &labels.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Returns the bytes of a model file whose pieces are `labels`, in the order of their ids.
///
/// Labels that are no pieces of the model never match text.
pub fn write_labels(model: &SentencePieces, labels: &[&str]) -> Vec<u8> {
    let scores: HashMap<&str, f32> = model.pieces.iter().map(|(label, score)| (label.as_str(), *score)).collect();
    let unused: HashMap<&str, f32> = model.unused.iter().map(|(label, score)| (label.as_str(), *score)).collect();
    let is_byte = |label: &str| {
        let digits = label.strip_prefix("<0x").and_then(|label| label.strip_suffix('>'));
        model.byte_fallback && digits.is_some_and(|digits| digits.len() == 2)
    };
    let piece = |label: &str| {
        let (score, kind) = match scores.get(label) {
            _ if label == "<unk>" => (0.0, kind::UNKNOWN),
            _ if is_byte(label) => (0.0, kind::BYTE),
            Some(score) if model.user_defined.iter().any(|piece| piece == label) => (*score, kind::USER_DEFINED),
            Some(score) => (*score, kind::NORMAL),
            None => unused.get(label).map_or((0.0, kind::CONTROL), |score| (*score, kind::UNUSED)),
        };
        Piece { piece: Some(label.to_owned()), score: Some(score), kind: Some(kind) }
    };
    let id = |label: &str| {
        let at = labels.iter().position(|other| *other == label);
        at.map_or(Some(-1), |at| i32::try_from(at).ok())
    };
    let trainer = Trainer {
        model_type: Some(match model.kind {
            PieceKind::Unigram => UNIGRAM,
            PieceKind::Bpe => BPE,
        }),
        vocab_size: i32::try_from(labels.len()).ok(),
        whitespace_as_suffix: None,
        byte_fallback: Some(model.byte_fallback),
        unk_id: id("<unk>"),
        bos_id: id("<s>"),
        eos_id: id("</s>"),
        pad_id: id("<pad>"),
    };
    let Normalization { charsmap, add_dummy_prefix, remove_extra_whitespaces } = model.normalization.clone();
    let normalizer = Normalizer {
        charsmap: Some(charsmap),
        add_dummy_prefix: Some(add_dummy_prefix),
        remove_extra_whitespaces: Some(remove_extra_whitespaces),
        escape_whitespaces: Some(true),
    };
    let pieces = labels.iter().map(|label| piece(label)).collect();
    ModelProto { pieces, trainer: Some(trainer), normalizer: Some(normalizer) }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use text::{SpecialIds, Tokenizer};

    use super::*;

    /// Models of `scripts/fixtures/piece_kinds.py` with the ids that SentencePiece gives lines.
    const FIXTURES: [(&[u8], &str); 2] = [
        (
            include_bytes!("../../tests/fixtures/piece_kinds/unigram.spm"),
            include_str!("../../tests/fixtures/piece_kinds/unigram.json"),
        ),
        (
            include_bytes!("../../tests/fixtures/piece_kinds/bpe.spm"),
            include_str!("../../tests/fixtures/piece_kinds/bpe.json"),
        ),
    ];

    #[test]
    fn unused_pieces_are_never_produced() {
        let path = Path::new("fixture.spm");
        for (bytes, ids) in FIXTURES {
            let (model, labels) = (read(bytes, path).unwrap(), labels(bytes, path).unwrap());
            assert!(model.unused.len() > 20 && model.user_defined == ["<n>"], "{model:?}");
            let layout = SpecialIds::layout(labels.len());
            let tokenizer = Tokenizer::from_sentencepiece(&model, &labels, layout, path).unwrap();
            let again = Tokenizer::from_json(&tokenizer.to_json(), path).unwrap();
            let lines: Vec<(String, Vec<u32>)> = serde_json::from_str(ids).unwrap();
            for (line, ids) in &lines {
                assert_eq!(tokenizer.encode(line).unwrap(), *ids, "{:?}: {line}", model.kind);
                assert_eq!(again.encode(line).unwrap(), *ids, "{line}");
            }

            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let written = read(&write_labels(&again.sentencepiece().unwrap(), &labels), path).unwrap();
            assert_eq!(written, model);
        }
    }
}
