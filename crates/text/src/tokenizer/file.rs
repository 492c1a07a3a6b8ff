//! Tokenizer files: assembly from parts, and reading with all expectations checked.
//!
//! This file and `sentencepiece::file` refer to each other: a SentencePiece model is a tokenizer file with more keys,
//! assembled here and read there.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::bpe_dropout::Segmenter;
use super::pipeline::Pipeline;
use super::{Normalizer, Tokenizer, TokenizerKind, library, normalization, pipeline, sentencepiece};
use crate::special_tokens::{BYTE_TOKENS, END, FIRST_ORDINARY_ID, PAD, SPECIAL_TOKENS, UNKNOWN, byte_label};
use crate::{SpecialIds, Template, TextError};

impl Tokenizer {
    /// Reads a tokenizer file.
    ///
    /// # Errors
    /// A file that cannot be read, or whose contents are not a tokenizer of this program.
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

    /// Returns the text of a tokenizer file. Equal tokenizers give equal bytes.
    pub fn to_json(&self) -> String {
        // Every part of a tokenizer was parsed from JSON, so it can be written as JSON.
        let mut json = match &self.sentencepiece {
            None if !self.imported && self.template.is_none() => self.library_file(),
            None => {
                let mut file = serde_json::from_str(&self.library_file()).expect("the library writes JSON");
                if self.imported {
                    library::mark(&mut file);
                }
                write_original_ids(&mut file, self.original_ids);
                write_template(&mut file, self.template.as_ref());
                format!("{file:#}")
            }
            Some(from) => {
                let mut file = sentencepiece::file::assemble(from.model(), &self.labels);
                write_original_ids(&mut file, self.original_ids);
                write_template(&mut file, self.template.as_ref());
                format!("{file:#}")
            }
        };
        json.push('\n');
        json
    }

    fn library_file(&self) -> String {
        self.inner.to_string(true).expect("a tokenizer read from JSON is representable in JSON")
    }

    /// Parses the text of a tokenizer file; `origin` appears in errors.
    ///
    /// # Errors
    /// Contents that are not a tokenizer of this program.
    pub fn from_json(json: &str, origin: &Path) -> Result<Self, TextError> {
        parse(json, origin)
    }
}

/// Assembles a tokenizer file from `pipeline` and `model`, the `model` entry of the file; its last id is `pad_id`.
pub(super) fn assemble(pipeline: Pipeline, model: Value, pad_id: usize) -> Value {
    let special = |id: usize, label: &str| {
        json!({"id": id, "content": label, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(0, END), special(1, UNKNOWN), special(pad_id, PAD)],
        "normalizer": pipeline.normalizer,
        "pre_tokenizer": pipeline.pre_tokenizer,
        "post_processor": null,
        "decoder": pipeline.decoder,
        "model": model,
    })
}

/// Parses the text of a tokenizer file.
pub(super) fn parse(json: &str, origin: &Path) -> Result<Tokenizer, TextError> {
    // Into a plain value first: the crate's own reader panics on some malformed JSON.
    let value = serde_json::from_str(json).map_err(|error| TextError::TokenizerFile {
        path: origin.to_owned(),
        found: format!("malformed JSON ({error})"),
        expected: "a Hugging Face tokenizers file".into(),
    })?;
    from_value(value, origin)
}

/// Builds a tokenizer from a tokenizer file.
///
/// # Errors
/// The first part of the file that is not as this program writes it.
pub(super) fn from_value(mut value: Value, origin: &Path) -> Result<Tokenizer, TextError> {
    let wrong = |found: String, expected: &str| TextError::TokenizerFile {
        path: origin.to_owned(),
        found,
        expected: expected.into(),
    };

    // `encode` must return the ids of the text alone.
    for part in ["truncation", "padding", "post_processor"] {
        if !value[part].is_null() {
            return Err(wrong(format!("a value for {part:?}"), "null there"));
        }
    }
    let original_ids = take_original_ids(&mut value)
        .map_err(|found| wrong(found, "the ids `end`, `unknown` and `padding` of another vocabulary"))?;
    let template = take_template(&mut value)
        .map_err(|found| wrong(found, "the tokens before and after a text, and the languages"))?;
    let imported = library::take_mark(&mut value);
    let model = &value["model"];
    let kind = match model["type"].as_str() {
        Some("BPE") => TokenizerKind::Bpe,
        Some("Unigram") => TokenizerKind::Unigram,
        Some("WordLevel") => pipeline::word_level_kind(&value["pre_tokenizer"]),
        _ => {
            return Err(wrong(format!("model type {}", model["type"]), "\"BPE\", \"Unigram\" or \"WordLevel\""));
        }
    };

    let mut labels = labels(model).ok_or_else(|| {
        wrong("a vocabulary with gaps, repeated or malformed entries".into(), "each id from 0 up exactly once")
    })?;
    let sentencepiece = match imported {
        true => None,
        false => sentencepiece::file::recognise(&value, &labels).map_err(|(found, expected)| wrong(found, expected))?,
    };
    if sentencepiece.is_some() || imported {
        for label in &mut labels {
            *label = sentencepiece::file::plain(label).to_owned();
        }
    }
    let only_bytes = !imported && labels.len() == SPECIAL_TOKENS + BYTE_TOKENS && value["pre_tokenizer"].is_null();
    let kind = if kind == TokenizerKind::Bpe && only_bytes { TokenizerKind::Bytes } else { kind };
    let has_bytes = sentencepiece.is_none() && !imported && kind.has_bytes();
    check_layout(&labels, has_bytes).map_err(|(found, expected)| wrong(found, &expected))?;
    if let Some(ids) = original_ids.filter(|ids| !ids.fit(labels.len()) || (sentencepiece.is_none() && !imported)) {
        let expected = "distinct ids of an imported vocabulary";
        return Err(wrong(format!("{ORIGINAL_IDS} {ids:?} of {} entries", labels.len()), expected));
    }
    if !imported {
        check_added_tokens(&value["added_tokens"], labels.len())
            .map_err(|found| wrong(found, "exactly </s>, <unk> and <pad> as special tokens"))?;
    }
    let segmenter = match kind {
        TokenizerKind::Bpe if !imported && sentencepiece.is_none() => {
            Some(Segmenter::new(model, &labels).map_err(|(found, expected)| wrong(found, expected))?)
        }
        TokenizerKind::Bpe
        | TokenizerKind::Unigram
        | TokenizerKind::Word
        | TokenizerKind::Whitespace
        | TokenizerKind::Character
        | TokenizerKind::Bytes => None,
    };

    let own = match sentencepiece {
        Some(_) => None,
        None if imported => None,
        None => {
            normalization::recognise(kind, &value["normalizer"]).map_err(|(found, expected)| wrong(found, expected))?
        }
    };
    let own_decoder = kind.has_bytes() && value["decoder"] == pipeline::subword_decoder();

    let mut inner: tokenizers::Tokenizer = serde_json::from_value(value).map_err(|error| {
        wrong(format!("contents that the tokenizers crate rejects ({error})"), "a Hugging Face tokenizers file")
    })?;
    // Special tokens spelled out in text are text.
    inner.set_encode_special_tokens(true);
    let normalizer = Normalizer::new(kind, own, inner.get_normalizer().cloned());
    let mut tokenizer = Tokenizer {
        inner,
        kind,
        labels,
        normalizer,
        own_decoder,
        segmenter,
        sentencepiece,
        original_ids,
        imported,
        template: None,
        hidden: HashSet::new(),
    };
    tokenizer.set_template(template).map_err(|(found, expected)| wrong(found, expected))?;
    Ok(tokenizer)
}

/// Key of the tokens around a text, inside the `model` entry of the file.
pub(super) const TEMPLATE: &str = "template";

/// Adds the tokens around a text to a file.
fn write_template(file: &mut Value, template: Option<&Template>) {
    if let Some(template) = template {
        file["model"][TEMPLATE] = json!(template);
    }
}

/// Removes the tokens around a text from a file; the error describes what is there instead.
fn take_template(file: &mut Value) -> Result<Option<Template>, String> {
    let taken = file.get_mut("model").and_then(Value::as_object_mut).and_then(|model| model.remove(TEMPLATE));
    let Some(template) = taken else { return Ok(None) };
    serde_json::from_value(template).map(Some).map_err(|error| format!("the {TEMPLATE}: {error}"))
}

/// Key of the special tokens' ids in another program's vocabulary, inside the `model` entry of the file.
pub(super) const ORIGINAL_IDS: &str = "original_ids";

/// Adds the special tokens' ids in another program's vocabulary to a file.
pub(super) fn write_original_ids(file: &mut Value, ids: Option<SpecialIds>) {
    if let Some(SpecialIds { end, unknown, padding }) = ids {
        file["model"][ORIGINAL_IDS] = json!({"end": end, "unknown": unknown, "padding": padding});
    }
}

/// Removes these ids from a file; the error describes what is there instead.
fn take_original_ids(file: &mut Value) -> Result<Option<SpecialIds>, String> {
    let Some(ids) = file.get_mut("model").and_then(Value::as_object_mut).and_then(|model| model.remove(ORIGINAL_IDS))
    else {
        return Ok(None);
    };
    let shown = ids.to_string();
    serde_json::from_value(ids).map(Some).map_err(|_| format!("{ORIGINAL_IDS} {shown}"))
}

/// Returns the label of each id, or `None` if ids have gaps or labels repeat.
fn labels(model: &Value) -> Option<Vec<String>> {
    let labels = match &model["vocab"] {
        Value::Object(ids) => {
            let mut labels = vec![None; ids.len()];
            for (label, id) in ids {
                let place = labels.get_mut(usize::try_from(id.as_u64()?).ok()?)?;
                if place.replace(label.clone()).is_some() {
                    return None;
                }
            }
            labels.into_iter().collect::<Option<Vec<_>>>()?
        }
        Value::Array(pieces) => {
            pieces.iter().map(|piece| piece[0].as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    let mut sorted: Vec<&String> = labels.iter().collect();
    sorted.sort_unstable();
    let distinct = sorted.windows(2).all(|pair| pair[0] != pair[1]);
    distinct.then_some(labels)
}

/// Checks the ids of special tokens, and of byte tokens if `has_bytes`; the error is (found, expected).
fn check_layout(labels: &[String], has_bytes: bool) -> Result<(), (String, String)> {
    let at = |id: usize, expected: &str| match labels.get(id) {
        Some(found) if found == expected => Ok(()),
        found => Err((format!("{found:?} at id {id} of {}", labels.len()), format!("{expected:?}"))),
    };
    at(0, END)?;
    at(1, UNKNOWN)?;
    let last = labels.len() - 1;
    at(last.max(SPECIAL_TOKENS - 1), PAD)?;
    if has_bytes {
        for byte in 0..=u8::MAX {
            at(FIRST_ORDINARY_ID + usize::from(byte), &byte_label(byte))?;
        }
        at(last.max(SPECIAL_TOKENS - 1 + BYTE_TOKENS), PAD)?;
    }
    Ok(())
}

/// Checks that the added tokens are exactly the three special ones: others would match in text.
fn check_added_tokens(added: &Value, vocab_size: usize) -> Result<(), String> {
    let found: Vec<(Option<u64>, Option<&str>, Option<bool>)> = added
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|token| (token["id"].as_u64(), token["content"].as_str(), token["special"].as_bool()))
        .collect();
    let expected = [
        (Some(0), Some(END), Some(true)),
        (Some(1), Some(UNKNOWN), Some(true)),
        (Some(vocab_size as u64 - 1), Some(PAD), Some(true)),
    ];
    if found == expected { Ok(()) } else { Err(format!("added tokens {added}")) }
}
