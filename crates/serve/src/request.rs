//! Bodies of requests.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;
use crate::limits::Limits;
use crate::models::Step;
use crate::translation_service::LanguageTokens;
use decode::TooLong;
use decode::alignment::AlignmentHeads;
use decode::search::sampling::Sampling;
use decode::settings::Settings;
use documents::{DocumentFormat, Segmenter};
use runs::config::DecodingOverrides;

/// The body of `POST /translate`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `text` or `texts`")]
pub struct TranslateRequest {
    /// A text; instead of `texts`.
    text: Option<String>,
    /// Texts, each with a translation of its own; instead of `text`.
    texts: Option<Vec<String>>,
    #[serde(flatten)]
    decoding: DecodingOverrides,
    /// Number of translations per text, at most the beam; all but the best are alternatives.
    n_best: Option<usize>,
    /// Text that every translation begins with.
    prefix: Option<String>,
    /// Draws tokens at random instead of searching; excludes `beam`.
    #[serde(default, deserialize_with = "sampling")]
    sample: Option<Sampling>,
    /// Whether each translation has the source token of each of its tokens, or the heads to align by.
    alignment: Option<Alignment>,
    /// What happens to a text with more tokens than the model has positions.
    too_long: Option<TooLong>,
    /// Whether texts are split into sentences; true without this field.
    sentences: Option<bool>,
    /// The format of the texts; text without this field.
    format: Option<TextFormat>,
    /// The language of the texts, by whose abbreviations they are split.
    language: Option<String>,
    /// The model by name; instead of `source` and `target`.
    pub model: Option<String>,
    /// The source language; instead of `model`.
    pub source: Option<String>,
    /// The target language.
    pub target: Option<String>,
}

/// The field `format`: the format of the texts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// Plain text.
    Text,
    /// An HTML document or fragment.
    Html,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
}

impl From<TextFormat> for DocumentFormat {
    fn from(format: TextFormat) -> Self {
        match format {
            TextFormat::Text => Self::Text,
            TextFormat::Html => Self::Html,
            TextFormat::Srt => Self::Srt,
            TextFormat::Vtt => Self::Vtt,
        }
    }
}

/// The body of `POST /attend`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `text`")]
pub struct AttendRequest {
    /// The source.
    pub text: String,
    /// A given translation; without it, the model decodes one.
    pub target: Option<String>,
    /// The language of the source, instead of the server's.
    pub source_lang: Option<String>,
    /// The language of the target, instead of the server's.
    pub target_lang: Option<String>,
    /// The model by name, if there are several.
    pub model: Option<String>,
    /// The languages, instead of `model`.
    pub pair: Option<Pair>,
}

/// The languages of a text and of its translation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "pair: expected an object with `source` and `target`")]
pub struct Pair {
    /// The source language.
    pub source: String,
    /// The target language.
    pub target: String,
}

/// The field `alignment`: on or off, or the heads to align by.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "alignment: expected true, false or an object such as {\"layer\": 2, \"head\": 1}")]
enum Alignment {
    Enabled(bool),
    Heads(Heads),
}

/// A layer and a head, counted from 1; without one, the mean of all.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Heads {
    layer: Option<NonZeroUsize>,
    head: Option<NonZeroUsize>,
}

impl From<Alignment> for Option<AlignmentHeads> {
    fn from(alignment: Alignment) -> Self {
        let index = |number: NonZeroUsize| number.get() - 1;
        match alignment {
            Alignment::Enabled(enabled) => enabled.then(AlignmentHeads::default),
            Alignment::Heads(Heads { layer, head }) => {
                Some(AlignmentHeads { layer: layer.map(index), head: head.map(index) })
            }
        }
    }
}

/// What happens to a text that is too long.
#[derive(Clone, Copy, Debug)]
pub struct LongTexts {
    /// A text of one sentence.
    pub text: TooLong,
    /// A sentence of a longer text.
    pub sentence: TooLong,
}

impl TranslateRequest {
    /// What happens to a text that is too long: by the request, or else by the server. A request of several texts keeps the
    /// translations of the others, and a document those of its other sentences.
    pub fn too_long(&self, default: Option<TooLong>) -> LongTexts {
        let chosen = self.too_long.or(default);
        let text = chosen.unwrap_or(if self.texts.is_some() { TooLong::Skip } else { TooLong::Fail });
        LongTexts { text, sentence: chosen.unwrap_or(TooLong::Crop) }
    }

    /// The settings of a request in LibreTranslate's form: a beam of at least four within `max_beam`, and of at least as
    /// many hypotheses as translations. Texts that are too long are handled by the server's `too_long`, or else cropped.
    pub fn of_libre(
        format: TextFormat,
        language: &str,
        alternatives: usize,
        max_beam: usize,
        too_long: Option<TooLong>,
    ) -> Self {
        let n_best = (alternatives > 0).then_some(alternatives + 1);
        let decoding =
            DecodingOverrides { beam: n_best.map(|count| count.max(max_beam.min(4))), ..DecodingOverrides::default() };
        let (format, language) = (Some(format), Some(language.to_string()));
        // Cropped, since clients of LibreTranslate expect a translation of any text.
        let too_long = Some(too_long.unwrap_or(TooLong::Crop));
        Self { texts: Some(Vec::new()), decoding, n_best, format, language, too_long, ..Self::default() }
    }

    /// The request of one step of its route, with `following` further steps. The language of the sentences is that of the
    /// step's source, unless the request names it for its texts. Options of the translation are those of the last step;
    /// a step before it has the defaults of its model, so that they do not change the text that the last one reads.
    pub fn of_step(&self, step: &Step, following: usize, follows: bool, tokens: LanguageTokens) -> Self {
        let mut request = self.clone();
        if let Some(pair) = &step.pair
            && (follows || request.language.is_none())
        {
            request.language = Some(pair.source.clone());
        }
        // The request's languages are those of the first source and of the last target.
        let source_lang = request.decoding.source_lang.take().filter(|_| !follows).or(tokens.source);
        let target_lang = request.decoding.target_lang.take().filter(|_| following == 0).or(tokens.target);
        if following > 0 {
            request.decoding = DecodingOverrides::default();
            (request.n_best, request.prefix, request.sample, request.alignment) = (None, None, None, None);
        }
        (request.decoding.source_lang, request.decoding.target_lang) = (source_lang, target_lang);
        request
    }

    /// The format of the texts, and the language of their sentences; none if each text is one sentence.
    ///
    /// # Errors
    /// A format with `sentences` off.
    pub fn documents(&self) -> Result<Option<(DocumentFormat, Segmenter)>, ApiError> {
        let format = self.format.map_or(DocumentFormat::Text, DocumentFormat::from);
        match self.sentences {
            Some(false) if format.has_tags() => {
                let message = "sentences = false: expected true with a format other than text; omit one of them";
                Err(ApiError::InvalidOption(message.to_string()))
            }
            Some(false) => Ok(None),
            Some(true) | None => Ok(Some((format, Segmenter::new(self.language.as_deref())))),
        }
    }

    /// Takes the texts out of `text` or `texts`.
    ///
    /// # Errors
    /// Neither or both fields, or too many texts.
    pub fn take_texts(&mut self, limits: &Limits) -> Result<Vec<String>, ApiError> {
        let texts = match (self.text.take(), self.texts.take()) {
            (Some(text), None) => vec![text],
            (None, Some(texts)) => {
                // The field stays, since it decides about texts that are too long.
                self.texts = Some(Vec::new());
                texts
            }
            (None, None) => return Err(ApiError::InvalidRequest("expected `text` or `texts`".to_string())),
            (Some(_), Some(_)) => {
                return Err(ApiError::InvalidRequest("expected either `text` or `texts`, not both".to_string()));
            }
        };
        match texts.len() {
            found if found > limits.texts => Err(ApiError::TooManyTexts { found, limit: limits.texts }),
            _ => Ok(texts),
        }
    }

    /// Checks search and sampling before the first step. [`TranslationService`] checks other values, with its model.
    ///
    /// # Errors
    /// More hypotheses than the server allows, both `beam` and `sample`, or a `sample` out of range.
    ///
    /// [`TranslationService`]: crate::translation_service::TranslationService
    pub fn check_search(&self, limits: &Limits) -> Result<(), ApiError> {
        if let (Some(beam), Some(_)) = (self.decoding.beam, &self.sample) {
            let expected = "expected no `sample` in the same request, which replaces the search; omit one of them";
            return Err(ApiError::InvalidOption(format!("beam = {beam}: {expected}")));
        }
        for (option, value) in [("beam", self.decoding.beam), ("n_best", self.n_best)] {
            if let Some(found) = value.filter(|value| *value > limits.beam) {
                let expected = format!("1 to {} (--max-beam)", limits.beam);
                return Err(ApiError::InvalidOption(format!("{option} = {found}: expected {expected}")));
            }
        }
        let sampling = self.sample.iter().try_for_each(Sampling::validate);
        sampling.map_err(|error| ApiError::from_settings(error.into()))
    }

    /// The server's default settings, overridden by the fields of the request.
    pub fn settings(&self, defaults: &Settings) -> Settings {
        let mut settings = defaults.clone();
        self.decoding.apply(&mut settings.decoding);
        replace(&mut settings.n_best, self.n_best);
        replace(&mut settings.prefix, self.prefix.clone());
        replace(&mut settings.sampling, self.sample.map(Some));
        replace(&mut settings.alignment, self.alignment.map(Option::from));
        settings
    }
}

fn replace<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

/// Parses the options of sampling, which are an object: the derived form would also take a list of their values.
fn sampling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sampling>, D::Error> {
    let object = Option::<serde_json::Map<String, serde_json::Value>>::deserialize(deserializer)?;
    let parse = |object| Sampling::deserialize(serde_json::Value::Object(object)).map_err(serde::de::Error::custom);
    object.map(parse).transpose()
}
