//! Tokenizers of other programs in the `tokenizers` format, whose steps the library applies as they are.
//!
//! The file has the vocabulary in the order of the ids here, and no added tokens, so that a special token spelled out in a
//! text is text. Labels that only an added token has begin with a space, as in
//! [`sentencepiece::file`](super::sentencepiece::file), so that they match no text.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::sentencepiece::NEVER_FOUND;
use super::{Tokenizer, file};
use crate::special_tokens::{END, PAD, UNKNOWN, UNKNOWN_ID};
use crate::{Role, Template};

/// Key of such files, inside the `model` entry.
const IMPORTED: &str = "imported";

/// Marks a file.
pub(super) fn mark(file: &mut Value) {
    file["model"][IMPORTED] = json!(true);
}

/// Removes the mark, and returns whether there was one.
pub(super) fn take_mark(file: &mut Value) -> bool {
    let model = file.get_mut("model").and_then(Value::as_object_mut);
    model.and_then(|model| model.remove(IMPORTED)) == Some(Value::Bool(true))
}

/// Gives another program's `file` the vocabulary `labels`, in the order of the ids here.
pub(super) fn assemble(mut file: Value, labels: &[String]) -> Value {
    let added: HashSet<String> = file["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| token["content"].as_str().map(str::to_owned))
        .collect();
    let mut model = file["model"].take();
    match &model["vocab"] {
        Value::Array(pieces) => {
            let scores: HashMap<&str, &Value> =
                pieces.iter().filter_map(|piece| Some((piece[0].as_str()?, &piece[1]))).collect();
            let entry = |label: &String| match scores.get(label.as_str()) {
                Some(score) if !added.contains(label) => json!([label, score]),
                score => json!([format!("{NEVER_FOUND}{label}"), score.map_or(json!(0.0), |score| (*score).clone())]),
            };
            let vocabulary = labels.iter().map(entry).collect();
            model["vocab"] = Value::Array(vocabulary);
            model["unk_id"] = json!(UNKNOWN_ID);
        }
        // Only merges lead to a label of more than one character.
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let entries = labels.iter().zip(0..).map(|(label, id): (&String, u32)| (label.clone(), json!(id)));
            model["vocab"] = Value::Object(entries.collect::<Map<_, _>>());
        }
    }
    let mut assembled = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": file["normalizer"].take(),
        "pre_tokenizer": file["pre_tokenizer"].take(),
        "post_processor": null,
        "decoder": file["decoder"].take(),
        "model": model,
    });
    mark(&mut assembled);
    assembled
}

/// Returns the file of a vocabulary with the ids that it was imported with.
pub(super) fn restore(tokenizer: &Tokenizer) -> Value {
    let mut file: Value = serde_json::from_str(&tokenizer.to_json()).unwrap_or_default();
    if let Some(model) = file["model"].as_object_mut() {
        [IMPORTED, file::TEMPLATE, file::ORIGINAL_IDS].into_iter().for_each(|key| drop(model.remove(key)));
    }
    let ids = tokenizer.special_ids().original_ids(tokenizer.vocab_size());
    let template = tokenizer.template();
    let special = |label: &str| {
        [END, UNKNOWN, PAD].contains(&label)
            || template
                .is_some_and(|template| template.labels().any(|own| own == label) && !label.starts_with("<unused_"))
    };
    if let Value::Array(pieces) = &mut file["model"]["vocab"] {
        let mut restored = vec![Value::Null; ids.len()];
        for (piece, id) in pieces.iter().zip(&ids) {
            let label = piece[0].as_str().unwrap_or_default();
            restored[*id] = json!([label.strip_prefix(NEVER_FOUND).unwrap_or(label), piece[1]]);
        }
        *pieces = restored;
        file["model"]["unk_id"] = json!(tokenizer.special_ids().unknown);
    } else {
        let entries = tokenizer.labels().iter().zip(&ids).map(|(label, id)| (label.clone(), json!(id)));
        file["model"]["vocab"] = Value::Object(entries.collect::<Map<_, _>>());
    }
    let mut added: Vec<(usize, &str)> = ids
        .iter()
        .zip(tokenizer.labels())
        .filter(|(_, label)| special(label))
        .map(|(id, label)| (*id, label.as_str()))
        .collect();
    added.sort_unstable();
    let token = |(id, label): &(usize, &str)| {
        json!({"id": id, "content": label, "single_word": false, "lstrip": *label == "<mask>", "rstrip": false,
               "normalized": false, "special": true})
    };
    file["added_tokens"] = added.iter().map(token).collect();
    if let Some(template) = template {
        file["post_processor"] = around(template, &added);
    }
    file
}

/// The step that adds the tokens around a text, those of languages excepted.
fn around(template: &Template, added: &[(usize, &str)]) -> Value {
    let own = |roles: &[Role]| {
        let labels = roles.iter().filter_map(|role| match role {
            Role::Label(label) => Some(label.clone()),
            Role::SourceLanguage | Role::TargetLanguage => None,
        });
        labels.collect::<Vec<String>>()
    };
    let (before, after) = (own(&template.before), own(&template.after));
    let token = |label: &String| json!({"SpecialToken": {"id": label, "type_id": 0}});
    let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let template = |texts: &[&str]| -> Value {
        let texts = texts.iter().map(|id| text(id));
        before.iter().map(token).chain(texts).chain(after.iter().map(token)).collect()
    };
    let id = |label: &String| added.iter().find(|(_, own)| own == label).map_or(0, |(id, _)| *id);
    let used = before.iter().chain(&after);
    let entry = |label: &String| (label.clone(), json!({"id": label, "ids": [id(label)], "tokens": [label]}));
    json!({
        "type": "TemplateProcessing",
        "single": template(&["A"]),
        "pair": template(&["A", "B"]),
        "special_tokens": used.map(entry).collect::<Map<_, _>>(),
    })
}
