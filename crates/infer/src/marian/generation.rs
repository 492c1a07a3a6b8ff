//! How to decode: `generation_config.json`, and the `[decoding]` table of a run folder.
//!
//! Marian's `max_length` and `min_length` count the `<pad>` that the decoder starts from, ours do not. transformers lets `<pad>` take
//! its share of the probability before it is forbidden, unless `renormalize_logits` says otherwise; Marian itself,
//! CTranslate2 and this program do not know `<pad>` as an answer at all, so that is what is written.

use model::{ConfigError, ModelConfig};
use serde_json::{Map, Value, json};

use crate::config::{DecodingConfig, LengthPenalty, PenaltyForm};

/// What a folder says of decoding.
#[derive(Debug)]
pub struct Generation {
    pub decoding: DecodingConfig,
    /// Settings that do not come along, each told with its value.
    pub left_out: Vec<String>,
}

/// Settings without counterpart, and the value at which they do nothing.
const NOT_HERE: [(&str, Value); 9] = [
    ("early_stopping", Value::Bool(false)),
    ("do_sample", Value::Bool(false)),
    ("encoder_no_repeat_ngram_size", Value::Null),
    ("num_beam_groups", Value::Null),
    ("diversity_penalty", Value::Null),
    ("forced_bos_token_id", Value::Null),
    ("suppress_tokens", Value::Null),
    ("begin_suppress_tokens", Value::Null),
    ("max_new_tokens", Value::Null),
];

/// Reads the contents of `generation_config.json`, or of a `config.json` from before there was one.
///
/// # Errors
/// A value that cannot be used.
pub fn read(generation: &Value, model: &ModelConfig, pad: usize) -> Result<Generation, ConfigError> {
    let number = |key: &str, default: f64| match &generation[key] {
        Value::Null => Ok(default),
        value => value
            .as_f64()
            .filter(|number| number.is_finite())
            .ok_or_else(|| ConfigError::new(key, value, "a number", "correct it in generation_config.json")),
    };
    let whole = |key: &str, default: f64| match number(key, default)? {
        found if found >= 0.0 && found.fract() == 0.0 && found < 1e9 => Ok(found as usize),
        found => Err(ConfigError::new(key, found, "a whole number", "correct it in generation_config.json")),
    };
    let alpha = number("length_penalty", 1.0)?;
    if alpha < 0.0 {
        let remedy = "set it to 0 in generation_config.json for the shortest that this program can favour";
        return Err(ConfigError::new("length_penalty", alpha, "a number of at least 0", remedy));
    }
    let max_length = match &generation["max_length"] {
        Value::Null => None,
        _ => Some(whole("max_length", 0.0)?.saturating_sub(1).clamp(1, model.max_length)),
    };
    let decoding = DecodingConfig {
        beam: whole("num_beams", 1.0)?.max(1),
        length_penalty: LengthPenalty { form: PenaltyForm::Power, alpha },
        min_length: whole("min_length", 0.0)?.saturating_sub(1),
        max_length,
        no_repeat_ngram: whole("no_repeat_ngram_size", 0.0)?,
        repetition_penalty: number("repetition_penalty", 1.0)?,
        ..DecodingConfig::default()
    };
    decoding.validate(model)?;

    let mut left_out: Vec<String> = NOT_HERE
        .iter()
        .filter(|(key, neutral)| !generation[*key].is_null() && generation[*key] != *neutral)
        .map(|(key, _)| format!("{key} = {}", generation[*key]))
        .collect();
    let bad_words = &generation["bad_words_ids"];
    if !bad_words.is_null() && *bad_words != json!([[pad]]) {
        left_out.push(format!("bad_words_ids = {bad_words}"));
    }
    Ok(Generation { decoding, left_out })
}

/// The contents of `generation_config.json`.
///
/// # Errors
/// A setting that transformers lacks.
pub fn write(decoding: &DecodingConfig, model: &ModelConfig, pad: usize) -> Result<Value, ConfigError> {
    let LengthPenalty { form, alpha } = decoding.length_penalty;
    // Greedy decoding never asks.
    if form != PenaltyForm::Power && decoding.beam > 1 {
        return Err(ConfigError::new(
            "decoding.length_penalty.form",
            "\"wu\"",
            "\"power\", the one that Marian's readers have",
            "give --length-penalty 1.0, or --beam 1",
        ));
    }
    for (field, ratio) in [
        ("decoding.min_length_ratio", Some(decoding.min_length_ratio).filter(|ratio| *ratio > 0.0)),
        ("decoding.max_length_ratio", decoding.max_length_ratio),
    ] {
        if let Some(ratio) = ratio {
            let expected = "none, since Marian's readers have lengths that do not depend on the source alone";
            return Err(ConfigError::new(field, ratio, expected, "take it out of the run's config.toml"));
        }
    }
    let alpha = if form == PenaltyForm::Power { alpha } else { 1.0 };
    let mut generation = Map::new();
    for (key, value) in [
        ("bad_words_ids", json!([[pad]])),
        ("decoder_start_token_id", json!(pad)),
        ("eos_token_id", json!(0)),
        ("forced_eos_token_id", json!(0)),
        ("length_penalty", json!(alpha)),
        ("max_length", json!(1 + decoding.max_length.unwrap_or(model.max_length))),
        ("num_beams", json!(decoding.beam)),
        ("pad_token_id", json!(pad)),
        ("renormalize_logits", json!(true)),
    ] {
        generation.insert(key.to_owned(), value);
    }
    for (key, value, neutral) in [
        ("min_length", json!(1 + decoding.min_length), json!(1)),
        ("no_repeat_ngram_size", json!(decoding.no_repeat_ngram), json!(0)),
        ("repetition_penalty", json!(decoding.repetition_penalty), json!(1.0)),
    ] {
        if value != neutral {
            generation.insert(key.to_owned(), value);
        }
    }
    Ok(Value::Object(generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelConfig {
        ModelConfig { max_length: 512, ..ModelConfig::default() }
    }

    #[test]
    fn settings_come_along() {
        let read = |value: Value| read(&value, &model(), 99).unwrap();
        let published =
            read(json!({"num_beams": 6, "max_length": 512, "bad_words_ids": [[99]], "length_penalty": 0.6}));
        let length_penalty = "0.6".parse().unwrap();
        let expected = DecodingConfig { beam: 6, max_length: Some(511), length_penalty, ..DecodingConfig::default() };
        assert_eq!((published.decoding, published.left_out.len()), (expected, 0));

        let more = read(json!({"no_repeat_ngram_size": 3, "repetition_penalty": 1.2, "min_length": 5}));
        let (min_length, no_repeat_ngram, repetition_penalty) = (4, 3, 1.2);
        let expected = DecodingConfig { min_length, no_repeat_ngram, repetition_penalty, ..DecodingConfig::default() };
        assert_eq!(more.decoding, expected, "their shortest length counts the token that begins the decoder");
        let neutral = read(json!({"no_repeat_ngram_size": 0, "repetition_penalty": 1.0, "min_length": 0}));
        assert_eq!(neutral.decoding, DecodingConfig::default());

        let other = read(json!({"early_stopping": true, "bad_words_ids": [[7]], "do_sample": false}));
        assert_eq!(other.left_out, ["early_stopping = true", "bad_words_ids = [[7]]"]);
    }

    #[test]
    fn values_that_cannot_be_used_are_told() {
        let error = |value: Value| read(&value, &model(), 99).unwrap_err().to_string();
        assert!(
            error(json!({"length_penalty": -1.0})).starts_with("length_penalty = -1: expected a number of at least 0")
        );
        assert!(error(json!({"num_beams": "four"})).starts_with("num_beams = \"four\": expected a number"));
        assert!(error(json!({"num_beams": 2.5})).starts_with("num_beams = 2.5: expected a whole number"));
        assert!(error(json!({"num_beams": 5000})).starts_with("decoding.beam = 5000: expected 1 to"));
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        let decoding = DecodingConfig {
            beam: 4,
            min_length: 3,
            max_length: Some(40),
            no_repeat_ngram: 2,
            repetition_penalty: 1.5,
            ..DecodingConfig::default()
        };
        let written = write(&decoding, &model(), 99).unwrap();
        assert_eq!((&written["max_length"], &written["min_length"]), (&41.into(), &4.into()));
        assert_eq!(read(&written, &model(), 99).unwrap().decoding, decoding);

        let relative = DecodingConfig { max_length_ratio: Some(2.0), ..decoding.clone() };
        let error = write(&relative, &model(), 99).unwrap_err().to_string();
        assert!(error.starts_with("decoding.max_length_ratio = 2: expected none"), "{error}");

        let wu = DecodingConfig { length_penalty: "wu:0.6".parse().unwrap(), ..decoding };
        let error = write(&wu, &model(), 99).unwrap_err().to_string();
        assert!(error.contains("decoding.length_penalty.form = \"wu\": expected \"power\""), "{error}");
        assert_eq!(write(&DecodingConfig { beam: 1, ..wu }, &model(), 99).unwrap()["length_penalty"], 1.0);
    }
}
