//! SentencePiece tokenizers as files in the `tokenizers` format.
//!
//! The vocabulary has the label of every id. Labels that are no pieces of this side's model begin with a space, which
//! normalised text never has, so that they never match; decoding removes the space. Pieces without an id have a key of
//! their own, which other programs ignore.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{NEVER_FOUND, Normalization, PieceKind, SentencePiece, SentencePieces};
use crate::special_tokens::{FIRST_ORDINARY_ID, UNKNOWN_ID, byte_of};
use crate::tokenizer::{file, pipeline};

/// Key of the pieces without an id, inside the `model` entry of the file.
pub(in crate::tokenizer) const WITHOUT_ID: &str = "pieces_without_id";

/// Key of models whose pieces are merged (BPE), inside the `model` entry. Other programs would cut such text differently.
const MERGED: &str = "sentencepiece_bpe";

/// Key of the pieces that are never cut, inside the `model` entry.
const USER_DEFINED: &str = "user_defined_pieces";

/// Assembles the file of a model and a vocabulary, whose `labels` have the order of their ids.
pub(in crate::tokenizer) fn assemble(model: &SentencePieces, labels: &[String]) -> Value {
    let scores: HashMap<&str, f32> = model.pieces.iter().map(|(piece, score)| (piece.as_str(), *score)).collect();
    let last = labels.len().saturating_sub(1);
    let entry = |(id, label): (usize, &String)| match scores.get(label.as_str()) {
        _ if is_special(id, last) || is_byte(model.byte_fallback, label) => json!([label, 0.0]),
        Some(score) => json!([label, score]),
        None => json!([format!("{NEVER_FOUND}{label}"), 0.0]),
    };
    let vocabulary: Vec<Value> = labels.iter().enumerate().map(entry).collect();
    let known: HashSet<&str> = labels.iter().map(String::as_str).collect();
    let without_id: Vec<Value> = model
        .pieces
        .iter()
        .filter(|(piece, _)| !known.contains(piece.as_str()))
        .map(|(piece, score)| json!([piece, score]))
        .collect();
    let mut part = json!({
        "type": "Unigram",
        "unk_id": UNKNOWN_ID,
        "vocab": vocabulary,
        "byte_fallback": model.byte_fallback,
    });
    if !without_id.is_empty() {
        part[WITHOUT_ID] = Value::Array(without_id);
    }
    match model.kind {
        PieceKind::Unigram => {}
        PieceKind::Bpe => part[MERGED] = json!(true),
    }
    if !model.user_defined.is_empty() {
        part[USER_DEFINED] = json!(model.user_defined);
    }
    file::assemble(pipeline::Pipeline::sentencepiece(&model.normalization, model.byte_fallback), part, last)
}

/// Returns the SentencePiece model of a file with these `labels`, if its pipeline is that of one.
///
/// # Errors
/// Parts that do not fit together, as (found, expected).
pub(in crate::tokenizer) fn recognise(
    file: &Value,
    labels: &[String],
) -> Result<Option<SentencePiece>, (String, &'static str)> {
    let model = &file["model"];
    let byte_fallback = model["byte_fallback"].as_bool().unwrap_or(false);
    let Some(normalization) = normalization(&file["normalizer"]) else { return Ok(None) };
    let pipeline = pipeline::Pipeline::sentencepiece(&normalization, byte_fallback);
    let same = pipeline.normalizer == file["normalizer"]
        && pipeline.pre_tokenizer == file["pre_tokenizer"]
        && pipeline.decoder == file["decoder"];
    if model["type"] != "Unigram" || !same {
        return Ok(None);
    }

    let malformed = |what: &Value| (format!("the piece {what}"), "a piece and its score");
    let read = |entry: &Value| match (entry[0].as_str(), entry[1].as_f64()) {
        (Some(piece), Some(score)) => Ok((piece.to_owned(), score as f32)),
        _ => Err(malformed(entry)),
    };
    let listed = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let last = labels.len().saturating_sub(1);
    let mut pieces = Vec::new();
    for (id, entry) in listed(&model["vocab"]).iter().enumerate() {
        let (piece, score) = read(entry)?;
        let found = !is_special(id, last) && !is_byte(byte_fallback, &piece) && !piece.starts_with(NEVER_FOUND);
        pieces.extend(found.then_some((piece, score)));
    }
    for entry in listed(&model[WITHOUT_ID]) {
        pieces.push(read(&entry)?);
    }
    let plain: Vec<String> = labels.iter().map(|label| plain(label).to_owned()).collect();
    let kind = if model[MERGED] == true { PieceKind::Bpe } else { PieceKind::Unigram };
    let user_defined = listed(&model[USER_DEFINED]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    SentencePiece::new(SentencePieces { kind, pieces, user_defined, byte_fallback, normalization }, &plain)
        .map(Some)
        .map_err(|found| (found, "a model of SentencePiece"))
}

/// Returns a label without [`NEVER_FOUND`].
pub(in crate::tokenizer) fn plain(label: &str) -> &str {
    label.strip_prefix(NEVER_FOUND).unwrap_or(label)
}

/// Returns the settings of a normalizer, if its steps can be those of a SentencePiece model.
fn normalization(normalizer: &Value) -> Option<Normalization> {
    let mut normalization = Normalization::default();
    for step in normalizer["normalizers"].as_array()? {
        match step["type"].as_str()? {
            "Precompiled" => normalization.charsmap = STANDARD.decode(step["precompiled_charsmap"].as_str()?).ok()?,
            "Strip" => normalization.remove_extra_whitespaces = true,
            "Prepend" => normalization.add_dummy_prefix = true,
            "Replace" => {}
            _ => return None,
        }
    }
    Some(normalization)
}

/// Returns whether an id is that of a special token; `last` is that of `<pad>`.
fn is_special(id: usize, last: usize) -> bool {
    id < FIRST_ORDINARY_ID || id == last
}

fn is_byte(byte_fallback: bool, label: &str) -> bool {
    byte_fallback && byte_of(label).is_some()
}
