//! The result of one text: its translations with their tokens and scores.

use serde::Serialize;
use text::Tokenizer;

use crate::error::DecodeError;
use crate::search::hypothesis::Hypothesis;

/// The translations of one text. As JSON it is one line of `--format jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TranslationResult {
    /// The source text.
    pub source: String,
    /// The number of source tokens that the vocabulary lacks.
    pub unknown: usize,
    /// The best translation.
    #[serde(flatten)]
    pub best: Translation,
    /// The other translations, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Translation>,
}

/// A translation of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Translation {
    /// The text.
    pub text: String,
    /// The value by which hypotheses compare: the sum of `token_scores` (with a repetition penalty, of the penalised values),
    /// divided by the length penalty.
    pub score: f64,
    /// The target tokens that make up `text`.
    pub tokens: Vec<String>,
    /// The model's log-probability of each token in nats; if `finished`, that of the end token follows.
    pub token_scores: Vec<f32>,
    /// Whether the model generated `</s>` before the length limit.
    pub finished: bool,
    /// The source token of each target token by cross-attention: pairs of positions from 0, source first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Vec<[usize; 2]>>,
}

impl Translation {
    pub(crate) fn new(found: Hypothesis, aligned: bool, tokenizer: &Tokenizer) -> Result<Self, DecodeError> {
        let alignment = aligned.then(|| found.alignment());
        let Hypothesis { ids, finished, token_scores, score, .. } = found;
        let text = tokenizer.decode(&ids)?;
        let tokens = ids.iter().map(|&id| tokenizer.token(id).unwrap_or_default().to_string()).collect();
        Ok(Self { text, score, tokens, token_scores, finished, alignment })
    }

    /// The text without line breaks, which become spaces: one text is one line.
    pub fn line(&self) -> String {
        self.text.replace(['\n', '\r'], " ")
    }

    /// The empty translation of an empty text, of probability 1.
    pub(crate) fn empty(aligned: bool) -> Self {
        let alignment = aligned.then(Vec::new);
        Self { text: String::new(), score: 0.0, tokens: vec![], token_scores: vec![], finished: true, alignment }
    }
}

impl TranslationResult {
    /// The text of the best translation.
    pub fn text(&self) -> &str {
        &self.best.text
    }

    /// All translations, best first.
    pub fn translations(&self) -> impl Iterator<Item = &Translation> {
        std::iter::once(&self.best).chain(&self.alternatives)
    }
}
