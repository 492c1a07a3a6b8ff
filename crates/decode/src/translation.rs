//! What became of one text.

use serde::Serialize;
use text::Tokenizer;

use crate::error::DecodeError;
use crate::search::hypothesis::Hypothesis;

/// One text and what it became. Serialises as one line of `--format jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Translation {
    pub source: String,
    /// Source tokens that the vocabulary lacks.
    pub unknown: usize,
    #[serde(flatten)]
    pub best: Target,
    /// What else was found, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Target>,
}

/// A translation of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    pub text: String,
    /// What hypotheses are compared by: the sum of `token_scores` (with a repetition penalty, of the penalised values),
    /// divided by the length penalty.
    pub score: f64,
    /// The target tokens that make up `text`.
    pub tokens: Vec<String>,
    /// The model's log-probability of each token in nats; if `finished`, that of the end token follows.
    pub token_scores: Vec<f32>,
    /// Whether the model ended the sentence itself, rather than the length limit.
    pub finished: bool,
    /// For each token the source token that it comes from, as cross-attention has it: pairs of places counted from 0,
    /// source first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Vec<[usize; 2]>>,
}

impl Target {
    pub(crate) fn new(
        found: Hypothesis,
        alignment: Option<Vec<[usize; 2]>>,
        tokenizer: &Tokenizer,
    ) -> Result<Self, DecodeError> {
        let Hypothesis { ids, finished, token_scores, score } = found;
        let text = tokenizer.decode(&ids)?;
        let tokens = ids.iter().map(|&id| tokenizer.token(id).unwrap_or_default().to_string()).collect();
        Ok(Self { text, score, tokens, token_scores, finished, alignment })
    }

    /// The text without line breaks, which become spaces: one text is one line.
    pub fn line(&self) -> String {
        self.text.replace(['\n', '\r'], " ")
    }

    /// Of an empty text: nothing, for certain.
    pub(crate) fn empty(aligned: bool) -> Self {
        let alignment = aligned.then(Vec::new);
        Self { text: String::new(), score: 0.0, tokens: vec![], token_scores: vec![], finished: true, alignment }
    }
}

impl Translation {
    /// The text of the best translation.
    pub fn text(&self) -> &str {
        &self.best.text
    }

    /// All translations, best first.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.best).chain(&self.alternatives)
    }
}
