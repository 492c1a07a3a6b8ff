//! Tokenizer files: assembly from parts, and reading with all expectations checked.
//!
//! `sentencepiece::file` has the form of SentencePiece models.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::bpe_dropout::Segmenter;
use super::checks::{are_distinct, check_added_tokens, check_layout, check_null, check_original_ids, not_distinct};
use super::pipeline::Pipeline;
use super::sentencepiece::file::File;
use super::{
    Direction, LibrarySteps, Normalizer, Steps, Tokenizer, TokenizerKind, library, normalization, pipeline,
    sentencepiece,
};
use crate::special_tokens::{BYTE_TOKENS, END, PAD, SPECIAL_TOKENS, UNKNOWN};
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
        let mut json = match &self.steps {
            Steps::SentencePiece(pieces) => {
                let model = pieces.model();
                let file = File::new(&model, &self.labels, self.original_ids, self.template.as_ref());
                serde_json::to_string_pretty(&file).expect("texts and finite numbers are representable in JSON")
            }
            Steps::Library(steps)
                if !steps.imported && self.template.is_none() && self.direction == Direction::LeftToRight =>
            {
                library_file(steps)
            }
            Steps::Library(steps) => {
                let mut file = serde_json::from_str(&library_file(steps)).expect("the library writes JSON");
                if steps.imported {
                    library::mark(&mut file);
                }
                write_original_ids(&mut file, self.original_ids);
                write_template(&mut file, self.template.as_ref());
                write_direction(&mut file, self.direction);
                format!("{file:#}")
            }
        };
        json.push('\n');
        json
    }

    /// Parses the text of a tokenizer file; `origin` appears in errors.
    ///
    /// # Errors
    /// Contents that are not a tokenizer of this program.
    pub fn from_json(json: &str, origin: &Path) -> Result<Self, TextError> {
        parse(json, origin)
    }
}

fn library_file(steps: &LibrarySteps) -> String {
    steps.inner.to_string(true).expect("a tokenizer read from JSON is representable in JSON")
}

/// Assembles a tokenizer file from `pipeline` and `model`, the `model` entry of the file; its last id is `pad_id`.
pub(super) fn assemble(pipeline: Pipeline, model: Value, pad_id: usize) -> Value {
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(pad_id),
        "normalizer": pipeline.normalizer,
        "pre_tokenizer": pipeline.pre_tokenizer,
        "post_processor": null,
        "decoder": pipeline.decoder,
        "model": model,
    })
}

/// The special tokens as entries of a file.
pub(super) fn added_tokens(pad_id: usize) -> Value {
    let special = |id: usize, label: &str| {
        json!({"id": id, "content": label, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    json!([special(0, END), special(1, UNKNOWN), special(pad_id, PAD)])
}

/// Parses the text of a tokenizer file.
pub(super) fn parse(json: &str, origin: &Path) -> Result<Tokenizer, TextError> {
    let wrong = |found: String, expected: &str| TextError::TokenizerFile {
        path: origin.to_owned(),
        found,
        expected: expected.into(),
    };
    // A large vocabulary as JSON values would take many times the memory of its text.
    let typed = serde_json::from_str::<File>(json);
    let malformed = match typed.map(|file| (file.normalization(), file)) {
        Ok((Some(normalization), file)) => return file.read(normalization, origin),
        Ok((None, _)) => None,
        Err(error) => Some(error),
    };
    // Into a plain value first: the crate's own reader panics on some malformed JSON.
    let value: Value = serde_json::from_str(json)
        .map_err(|error| wrong(format!("malformed JSON ({error})"), "a Hugging Face tokenizers file"))?;
    match malformed.filter(|_| sentencepiece::file::is_pipeline_of(&value)) {
        None => from_value(value, origin),
        Some(error) => Err(wrong(format!("a malformed entry ({error})"), "a model of SentencePiece")),
    }
}

/// Builds a tokenizer from a tokenizer file whose steps the library applies.
///
/// # Errors
/// The first part of the file that is not as this program writes it.
pub(super) fn from_value(mut value: Value, origin: &Path) -> Result<Tokenizer, TextError> {
    let wrong = |found: String, expected: &str| TextError::TokenizerFile {
        path: origin.to_owned(),
        found,
        expected: expected.into(),
    };

    check_null(["truncation", "padding", "post_processor"].map(|part| (part, &value[part])))
        .map_err(|(found, expected)| wrong(found, expected))?;
    let Extras { original_ids, template } = Extras::new(take(&mut value, ORIGINAL_IDS), take(&mut value, TEMPLATE))
        .map_err(|(found, expected)| wrong(found, expected))?;
    let direction = read_direction(take(&mut value, DIRECTION)).map_err(|(found, expected)| wrong(found, expected))?;
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

    let mut labels = labels(model).ok_or_else(not_distinct).map_err(|(found, expected)| wrong(found, expected))?;
    if imported {
        for label in &mut labels {
            *label = sentencepiece::file::plain(label).to_owned();
        }
    }
    let only_bytes = !imported && labels.len() == SPECIAL_TOKENS + BYTE_TOKENS && value["pre_tokenizer"].is_null();
    let kind = if kind == TokenizerKind::Bpe && only_bytes { TokenizerKind::Bytes } else { kind };
    let has_bytes = !imported && kind.has_bytes();
    check_layout(&labels, has_bytes).map_err(|(found, expected)| wrong(found, &expected))?;
    check_original_ids(original_ids, labels.len(), imported).map_err(|(found, expected)| wrong(found, expected))?;
    if !imported {
        check_added_tokens(&value["added_tokens"], labels.len())
            .map_err(|found| wrong(found, "exactly </s>, <unk> and <pad> as special tokens"))?;
    }
    let segmenter = match kind {
        TokenizerKind::Bpe if !imported => {
            Some(Segmenter::new(model, &labels).map_err(|(found, expected)| wrong(found, expected))?)
        }
        TokenizerKind::Bpe
        | TokenizerKind::Unigram
        | TokenizerKind::Word
        | TokenizerKind::Whitespace
        | TokenizerKind::Character
        | TokenizerKind::Bytes => None,
    };

    let own = match imported {
        true => None,
        false => {
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
    let steps = LibrarySteps { inner, normalizer, own_decoder, segmenter, imported };
    Tokenizer::new(kind, labels, Steps::Library(Box::new(steps)), original_ids, template)
        .map(|tokenizer| tokenizer.with_direction(direction))
        .map_err(|(found, expected)| wrong(found, expected))
}

/// Key of the tokens around a text, inside the `model` entry of the file.
pub(super) const TEMPLATE: &str = "template";

/// Adds the tokens around a text to a file.
fn write_template(file: &mut Value, template: Option<&Template>) {
    if let Some(template) = template {
        file["model"][TEMPLATE] = json!(template);
    }
}

/// Key of the order of tokens, inside the `model` entry of the file; left to right without it.
const DIRECTION: &str = "direction";

/// Adds the order of tokens to a file.
fn write_direction(file: &mut Value, direction: Direction) {
    match direction {
        Direction::LeftToRight => {}
        Direction::RightToLeft => file["model"][DIRECTION] = json!(direction),
    }
}

/// Reads the order of tokens; the error is (found, expected).
fn read_direction(entry: Option<Value>) -> Result<Direction, (String, &'static str)> {
    let Some(entry) = entry else { return Ok(Direction::LeftToRight) };
    let shown = format!("{DIRECTION} {entry}");
    serde_json::from_value(entry).map_err(|_| (shown, "\"left_to_right\" or \"right_to_left\""))
}

/// Key of the special tokens' ids in another program's vocabulary, inside the `model` entry of the file.
pub(super) const ORIGINAL_IDS: &str = "original_ids";

/// Adds the special tokens' ids in another program's vocabulary to a file.
pub(super) fn write_original_ids(file: &mut Value, ids: Option<SpecialIds>) {
    if let Some(ids) = ids {
        file["model"][ORIGINAL_IDS] = original_ids_entry(ids);
    }
}

/// The entry of these ids.
pub(super) fn original_ids_entry(SpecialIds { end, unknown, padding }: SpecialIds) -> Value {
    json!({"end": end, "unknown": unknown, "padding": padding})
}

/// Removes a key of the `model` entry from a file.
fn take(file: &mut Value, key: &str) -> Option<Value> {
    file.get_mut("model").and_then(Value::as_object_mut).and_then(|model| model.remove(key))
}

/// What files of this program have beyond the format.
pub(super) struct Extras {
    pub original_ids: Option<SpecialIds>,
    pub template: Option<Template>,
}

impl Extras {
    /// Reads the entries of a file; the error is (found, expected).
    pub fn new(original_ids: Option<Value>, template: Option<Value>) -> Result<Self, (String, &'static str)> {
        let ids = |ids: Value| {
            let shown = ids.to_string();
            let expected = "the ids `end`, `unknown` and `padding` of another vocabulary";
            serde_json::from_value(ids).map_err(|_| (format!("{ORIGINAL_IDS} {shown}"), expected))
        };
        let around = |template: Value| {
            let expected = "the tokens before and after a text, and the languages";
            serde_json::from_value(template).map_err(|error| (format!("the {TEMPLATE}: {error}"), expected))
        };
        Ok(Self { original_ids: original_ids.map(ids).transpose()?, template: template.map(around).transpose()? })
    }
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
    are_distinct(labels.iter().map(String::as_str)).then_some(labels)
}
