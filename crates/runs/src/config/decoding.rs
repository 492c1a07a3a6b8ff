//! The `[decoding]` table of a configuration file, and the options that override it.

use std::borrow::Cow;

use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};
use text::Languages;

use super::length_penalty::{self, LengthPenalty};

/// Decoding settings of a run. [`DecodingOverrides`] replaces single values.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodingConfig {
    /// Language of the source, for models with language tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_lang: Option<String>,
    /// Language of the target, for models with language tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_lang: Option<String>,
    /// Beam size: hypotheses kept per text; 1 is greedy search.
    pub beam: usize,
    /// Divisor of a hypothesis' log-probability, as a function of its length; every `score` is divided by it.
    pub length_penalty: LengthPenalty,
    /// Minimum target tokens per text, end token excluded. If it equals `max_length`, every translation has exactly this
    /// number of tokens and no end token.
    pub min_length: usize,
    /// Minimum target tokens as a multiple of the source tokens; the larger minimum applies.
    pub min_length_ratio: f64,
    /// Maximum target tokens per text, end token included. Default: none with `max_length_ratio`, otherwise source length +
    /// 50 (paper, section 6.1), or more if the minimum requires it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Maximum target tokens as a multiple of the source tokens, end token included; the smaller maximum applies, also if it
    /// is below the minimum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length_ratio: Option<f64>,
    /// Length of token sequences that no translation repeats; 0 allows repetition.
    pub no_repeat_ngram: usize,
    /// Divisor of positive logits, and factor of negative ones, of tokens that the translation already has; 1 changes
    /// nothing.
    pub repetition_penalty: f64,
    /// Text before every source, in training too, such as T5's `"translate English to German: "`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_prefix: String,
}

impl Default for DecodingConfig {
    fn default() -> Self {
        Self {
            source_lang: None,
            target_lang: None,
            beam: 1,
            length_penalty: LengthPenalty::default(),
            min_length: 0,
            min_length_ratio: 0.0,
            max_length: None,
            max_length_ratio: None,
            no_repeat_ngram: 0,
            repetition_penalty: 1.0,
            source_prefix: String::new(),
        }
    }
}

/// The maximum beam: larger ones cost memory and do not improve translations.
const MAX_BEAM: usize = 1000;

impl DecodingConfig {
    /// The text that the model reads for a source text: [`source_prefix`](Self::source_prefix), then the source. A blank
    /// text stays as it is.
    ///
    /// ```
    /// use runs::DecodingConfig;
    /// let decoding = DecodingConfig { source_prefix: "summarize: ".to_string(), ..DecodingConfig::default() };
    /// assert_eq!(decoding.prefixed("A dog."), "summarize: A dog.");
    /// assert_eq!(decoding.prefixed(" "), " ");
    /// ```
    pub fn prefixed<'a>(&self, source: &'a str) -> Cow<'a, str> {
        match self.source_prefix.is_empty() || text::is_blank(source) {
            true => Cow::Borrowed(source),
            false => Cow::Owned(format!("{}{source}", self.source_prefix)),
        }
    }

    /// The maximum number of target tokens for a source of `source_len` tokens, within the model's positions.
    pub fn max_len(&self, source_len: usize, model: &ModelConfig) -> usize {
        let relative = self.max_length_ratio.map(|ratio| ((ratio * source_len as f64).ceil() as usize).max(1));
        let max_len = match (self.max_length, relative) {
            (None, None) => (source_len + 50).max(self.min_len(source_len).saturating_add(1)),
            (absolute, relative) => absolute.into_iter().chain(relative).min().unwrap_or(usize::MAX),
        };
        max_len.min(model.max_length)
    }

    /// The minimum number of target tokens for a source of `source_len` tokens, the end token not counted.
    pub fn min_len(&self, source_len: usize) -> usize {
        self.min_length.max((self.min_length_ratio * source_len as f64).ceil() as usize)
    }

    /// The languages of a translation.
    pub fn languages(&self) -> Languages<'_> {
        Languages { source: self.source_lang.as_deref(), target: self.target_lang.as_deref() }
    }

    /// Checks all settings together against the model.
    ///
    /// # Errors
    /// A beam of zero, a penalty that is not a number, or a length of zero or beyond the model's positions.
    pub fn validate(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        if self.beam == 0 || self.beam > MAX_BEAM {
            let expected = format!("1 to {MAX_BEAM}");
            return Err(ConfigError::new("decoding.beam", self.beam, expected, "1 is greedy, 4 to 6 are usual"));
        }
        let alpha = self.length_penalty.alpha;
        if !(alpha.is_finite() && alpha >= 0.0) {
            let (field, expected) = ("decoding.length_penalty.alpha", "a number of at least 0");
            return Err(ConfigError::new(field, alpha, expected, "1.0 is usual for \"power\", 0.6 for \"wu\""));
        }
        if !(self.repetition_penalty.is_finite() && self.repetition_penalty >= 1.0) {
            let (field, expected) = ("decoding.repetition_penalty", "a number of at least 1");
            return Err(ConfigError::new(field, self.repetition_penalty, expected, "1 is none, 1.2 is usual"));
        }
        for (field, ratio) in [
            ("decoding.min_length_ratio", Some(self.min_length_ratio)),
            ("decoding.max_length_ratio", self.max_length_ratio),
        ] {
            if ratio.is_some_and(|ratio| !(ratio.is_finite() && ratio >= 0.0)) {
                let found = ratio.unwrap_or_default();
                return Err(ConfigError::new(field, found, "a number of at least 0", "1.5 is usual"));
            }
        }
        if self.max_length_ratio.is_some_and(|max| max < self.min_length_ratio) {
            let expected = format!("at most decoding.max_length_ratio = {}", self.max_length_ratio.unwrap_or_default());
            let remedy = "choose a smaller minimum or a larger maximum";
            return Err(ConfigError::new("decoding.min_length_ratio", self.min_length_ratio, expected, remedy));
        }
        if let Some(length) = self.max_length.filter(|&length| length == 0 || length > model.max_length) {
            let expected = format!("1 to model.max_length = {}", model.max_length);
            let remedy = "choose a length in that range, or omit it for source length + 50";
            return Err(ConfigError::new("decoding.max_length", length, expected, remedy));
        }
        let max_len = self.max_length.unwrap_or(model.max_length);
        if self.min_length > max_len {
            let expected = format!("at most the maximum target length, {max_len}");
            return Err(ConfigError::new("decoding.min_length", self.min_length, expected, "choose a smaller number"));
        }
        Ok(())
    }
}

/// Decoding settings that override those of the run: each option replaces one field of [`DecodingConfig`].
///
/// The fields are the options of the command line (with the feature `clap`) and those of an HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecodingOverrides {
    /// Language of the source, for models with language tokens [default: from the run]
    #[cfg_attr(feature = "clap", arg(long, value_name = "LANG"))]
    pub source_lang: Option<String>,
    /// Language of the target, for models with language tokens [default: from the run]
    #[cfg_attr(feature = "clap", arg(long, value_name = "LANG"))]
    pub target_lang: Option<String>,
    /// Beam size: hypotheses kept per text; 1 is greedy search [default: from the run]
    #[cfg_attr(feature = "clap", arg(long, value_name = "N"))]
    pub beam: Option<usize>,
    /// Divisor of a hypothesis' log-probability: length^A, or with wu:A ((5 + length) / 6)^A [default: from the run]
    #[cfg_attr(feature = "clap", arg(long, value_name = "A"))]
    #[serde(deserialize_with = "length_penalty::number_or_table")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<length_penalty::Written>"))]
    pub length_penalty: Option<LengthPenalty>,
    /// Minimum target tokens per text, end token excluded [default: from the run, else 0]
    #[cfg_attr(feature = "clap", arg(long, value_name = "N"))]
    pub min_length: Option<usize>,
    /// Minimum target tokens as a multiple of the source tokens; the larger minimum applies
    #[cfg_attr(feature = "clap", arg(long, value_name = "R"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub min_length_ratio: Option<f64>,
    /// Maximum target tokens per text, end token included [default: from the run, else none with a ratio, else source length
    /// + 50, or more if the minimum requires it]
    #[cfg_attr(feature = "clap", arg(long, value_name = "N"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub max_length: Option<usize>,
    /// Maximum target tokens as a multiple of the source tokens, end token included; the smaller maximum applies, also if it
    /// is below the minimum
    #[cfg_attr(feature = "clap", arg(long, value_name = "R"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub max_length_ratio: Option<f64>,
    /// Length of token sequences that no translation repeats; 0 allows repetition [default: from the run, else 0]
    #[cfg_attr(feature = "clap", arg(long, value_name = "N"))]
    pub no_repeat_ngram: Option<usize>,
    /// Divisor of positive logits, and factor of negative ones, of tokens that the translation already has; 1 changes
    /// nothing [default: from the run, else 1]
    #[cfg_attr(feature = "clap", arg(long, value_name = "P"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub repetition_penalty: Option<f64>,
}

impl DecodingOverrides {
    /// Overrides the given settings. The result is validated as a whole, since the range of one option depends on others.
    ///
    /// ```
    /// use runs::config::{DecodingConfig, DecodingOverrides};
    /// let mut decoding = DecodingConfig::default();
    /// DecodingOverrides { beam: Some(4), ..Default::default() }.apply(&mut decoding);
    /// assert_eq!((decoding.beam, decoding.min_length), (4, 0));
    /// ```
    pub fn apply(&self, decoding: &mut DecodingConfig) {
        let Self {
            source_lang,
            target_lang,
            beam,
            length_penalty,
            min_length,
            min_length_ratio,
            max_length,
            max_length_ratio,
            no_repeat_ngram,
            repetition_penalty,
        } = self.clone();
        replace(&mut decoding.source_lang, source_lang.map(Some));
        replace(&mut decoding.target_lang, target_lang.map(Some));
        replace(&mut decoding.beam, beam);
        replace(&mut decoding.length_penalty, length_penalty);
        replace(&mut decoding.min_length, min_length);
        replace(&mut decoding.min_length_ratio, min_length_ratio);
        replace(&mut decoding.max_length, max_length.map(Some));
        replace(&mut decoding.max_length_ratio, max_length_ratio.map(Some));
        replace(&mut decoding.no_repeat_ngram, no_repeat_ngram);
        replace(&mut decoding.repetition_penalty, repetition_penalty);
    }

    /// The names of the options that are given, as fields of [`DecodingConfig`].
    pub fn given(&self) -> Vec<&'static str> {
        let options = [
            ("source_lang", self.source_lang.is_some()),
            ("target_lang", self.target_lang.is_some()),
            ("beam", self.beam.is_some()),
            ("length_penalty", self.length_penalty.is_some()),
            ("min_length", self.min_length.is_some()),
            ("min_length_ratio", self.min_length_ratio.is_some()),
            ("max_length", self.max_length.is_some()),
            ("max_length_ratio", self.max_length_ratio.is_some()),
            ("no_repeat_ngram", self.no_repeat_ngram.is_some()),
            ("repetition_penalty", self.repetition_penalty.is_some()),
        ];
        options.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect()
    }
}

fn replace<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_has_room_for_the_minimum() {
        let model = ModelConfig { max_length: 200, ..ModelConfig::default() };
        let limit = |decoding: DecodingConfig| decoding.max_len(10, &model);
        assert_eq!(limit(DecodingConfig::default()), 60);
        assert_eq!(limit(DecodingConfig { min_length: 59, ..DecodingConfig::default() }), 60);
        assert_eq!(limit(DecodingConfig { min_length: 100, ..DecodingConfig::default() }), 101);
        assert_eq!(limit(DecodingConfig { min_length_ratio: 9.0, ..DecodingConfig::default() }), 91);
        assert_eq!(limit(DecodingConfig { min_length_ratio: 1e308, ..DecodingConfig::default() }), 200);
        let both = DecodingConfig { min_length: 24, max_length: Some(24), ..DecodingConfig::default() };
        assert_eq!(limit(both.clone()), 24);
        both.validate(&model).expect("exactly so many");
    }
}
