//! Unigram vocabularies in `tokenizer.json`, as transformers writes them of SentencePiece models.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use text::{Normalization, SentencePieces};

use super::added_tokens::is_special;
use super::tokenizer::Vocabulary;
use crate::InterchangeError;

/// Steps of normalisation beside the table of replacements, which removing extra spaces covers.
const SPACES: [&str; 4] = ["Sequence", "Precompiled", "Strip", "Replace"];

/// Reads the contents of a `tokenizer.json`.
///
/// # Errors
/// A model other than unigram, or a part that SentencePiece does not have.
pub(super) fn read(file: &Value, path: &Path) -> Result<Vocabulary, InterchangeError> {
    let wrong = |found: String, expected: &str| InterchangeError::File {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        remedy: "fetch the SentencePiece model beside it, or translate with transformers",
    };
    let model = &file["model"];
    let kind = model["type"].as_str().unwrap_or_else(|| if model["unk_id"].is_null() { "unknown" } else { "Unigram" });
    if kind != "Unigram" {
        return Err(wrong(format!("a vocabulary of the type {kind}"), "Unigram"));
    }
    let malformed = || wrong("a malformed vocabulary".to_owned(), "a list of pieces and scores");
    let mut vocabulary: Vec<(String, f32)> = Vec::new();
    for entry in model["vocab"].as_array().ok_or_else(malformed)? {
        let (piece, score) = (entry[0].as_str(), entry[1].as_f64());
        let (Some(piece), Some(score)) = (piece, score) else { return Err(malformed()) };
        vocabulary.push((piece.to_owned(), score as f32));
    }
    let mut labels: BTreeMap<usize, String> =
        vocabulary.iter().enumerate().map(|(id, (piece, _))| (id, piece.clone())).collect();
    for token in file["added_tokens"].as_array().into_iter().flatten() {
        let id = token["id"].as_u64().and_then(|id| usize::try_from(id).ok());
        let (Some(id), Some(content)) = (id, token["content"].as_str()) else {
            return Err(wrong(format!("the added token {token}"), "an id and a content"));
        };
        let known = labels.insert(id, content.to_owned());
        if let Some(known) = known.filter(|known| known != content) {
            return Err(wrong(format!("the id {id} for {known:?} and {content:?}"), "one label for each id"));
        }
    }
    if let Some((place, (id, _))) = labels.iter().enumerate().find(|(place, (id, _))| place != *id) {
        return Err(wrong(format!("the id {id} after {} entries", place), "ids from 0 up without gaps"));
    }
    let added: Vec<&str> =
        file["added_tokens"].as_array().into_iter().flatten().filter_map(|token| token["content"].as_str()).collect();
    let byte_fallback = model["byte_fallback"].as_bool().unwrap_or(false);
    let is_byte = |piece: &str| byte_fallback && piece.len() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
    let pieces = vocabulary.into_iter().filter(|(piece, _)| !added.contains(&piece.as_str()) && !is_byte(piece));

    let mut charsmap = Vec::new();
    for step in steps(&file["normalizer"], "normalizers") {
        let kind = step["type"].as_str().unwrap_or_default();
        if !SPACES.contains(&kind) {
            return Err(wrong(format!("the normalizer {kind:?}"), "the steps of SentencePiece"));
        }
        if let Some(table) = step["precompiled_charsmap"].as_str() {
            charsmap = STANDARD
                .decode(table)
                .map_err(|error| wrong(format!("a malformed table of replacements ({error})"), "base64"))?;
        }
    }
    let marks = steps(&file["pre_tokenizer"], "pretokenizers");
    let metaspace = marks.iter().find(|step| step["type"] == "Metaspace");
    let marked = metaspace.is_some_and(|step| {
        let first = step["prepend_scheme"].as_str().unwrap_or("always");
        step["replacement"] == "▁" && first != "never" && step["add_prefix_space"] != Value::Bool(false)
    });
    let others = marks.iter().filter_map(|step| step["type"].as_str());
    let known = others.into_iter().all(|kind| ["Sequence", "Metaspace", "WhitespaceSplit"].contains(&kind));
    if !marked || !known {
        return Err(wrong(format!("the pre_tokenizer {}", file["pre_tokenizer"]), "Metaspace with a ▁ before words"));
    }
    let normalization = Normalization { charsmap, add_dummy_prefix: true, remove_extra_whitespaces: true };
    let pieces = SentencePieces { pieces: pieces.collect(), byte_fallback, normalization, ..SentencePieces::default() };
    let words = file["added_tokens"].as_array().into_iter().flatten().filter_map(|token| {
        let label = token["content"].as_str()?;
        (!is_special(label, token["special"].as_bool())).then(|| label.to_owned())
    });
    Ok(Vocabulary {
        words: words.collect(),
        ..Vocabulary::of_pieces(pieces, [labels.into_values().collect(), Vec::new()])
    })
}

/// A step and those inside it.
fn steps<'a>(step: &'a Value, inner: &str) -> Vec<&'a Value> {
    if step.is_null() {
        return Vec::new();
    }
    let nested = step[inner].as_array().into_iter().flatten().flat_map(|step| steps(step, inner));
    std::iter::once(step).chain(nested).collect()
}
