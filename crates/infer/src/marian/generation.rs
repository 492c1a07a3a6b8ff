//! How to decode: `generation_config.json`, and the `[decoding]` table of a run folder.
//!
//! Marian's `max_length` counts the `<pad>` that the decoder starts from, ours does not. transformers lets `<pad>` take
//! its share of the probability before it is forbidden, unless `renormalize_logits` says otherwise; Marian itself,
//! CTranslate2 and this program do not know `<pad>` as an answer at all, so that is what is written.

use model::{ConfigError, ModelConfig};
use serde_json::{Map, Value, json};
use toml::Table;

use crate::config::{DecodingConfig, LengthPenalty, PenaltyForm};

/// What a folder says of decoding.
#[derive(Debug)]
pub struct Generation {
    /// The `[decoding]` table.
    pub table: Table,
    /// Settings that do not come along, each told with its value.
    pub left_out: Vec<String>,
}

/// Settings of transformers that have a key of ours in `[decoding]`: theirs, ours, the value at which they do nothing.
const ALIKE: [(&str, &str, f64); 3] = [
    ("no_repeat_ngram_size", "no_repeat_ngram", 0.0),
    ("repetition_penalty", "repetition_penalty", 1.0),
    ("min_length", "min_length", 0.0),
];

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
    let penalty = LengthPenalty { form: PenaltyForm::Power, alpha };
    let mut table = Table::try_from(DecodingConfig::default()).unwrap_or_default();
    table.insert("beam".to_owned(), toml::Value::Integer(whole("num_beams", 1.0)?.max(1) as i64));
    table.insert("length_penalty".to_owned(), Table::try_from(penalty).unwrap_or_default().into());
    if !generation["max_length"].is_null() {
        let most = whole("max_length", 0.0)?.saturating_sub(1).clamp(1, model.max_length);
        table.insert("max_length".to_owned(), toml::Value::Integer(most as i64));
    }
    let decoding: DecodingConfig = table.clone().try_into().map_err(|error: toml::de::Error| {
        ConfigError::new("[decoding]", error.message(), "settings of this program", "correct generation_config.json")
    })?;
    decoding.validate(model)?;

    for (theirs, ours, neutral) in ALIKE {
        let value = number(theirs, neutral)?;
        if value != neutral {
            let whole_number = theirs != "repetition_penalty";
            let value = if whole_number { toml::Value::Integer(whole(theirs, neutral)? as i64) } else { value.into() };
            table.insert(ours.to_owned(), value);
        }
    }
    let mut left_out: Vec<String> = NOT_HERE
        .iter()
        .filter(|(key, neutral)| !generation[*key].is_null() && generation[*key] != *neutral)
        .map(|(key, _)| format!("{key} = {}", generation[*key]))
        .collect();
    let bad_words = &generation["bad_words_ids"];
    if !bad_words.is_null() && *bad_words != json!([[pad]]) {
        left_out.push(format!("bad_words_ids = {bad_words}"));
    }
    Ok(Generation { table, left_out })
}

/// The contents of `generation_config.json`.
///
/// # Errors
/// A length penalty of a form that transformers lacks.
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
    let table = Table::try_from(decoding).unwrap_or_default();
    for (theirs, ours, neutral) in ALIKE {
        let value = match table.get(ours) {
            Some(toml::Value::Integer(value)) => json!(value),
            Some(toml::Value::Float(value)) => json!(value),
            _ => continue,
        };
        if value.as_f64() != Some(neutral) {
            generation.insert(theirs.to_owned(), value);
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
        let decoding: DecodingConfig = published.table.clone().try_into().unwrap();
        assert_eq!((decoding.beam, decoding.max_length), (6, Some(511)));
        assert_eq!(decoding.length_penalty.alpha, 0.6);
        assert_eq!((published.table.len(), published.left_out.len()), (3, 0));

        let more = read(json!({"no_repeat_ngram_size": 3, "repetition_penalty": 1.2, "min_length": 5}));
        assert_eq!(more.table["no_repeat_ngram"], 3.into());
        assert_eq!(more.table["repetition_penalty"], 1.2.into());
        assert_eq!(more.table["min_length"], 5.into());
        let neutral = read(json!({"no_repeat_ngram_size": 0, "repetition_penalty": 1.0, "min_length": 0}));
        assert_eq!(neutral.table, Table::try_from(DecodingConfig::default()).unwrap());

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
        let decoding = DecodingConfig { beam: 4, max_length: Some(40), ..DecodingConfig::default() };
        let written = write(&decoding, &model(), 99).unwrap();
        assert_eq!(written["max_length"], 41);
        assert_eq!(read(&written, &model(), 99).unwrap().table, Table::try_from(&decoding).unwrap());

        let wu = DecodingConfig { length_penalty: "wu:0.6".parse().unwrap(), ..decoding };
        let error = write(&wu, &model(), 99).unwrap_err().to_string();
        assert!(error.contains("decoding.length_penalty.form = \"wu\": expected \"power\""), "{error}");
        assert_eq!(write(&DecodingConfig { beam: 1, ..wu }, &model(), 99).unwrap()["length_penalty"], 1.0);
    }
}
