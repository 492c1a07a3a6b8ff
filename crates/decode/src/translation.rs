//! The result of one text: its translations with their tokens and scores.

use serde::Serialize;
use text::Tokenizer;

use crate::error::DecodeError;
use crate::search::hypothesis::Hypothesis;
use crate::text_problem::TextProblem;

/// The translations of one text. As JSON it is one line of `--format jsonl`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TranslationResult {
    /// The source text.
    pub source: String,
    /// The number of source tokens that the vocabulary lacks.
    pub unknown: usize,
    /// Why the text has no translation, or that of its beginning only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<TextProblem>,
    /// The best translation.
    #[serde(flatten)]
    pub best: Translation,
    /// The other translations, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Translation>,
}

/// A translation of a text.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Translation {
    /// The text.
    pub text: String,
    /// The value by which hypotheses compare: the sum of `token_scores` (with a repetition penalty, of the penalised values),
    /// divided by the length penalty. Not a number (`null` in JSON) for a text that was skipped.
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub score: f64,
    /// The target tokens that make up `text`, in the order in which the model chose them.
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

    /// The text as one field of one line: each tab and each character that a program may read as a line break becomes a
    /// space.
    pub fn line(&self) -> String {
        self.text.replace(is_separator, " ")
    }

    /// The empty translation of an empty text, of probability 1.
    pub(crate) fn empty(aligned: bool) -> Self {
        let alignment = aligned.then(Vec::new);
        Self { text: String::new(), score: 0.0, tokens: vec![], token_scores: vec![], finished: true, alignment }
    }

    /// The result of a text that was skipped: empty, without a score.
    pub(crate) fn skipped(text: String, aligned: bool) -> Self {
        Self { text, score: f64::NAN, finished: false, ..Self::empty(aligned) }
    }
}

/// Whether a program may end a field or a line here: tabs, Unicode's line breaks, and the separators U+001C to U+001E, at
/// which Python's `splitlines` splits.
fn is_separator(character: char) -> bool {
    matches!(character, '\t'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A text is one field of one line (awslabs/sockeye#168, facebookresearch/fairseq#591).
    #[test]
    fn a_text_is_one_field_of_one_line() {
        let line = |text: &str| Translation { text: text.to_string(), ..Translation::empty(false) }.line();
        assert_eq!(line("Strasse\tN 3"), "Strasse N 3");
        assert_eq!(line("a\nb\r\nc\u{b}d\u{c}e\u{85}f\u{2028}g\u{2029}h\u{1c}i"), "a b  c d e f g h i");
        assert_eq!(line("a\u{a0}b ||| c"), "a\u{a0}b ||| c", "other spaces and bars are text");
    }
}
