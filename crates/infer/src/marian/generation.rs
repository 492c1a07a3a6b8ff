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

/// The value at which a setting does nothing, beside `null`.
enum Neutral {
    Only,
    False,
    Number(f64),
}

/// Settings without counterpart.
const NOT_HERE: [(&str, Neutral); 14] = [
    ("early_stopping", Neutral::False),
    ("do_sample", Neutral::False),
    ("encoder_no_repeat_ngram_size", Neutral::Number(0.0)),
    ("encoder_repetition_penalty", Neutral::Number(1.0)),
    ("exponential_decay_length_penalty", Neutral::Only),
    ("num_beam_groups", Neutral::Number(1.0)),
    ("diversity_penalty", Neutral::Number(0.0)),
    ("forced_bos_token_id", Neutral::Only),
    // `</s>`: at the longest length, where this program stops.
    ("forced_eos_token_id", Neutral::Number(0.0)),
    ("suppress_tokens", Neutral::Only),
    ("begin_suppress_tokens", Neutral::Only),
    ("sequence_bias", Neutral::Only),
    ("min_new_tokens", Neutral::Number(0.0)),
    ("max_new_tokens", Neutral::Only),
];

impl Neutral {
    fn is(&self, value: &Value) -> bool {
        value.is_null()
            || match self {
                Neutral::Only => false,
                Neutral::False => *value == Value::Bool(false),
                // Written as a whole number or not.
                Neutral::Number(neutral) => value.as_f64() == Some(*neutral),
            }
    }
}

/// Why a beam of transformers may choose otherwise with these settings, if it may.
///
/// There rules change the log-probabilities of a hypothesis' next token, and the rest is normalised again. Here they
/// change logits, and what they leave keeps its probability. Greedy decoding, which chooses from one hypothesis, does not
/// see the difference.
pub fn beam_differs(decoding: &DecodingConfig) -> Option<String> {
    let rules = [
        ("min_length", decoding.min_length > 0),
        ("no_repeat_ngram", decoding.no_repeat_ngram > 0),
        ("repetition_penalty", decoding.repetition_penalty != 1.0),
    ];
    let rules: Vec<&str> = rules.into_iter().filter(|(_, rules)| *rules).map(|(name, _)| name).collect();
    (decoding.beam > 1 && !rules.is_empty()).then(|| {
        format!(
            "a beam of {} with {}: transformers weighs what such a rule leaves in another way, so that its answers may \
             differ from this program's; with a beam of 1 they are the same",
            decoding.beam,
            rules.join(", ")
        )
    })
}

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
        .filter(|(key, neutral)| !neutral.is(&generation[*key]))
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
/// Without `max_length` an answer here ends at its source's length + 50, for which Marian's readers have no setting:
/// there it may have as many tokens as the model has positions.
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
            let option = field.trim_start_matches("decoding.").replace('_', "-");
            let remedy = format!("leave out --{option}, or take the key out of the run's config.toml");
            return Err(ConfigError::new(field, ratio, expected, remedy));
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
    fn settings_without_counterpart_are_told_unless_they_do_nothing() {
        let left_out = |value: Value| read(&value, &model(), 99).unwrap().left_out;
        let neutral = json!({
            "num_beam_groups": 1, "diversity_penalty": 0.0, "encoder_no_repeat_ngram_size": 0, "forced_eos_token_id": 0,
            "encoder_repetition_penalty": 1.0, "min_new_tokens": 0, "sequence_bias": null, "early_stopping": false,
        });
        assert!(left_out(neutral.clone()).is_empty(), "{:?}", left_out(neutral));
        for (key, value) in [
            ("min_new_tokens", json!(3)),
            ("exponential_decay_length_penalty", json!([5, 1.5])),
            ("encoder_repetition_penalty", json!(1.5)),
            ("sequence_bias", json!([[[7], -1.0]])),
            ("forced_eos_token_id", json!(5)),
            ("num_beam_groups", json!(2)),
            ("early_stopping", json!("never")),
        ] {
            assert_eq!(left_out(json!({ key: value })), [format!("{key} = {value}")]);
        }
    }

    #[test]
    fn a_beam_with_rules_is_told() {
        let ruled = DecodingConfig { beam: 4, min_length: 3, no_repeat_ngram: 2, ..DecodingConfig::default() };
        assert!(beam_differs(&ruled).unwrap().starts_with("a beam of 4 with min_length, no_repeat_ngram: "));
        assert_eq!(beam_differs(&DecodingConfig { beam: 1, ..ruled }), None);
        assert_eq!(beam_differs(&DecodingConfig { beam: 4, ..DecodingConfig::default() }), None);
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
        assert!(error.contains("leave out --max-length-ratio, or take the key out of"), "{error}");

        let wu = DecodingConfig { length_penalty: "wu:0.6".parse().unwrap(), ..decoding };
        let error = write(&wu, &model(), 99).unwrap_err().to_string();
        assert!(error.contains("decoding.length_penalty.form = \"wu\": expected \"power\""), "{error}");
        assert_eq!(write(&DecodingConfig { beam: 1, ..wu }, &model(), 99).unwrap()["length_penalty"], 1.0);
    }
}
