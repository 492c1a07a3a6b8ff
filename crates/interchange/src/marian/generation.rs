//! Decoding settings: `generation_config.json` and the `[decoding]` table of a run folder.
//!
//! Marian's `max_length` and `min_length` count the `<pad>` that the decoder starts from; those here do not. In transformers,
//! `<pad>` has a share of the probability before it is forbidden, unless `renormalize_logits` is true. In Marian, CTranslate2
//! and this program it has none, so exports set `renormalize_logits`.

use model::{ConfigError, ModelConfig};
use serde_json::{Map, Value, json};
use text::SpecialIds;

use runs::config::{DecodingConfig, LengthPenalty, PenaltyForm};

/// The decoding settings of a folder.
#[derive(Debug)]
pub struct Generation {
    /// The settings that this program has.
    pub decoding: DecodingConfig,
    /// The settings that it does not have, each as `key = value`.
    pub skipped: Vec<String>,
}

/// The value, beside `null`, that disables a setting.
enum Neutral {
    Only,
    False,
    Number(f64),
}

/// Settings without counterpart.
const UNSUPPORTED: [(&str, Neutral); 13] = [
    ("early_stopping", Neutral::False),
    ("do_sample", Neutral::False),
    ("encoder_no_repeat_ngram_size", Neutral::Number(0.0)),
    ("encoder_repetition_penalty", Neutral::Number(1.0)),
    ("exponential_decay_length_penalty", Neutral::Only),
    ("num_beam_groups", Neutral::Number(1.0)),
    ("diversity_penalty", Neutral::Number(0.0)),
    ("forced_bos_token_id", Neutral::Only),
    ("suppress_tokens", Neutral::Only),
    ("begin_suppress_tokens", Neutral::Only),
    ("sequence_bias", Neutral::Only),
    ("min_new_tokens", Neutral::Number(0.0)),
    ("max_new_tokens", Neutral::Only),
];

impl Neutral {
    fn is(&self, value: &Value) -> bool {
        value.is_null()
            || value.as_array().is_some_and(|values| values.iter().all(|value| self.is(value)))
            || match self {
                Neutral::Only => false,
                Neutral::False => *value == Value::Bool(false),
                // As an integer or a float.
                Neutral::Number(neutral) => value.as_f64() == Some(*neutral),
            }
    }
}

/// Returns why beam search in transformers may answer differently under these settings, if it may.
///
/// Its logits processors change log-probabilities, which are then normalised again. Here they change logits, and the
/// other tokens keep their probability. Greedy decoding has one hypothesis and is not affected.
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

/// Reads the contents of `generation_config.json`, or of an older `config.json` with these settings.
///
/// # Errors
/// An invalid value.
#[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
pub fn read(generation: &Value, model: &ModelConfig, end: u32, pad: u32) -> Result<Generation, ConfigError> {
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
    decoding.validate(model).map_err(|error| with_marian_keys(error, generation))?;

    let mut skipped: Vec<String> = UNSUPPORTED
        .iter()
        .filter(|(key, neutral)| !neutral.is(&generation[*key]))
        .map(|(key, _)| format!("{key} = {}", generation[*key]))
        .collect();
    for (key, ours) in [
        ("bad_words_ids", [Value::Null, json!([[pad]]), json!([])]),
        ("decoder_start_token_id", [Value::Null, json!(pad), json!([pad])]),
        ("eos_token_id", [Value::Null, json!(end), json!([end])]),
        // `</s>` at the maximum length, where this program stops too.
        ("forced_eos_token_id", [Value::Null, json!(end), json!([end])]),
    ] {
        if !ours.contains(&generation[key]) {
            skipped.push(format!("{key} = {}", generation[key]));
        }
    }
    Ok(Generation { decoding, skipped })
}

/// Converts an error of a `[decoding]` table to the keys of `generation_config.json`.
fn with_marian_keys(error: ConfigError, generation: &Value) -> ConfigError {
    let key = match error.field.trim_start_matches("decoding.") {
        "beam" => "num_beams",
        "no_repeat_ngram" => "no_repeat_ngram_size",
        same => same,
    };
    let counted = if key == "min_length" { ", the token that begins the decoder not counted" } else { "" };
    let remedy = "correct it in generation_config.json";
    ConfigError::new(key, &generation[key], error.expected + counted, remedy)
}

/// Returns the contents of `generation_config.json`.
///
/// Without `max_length` the limit here is source length + 50, for which Marian's readers have no setting: there it is
/// the number of positions.
///
/// # Errors
/// A setting that transformers does not have.
pub fn write(decoding: &DecodingConfig, model: &ModelConfig, ids: SpecialIds) -> Result<Value, ConfigError> {
    let (end, pad) = (ids.end, ids.padding);
    let LengthPenalty { form, alpha } = decoding.length_penalty;
    // Greedy decoding has no length penalty.
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
        ("eos_token_id", json!(end)),
        ("forced_eos_token_id", json!(end)),
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
mod tests;
