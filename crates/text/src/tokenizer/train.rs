//! Training of vocabularies with the `tokenizers` crate, so that equal text gives equal bytes.
//!
//! The crate's trainers have hash maps with a random seed per process. Three measures remove the random order. Counts are
//! sorted; the unigram trainer runs on one thread, since its floating-point sums depend on the order of addition; and the
//! result is sorted.

mod alphabet;
mod bpe;
mod unigram;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use alphabet::Alphabet;
use serde_json::{Value, json};
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper};

use super::pipeline::{self, Pipeline};
use super::{Normalizer, Tokenizer, TokenizerConfig, TokenizerKind, file, normalization, refused};
use crate::TextError;
use crate::special_tokens::{END, PAD, SPECIAL_TOKENS, UNKNOWN, byte_label};

/// Path in messages about the trained tokenizer.
const ORIGIN: &str = "the trained tokenizer";

/// Trains a vocabulary on the first `config.sample_lines` lines.
pub(super) fn train<S: AsRef<str>>(
    config: &TokenizerConfig,
    lines: impl Iterator<Item = S>,
) -> Result<Tokenizer, TextError> {
    config.validate()?;
    let pipeline = Pipeline::new(config, None);
    let counts = count_words(config.kind, &pipeline, lines.take(config.sample_lines))?;
    let model = match config.kind {
        TokenizerKind::Bpe => bpe::train(&Alphabet::new(&counts, config)?, config)?,
        TokenizerKind::Unigram => unigram::train(&Alphabet::new(&counts, config)?, config)?,
        TokenizerKind::Bytes => bpe::without_merges(),
        TokenizerKind::Word | TokenizerKind::Whitespace | TokenizerKind::Character => {
            // Most frequent first; the sort is stable, so equally frequent words stay in order of their characters.
            let mut words: Vec<(&String, &u64)> = counts.iter().collect();
            words.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let kept = config.vocab_size - SPECIAL_TOKENS;
            word_model(words.into_iter().take(kept).map(|(word, _)| word.as_str()))
        }
    };
    Ok(finish(pipeline, model)?.with_direction(config.direction))
}

/// Returns a vocabulary of fixed words; see [`Tokenizer::from_words`].
pub(super) fn fixed(words: &[impl AsRef<str>]) -> Tokenizer {
    let model = word_model(words.iter().map(AsRef::as_ref));
    finish(Pipeline::fixed_words(), model).expect("a word model with its special tokens in place is a valid tokenizer")
}

/// Builds the tokenizer of pipeline and model.
fn finish(pipeline: Pipeline, model: Value) -> Result<Tokenizer, TextError> {
    let vocabulary = &model["vocab"];
    let size = vocabulary.as_object().map_or_else(|| vocabulary.as_array().map_or(0, Vec::len), |ids| ids.len());
    file::from_value(file::assemble(pipeline, model, size.saturating_sub(1)), Path::new(ORIGIN))
}

/// Counts each word.
fn count_words<S: AsRef<str>>(
    kind: TokenizerKind,
    pipeline: &Pipeline,
    lines: impl Iterator<Item = S>,
) -> Result<BTreeMap<String, u64>, TextError> {
    let malformed = |error: serde_json::Error| TextError::TokenizerFile {
        path: ORIGIN.into(),
        found: error.to_string(),
        expected: "a pipeline the tokenizers crate accepts".into(),
    };
    let normalizer: Option<NormalizerWrapper> =
        serde_json::from_value(pipeline.normalizer.clone()).map_err(malformed)?;
    let pre_tokenizer: Option<PreTokenizerWrapper> =
        serde_json::from_value(pipeline.pre_tokenizer.clone()).map_err(malformed)?;
    let own = normalization::recognise(kind, &pipeline.normalizer).map_err(|(found, expected)| {
        TextError::TokenizerFile { path: ORIGIN.into(), found, expected: expected.into() }
    })?;
    let normalizer = Normalizer::new(kind, own, normalizer);

    let mut counts = HashMap::new();
    for line in lines {
        let line = line.as_ref();
        let words = normalizer
            .normalize(line)
            .and_then(|normalized| pipeline::words(pre_tokenizer.as_ref(), normalized))
            .map_err(|error| refused(line, &error))?;
        for word in words {
            *counts.entry(word).or_default() += 1;
        }
    }
    if counts.is_empty() {
        return Err(TextError::Empty { origin: "the text to train a tokenizer on".into() });
    }
    Ok(counts.into_iter().collect())
}

/// Returns the tokens before all learned ones: `</s>`, `<unk>`, the bytes.
fn leading_tokens() -> Vec<String> {
    let bytes = (0..=u8::MAX).map(byte_label);
    [END.to_owned(), UNKNOWN.to_owned()].into_iter().chain(bytes).collect()
}

/// Returns the same tokens for the crate's trainers.
fn leading_added_tokens() -> Vec<AddedToken> {
    leading_tokens().into_iter().map(|label| AddedToken::from(label, true)).collect()
}

/// Returns the error of one of the crate's trainers.
fn failed(kind: &'static str, message: impl ToString) -> TextError {
    TextError::Training { kind, message: message.to_string() }
}

/// Returns a word-level model: special tokens around `words`, in order without repetitions.
fn word_model<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    let mut vocabulary: HashMap<&str, usize> = HashMap::from([(END, 0), (UNKNOWN, 1)]);
    for word in words.filter(|word| *word != PAD) {
        let next = vocabulary.len();
        vocabulary.entry(word).or_insert(next);
    }
    let pad = vocabulary.len();
    vocabulary.insert(PAD, pad);
    json!({"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN})
}
