//! What a client may ask for.

use std::num::NonZeroUsize;

use serde::Deserialize;

use crate::error::Refusal;
use crate::limits::Limits;
use decode::alignment::AlignmentHeads;
use decode::search::sampling::Sampling;
use decode::settings::Settings;
use runs::config::DecodingOverrides;

/// The body of `POST /translate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `text` or `texts`")]
pub struct TranslateRequest {
    text: Option<String>,
    texts: Option<Vec<String>>,
    #[serde(flatten)]
    decoding: DecodingOverrides,
    n_best: Option<usize>,
    prefix: Option<String>,
    sample: Option<Sampling>,
    alignment: Option<Alignment>,
}

/// The body of `POST /attend`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttendRequest {
    pub text: String,
    /// What the model shall say, instead of what it says by itself.
    pub target: Option<String>,
}

/// Whether to align, by all heads or by some.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "alignment: expected true, false or an object such as {\"layer\": 2, \"head\": 1}")]
enum Alignment {
    Asked(bool),
    Heads(Heads),
}

/// Counted from 1, as everywhere outside.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heads {
    layer: Option<NonZeroUsize>,
    head: Option<NonZeroUsize>,
}

impl From<Alignment> for Option<AlignmentHeads> {
    fn from(alignment: Alignment) -> Self {
        let index = |number: NonZeroUsize| number.get() - 1;
        match alignment {
            Alignment::Asked(asked) => asked.then(AlignmentHeads::default),
            Alignment::Heads(Heads { layer, head }) => {
                Some(AlignmentHeads { layer: layer.map(index), head: head.map(index) })
            }
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
    /// More hypotheses than the server allows, or both `beam` and `sample`. Other values are checked by those who use
    /// them.
    pub fn settings(&self, usual: &Settings, limits: &Limits) -> Result<Settings, Refusal> {
        if let (Some(beam), Some(_)) = (self.decoding.beam, &self.sample) {
            let expected = "expected no `sample` beside it, which draws instead of searching; leave out one of them";
            return Err(Refusal::BadOption(format!("beam = {beam}: {expected}")));
        }
        for (option, asked) in [("beam", self.decoding.beam), ("n_best", self.n_best)] {
            if let Some(found) = asked.filter(|asked| *asked > limits.beam) {
                let expected = format!("1 to {} (--max-beam)", limits.beam);
                return Err(Refusal::BadOption(format!("{option} = {found}: expected {expected}")));
            }
        }
        let mut settings = usual.clone();
        self.decoding.apply(&mut settings.decoding);
        replace(&mut settings.n_best, self.n_best);
        replace(&mut settings.prefix, self.prefix.clone());
        replace(&mut settings.sampling, self.sample.map(Some));
        replace(&mut settings.alignment, self.alignment.map(Option::from));
        Ok(settings)
    }
}

fn replace<T>(setting: &mut T, asked: Option<T>) {
    if let Some(asked) = asked {
        *setting = asked;
    }
}
