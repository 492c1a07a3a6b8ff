//! What a client may ask for.

use serde::Deserialize;

use super::engine::{Engine, Settings};
use super::limits::Limits;
use super::refusal::Refusal;
use crate::config::{LengthPenalty, PenaltyForm};

/// The body of `POST /translate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslateRequest {
    text: Option<String>,
    texts: Option<Vec<String>>,
    beam: Option<usize>,
    length_penalty: Option<Penalty>,
    max_length: Option<usize>,
}

/// The body of `POST /attend`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttendRequest {
    pub text: String,
    /// What the model shall say, instead of what it says by itself.
    pub target: Option<String>,
}

/// A number, which is the exponent of the length, or the form in full.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "length_penalty: expected a number or an object such as {\"form\": \"wu\", \"alpha\": 0.6}")]
enum Penalty {
    Alpha(f64),
    Whole(LengthPenalty),
}

impl From<Penalty> for LengthPenalty {
    fn from(penalty: Penalty) -> Self {
        match penalty {
            Penalty::Alpha(alpha) => Self { form: PenaltyForm::Power, alpha },
            Penalty::Whole(whole) => whole,
        }
    }
}

impl TranslateRequest {
    /// The texts, whichever way they were given.
    ///
    /// # Errors
    /// Neither or both ways, or too many.
    pub fn take_texts(&mut self, limits: &Limits) -> Result<Vec<String>, Refusal> {
        let texts = match (self.text.take(), self.texts.take()) {
            (Some(text), None) => vec![text],
            (None, Some(texts)) => texts,
            (None, None) => return Err(Refusal::NotARequest("expected `text` or `texts`".to_string())),
            (Some(_), Some(_)) => {
                return Err(Refusal::NotARequest("expected either `text` or `texts`, not both".to_string()));
            }
        };
        match texts.len() {
            found if found > limits.texts => Err(Refusal::TooManyTexts { found, limit: limits.texts }),
            _ => Ok(texts),
        }
    }

    /// How to decode: as the server does by itself, but for what the request says.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn settings(&self, engine: &Engine, limits: &Limits) -> Result<Settings, Refusal> {
        let mut settings = engine.settings().clone();
        let decoding = &mut settings.decoding;
        replace(&mut decoding.beam, self.beam);
        replace(&mut decoding.length_penalty, self.length_penalty.map(LengthPenalty::from));
        decoding.max_length = self.max_length.or(decoding.max_length);
        for (option, asked) in [("beam", self.beam)] {
            if let Some(found) = asked.filter(|asked| *asked > limits.beam) {
                let expected = format!("1 to {} (--max-beam)", limits.beam);
                return Err(Refusal::BadOption { option, found: found.to_string(), expected });
            }
        }
        engine.validate(&settings)?;
        Ok(settings)
    }
}

fn replace<T>(setting: &mut T, asked: Option<T>) {
    if let Some(asked) = asked {
        *setting = asked;
    }
}
