//! Vocabularies of the `tokenizers` library: a `tokenizer.json`, or `vocab.json` with `merges.txt` (byte-level BPE).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::added_tokens::is_special;
use super::tokenizer::{Cutting, Vocabulary};
use crate::InterchangeError;

const REMEDY: &str = "fetch the files of one model, or translate with transformers";

/// Special tokens of byte-level BPE vocabularies without a `tokenizer.json`.
const SPECIAL: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

fn wrong(path: &Path, found: String, expected: &str) -> InterchangeError {
    InterchangeError::File { path: path.to_owned(), found, expected: expected.to_owned(), remedy: REMEDY }
}

/// Reads the contents of a `tokenizer.json`, whose steps are kept.
///
/// # Errors
/// A model other than BPE or unigram, or malformed entries.
pub(super) fn read(mut file: Value, path: &Path) -> Result<Vocabulary, InterchangeError> {
    let model = &file["model"];
    // Older files do not name the type.
    let kind = match (model["type"].as_str(), &model["merges"], &model["unk_id"]) {
        (Some(kind), _, _) => kind.to_owned(),
        (None, Value::Array(_), _) => "BPE".to_owned(),
        (None, _, Value::Number(_)) => "Unigram".to_owned(),
        (None, _, _) => "unknown".to_owned(),
    };
    if kind != "BPE" && kind != "Unigram" {
        return Err(wrong(path, format!("a vocabulary of the type {kind}"), "BPE or Unigram"));
    }
    let malformed = || wrong(path, "a malformed vocabulary".to_owned(), "pieces with scores, or tokens with ids");
    let mut labels: BTreeMap<usize, String> = match &model["vocab"] {
        Value::Array(pieces) => {
            let pieces = pieces.iter().map(|piece| piece[0].as_str().filter(|_| piece[1].is_number()));
            let pieces = pieces.map(|piece| piece.map(str::to_owned)).collect::<Option<Vec<_>>>();
            pieces.ok_or_else(malformed)?.into_iter().enumerate().collect()
        }
        Value::Object(entries) => {
            let id = |id: &Value| id.as_u64().and_then(|id| usize::try_from(id).ok());
            let entries = entries.iter().map(|(label, value)| Some((id(value)?, label.clone())));
            let (count, labels) = (entries.len(), entries.collect::<Option<BTreeMap<_, _>>>().ok_or_else(malformed)?);
            if labels.len() != count {
                return Err(wrong(path, "an id of two tokens".to_owned(), "one label for each id"));
            }
            labels
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(malformed()),
    };
    let (mut special, mut words) = (Vec::new(), Vec::new());
    for token in file["added_tokens"].as_array().into_iter().flatten() {
        let id = token["id"].as_u64().and_then(|id| usize::try_from(id).ok());
        let (Some(id), Some(content)) = (id, token["content"].as_str()) else {
            return Err(wrong(path, format!("the added token {token}"), "an id and a content"));
        };
        let known = labels.insert(id, content.to_owned());
        if let Some(known) = known.filter(|known| known != content) {
            return Err(wrong(path, format!("the id {id} for {known:?} and {content:?}"), "one label for each id"));
        }
        let is_special = is_special(content, token["special"].as_bool());
        if is_special { &mut special } else { &mut words }.push(content.to_owned());
    }
    if let Some((place, (id, _))) = labels.iter().enumerate().find(|(place, (id, _))| place != *id) {
        return Err(wrong(path, format!("the id {id} after {place} entries"), "ids from 0 up without gaps"));
    }
    file["model"]["type"] = json!(kind);
    let labels = labels.into_values().collect();
    Ok(Vocabulary { cutting: Cutting::File(Box::new(file)), labels, special, words })
}

/// Reads a byte-level BPE vocabulary from the contents of `vocab.json` and `merges.txt`.
///
/// # Errors
/// Malformed entries.
pub(super) fn byte_level(
    vocabulary: Value,
    path: &Path,
    merges: &str,
    merges_path: &Path,
) -> Result<Vocabulary, InterchangeError> {
    let lines =
        merges.lines().enumerate().filter(|(at, line)| !(line.is_empty() || *at == 0 && line.starts_with("#version")));
    let pair = |(at, line): (usize, &str)| match line.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            Ok(json!([left, right]))
        }
        _ => Err(wrong(merges_path, format!("{line:?} in line {}", at + 1), "two tokens and a space between them")),
    };
    let merges = lines.map(pair).collect::<Result<Vec<Value>, InterchangeError>>()?;
    let special: Vec<&str> = SPECIAL.into_iter().filter(|label| !vocabulary[*label].is_null()).collect();
    let added = special.iter().map(|label| json!({"id": vocabulary[*label], "content": label})).collect::<Vec<_>>();
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let file = json!({
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": bytes,
        "decoder": bytes,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary,
            "merges": merges,
        },
    });
    read(file, path)
}
