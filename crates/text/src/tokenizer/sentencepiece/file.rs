//! SentencePiece tokenizers as files in the `tokenizers` format.
//!
//! The vocabulary has the label of every id. Labels that are no pieces of this side's model begin with a space, which
//! normalised text never has, so that they never match; decoding removes the space. Pieces without an id have a key of
//! their own, which other programs ignore.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{NEVER_FOUND, Normalization, PieceKind, SentencePiece, SentencePieces};
use crate::special_tokens::{FIRST_ORDINARY_ID, UNKNOWN_ID, byte_of};
use crate::tokenizer::checks;
use crate::tokenizer::file::{self, Extras};
use crate::tokenizer::{Steps, Tokenizer, TokenizerKind, pipeline};
use crate::{SpecialIds, Template, TextError};

/// The file of a SentencePiece model, its keys in order. Text that has no escapes is borrowed from the file's.
#[derive(Serialize, Deserialize)]
pub(in crate::tokenizer) struct File<'a> {
    #[serde(default)]
    added_tokens: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: Model<'a>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    version: Value,
}

/// The `model` entry of a file.
#[derive(Serialize, Deserialize)]
struct Model<'a> {
    #[serde(default)]
    byte_fallback: bool,
    /// Whether the file is another program's.
    #[serde(default, skip_serializing)]
    imported: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original_ids: Option<Value>,
    /// Pieces without an id.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pieces_without_id: Vec<Entry<'a>>,
    /// Whether pieces are merged (BPE). Other programs would cut such text differently.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sentencepiece_bpe: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<Value>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default)]
    unk_id: Value,
    /// Pieces that are never produced.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    unused_pieces: Vec<Entry<'a>>,
    /// Pieces that are never cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user_defined_pieces: Vec<String>,
    #[serde(borrow)]
    vocab: Vec<Entry<'a>>,
}

/// A piece and its score.
#[derive(Serialize, Deserialize)]
struct Entry<'a>(#[serde(borrow)] Cow<'a, str>, f64);

impl<'a> Entry<'a> {
    fn new((piece, score): &'a (String, f32)) -> Self {
        Self(Cow::from(piece), f64::from(*score))
    }

    fn into_piece(self) -> (String, f32) {
        (self.0.into_owned(), self.1 as f32)
    }
}

/// The only type of model that such a file has.
const TYPE: &str = "Unigram";

impl<'a> File<'a> {
    /// Assembles the file of a model and a vocabulary, whose `labels` have the order of their ids.
    pub fn new(
        model: &'a SentencePieces,
        labels: &'a [String],
        original_ids: Option<SpecialIds>,
        template: Option<&Template>,
    ) -> Self {
        let scores: HashMap<&str, f32> = model.pieces.iter().map(|(piece, score)| (piece.as_str(), *score)).collect();
        let last = labels.len().saturating_sub(1);
        let entry = |(id, label): (usize, &'a String)| match scores.get(label.as_str()) {
            _ if is_special(id, last) || is_byte(model.byte_fallback, label) => Entry(Cow::from(label), 0.0),
            Some(score) => Entry(Cow::from(label), f64::from(*score)),
            None => Entry(Cow::from(format!("{NEVER_FOUND}{label}")), 0.0),
        };
        let known: HashSet<&str> = labels.iter().map(String::as_str).collect();
        let without_id = model.pieces.iter().filter(|(piece, _)| !known.contains(piece.as_str()));
        let pipeline = pipeline::Pipeline::sentencepiece(&model.normalization, model.byte_fallback);
        Self {
            added_tokens: file::added_tokens(last),
            decoder: pipeline.decoder,
            model: Model {
                byte_fallback: model.byte_fallback,
                imported: false,
                original_ids: original_ids.map(file::original_ids_entry),
                pieces_without_id: without_id.map(Entry::new).collect(),
                sentencepiece_bpe: match model.kind {
                    PieceKind::Unigram => false,
                    PieceKind::Bpe => true,
                },
                template: template.map(|template| json!(template)),
                r#type: Cow::from(TYPE),
                unk_id: json!(UNKNOWN_ID),
                unused_pieces: model.unused.iter().map(Entry::new).collect(),
                user_defined_pieces: model.user_defined.clone(),
                vocab: labels.iter().enumerate().map(entry).collect(),
            },
            normalizer: pipeline.normalizer,
            padding: Value::Null,
            post_processor: Value::Null,
            pre_tokenizer: pipeline.pre_tokenizer,
            truncation: Value::Null,
            version: json!("1.0"),
        }
    }

    /// Returns the normalisation of the model, or `None` for a file of another kind.
    pub fn normalization(&self) -> Option<Normalization> {
        let Self { decoder, model, normalizer, pre_tokenizer, .. } = self;
        let steps = [normalizer, pre_tokenizer, decoder];
        normalization(steps, model.byte_fallback).filter(|_| model.r#type == TYPE && !model.imported)
    }

    /// Builds the tokenizer of a file with this [`normalization`](Self::normalization).
    ///
    /// # Errors
    /// Parts that do not fit together.
    pub fn read(self, normalization: Normalization, origin: &Path) -> Result<Tokenizer, TextError> {
        self.tokenizer(normalization).map_err(|(found, expected)| TextError::TokenizerFile {
            path: origin.to_owned(),
            found,
            expected,
        })
    }

    fn tokenizer(self, normalization: Normalization) -> Result<Tokenizer, (String, String)> {
        let owned = |(found, expected): (String, &str)| (found, expected.to_owned());
        let Self { added_tokens, model, truncation, padding, post_processor, .. } = self;
        let null = [("truncation", &truncation), ("padding", &padding), ("post_processor", &post_processor)];
        checks::check_null(null).map_err(owned)?;
        let Extras { original_ids, template } = Extras::new(model.original_ids, model.template).map_err(owned)?;
        if !checks::are_distinct(model.vocab.iter().map(|entry| &*entry.0)) {
            return Err(owned(checks::not_distinct()));
        }

        let last = model.vocab.len().saturating_sub(1);
        let (mut labels, mut pieces) = (Vec::with_capacity(model.vocab.len()), Vec::with_capacity(model.vocab.len()));
        for (id, Entry(label, score)) in model.vocab.into_iter().enumerate() {
            match label.strip_prefix(NEVER_FOUND) {
                Some(label) => labels.push(label.to_owned()),
                None => {
                    if !is_special(id, last) && !is_byte(model.byte_fallback, &label) {
                        pieces.push((label.clone().into_owned(), score as f32));
                    }
                    labels.push(label.into_owned());
                }
            }
        }
        pieces.extend(model.pieces_without_id.into_iter().map(Entry::into_piece));
        checks::check_layout(&labels, false)?;
        checks::check_original_ids(original_ids, labels.len(), true).map_err(owned)?;
        checks::check_added_tokens(&added_tokens, labels.len())
            .map_err(|found| (found, "exactly </s>, <unk> and <pad> as special tokens".to_owned()))?;
        let pieces = SentencePieces {
            kind: if model.sentencepiece_bpe { PieceKind::Bpe } else { PieceKind::Unigram },
            pieces,
            user_defined: model.user_defined_pieces,
            unused: model.unused_pieces.into_iter().map(Entry::into_piece).collect(),
            byte_fallback: model.byte_fallback,
            normalization,
        };
        let pieces =
            SentencePiece::new(pieces, &labels).map_err(|found| (found, "a model of SentencePiece".to_owned()))?;
        let steps = Steps::SentencePiece(Box::new(pieces));
        Tokenizer::new(TokenizerKind::Unigram, labels, steps, original_ids, template).map_err(owned)
    }
}

/// Returns whether the steps of a file are those of a SentencePiece model.
pub(in crate::tokenizer) fn is_pipeline_of(file: &Value) -> bool {
    let model = &file["model"];
    let steps = [&file["normalizer"], &file["pre_tokenizer"], &file["decoder"]];
    let byte_fallback = model["byte_fallback"].as_bool().unwrap_or(false);
    model["type"] == TYPE && model["imported"] != true && normalization(steps, byte_fallback).is_some()
}

/// Returns the normalisation of a model whose normalizer, pre-tokenizer and decoder these are, if they are those of one.
fn normalization(steps: [&Value; 3], byte_fallback: bool) -> Option<Normalization> {
    let normalization = settings(steps[0])?;
    let expected = pipeline::Pipeline::sentencepiece(&normalization, byte_fallback);
    let same = [&expected.normalizer, &expected.pre_tokenizer, &expected.decoder] == steps;
    same.then_some(normalization)
}

/// Returns a label without [`NEVER_FOUND`].
pub(in crate::tokenizer) fn plain(label: &str) -> &str {
    label.strip_prefix(NEVER_FOUND).unwrap_or(label)
}

/// Returns the settings of a normalizer, if its steps can be those of a SentencePiece model.
fn settings(normalizer: &Value) -> Option<Normalization> {
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
