//! The translation of a text in a response, and that of a text translated by one model after the other.

use decode::{TextProblem, TranslationResult};
use schemars::JsonSchema;
use serde::Serialize;

/// The translation of one text.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TranslatedText {
    /// A text of one sentence, serialized exactly as a line of `--format jsonl`.
    Sentence(TranslationResult),
    /// A text of several sentences.
    Document(TranslatedDocument),
}

/// A text of several sentences.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TranslatedDocument {
    /// The text.
    pub source: String,
    /// The number of source tokens that the vocabulary lacks; over a pivot, those of both steps.
    pub unknown: usize,
    /// Over a pivot: the first problem of the text on its way to the pivot, whose sentences are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<TextProblem>,
    /// The translation, with the white space and the tags of the source.
    pub text: String,
    /// Whether the translations of all sentences ended before the length limit.
    pub finished: bool,
    /// Translations made of the other translations of each sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// The sentences, each as a line of `--format jsonl`; over a pivot, those of the text in the pivot language.
    pub sentences: Vec<TranslationResult>,
}

/// Another translation of a document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Alternative {
    /// The whole translation.
    pub text: String,
}

impl TranslatedText {
    /// The translation.
    pub fn text(&self) -> &str {
        match self {
            Self::Sentence(result) => &result.best.text,
            Self::Document(document) => &document.text,
        }
    }

    /// The translation and its alternatives.
    pub fn into_texts(self) -> (String, Vec<String>) {
        match self {
            Self::Sentence(result) => {
                (result.best.text, result.alternatives.into_iter().map(|alternative| alternative.text).collect())
            }
            Self::Document(document) => {
                (document.text, document.alternatives.into_iter().map(|alternative| alternative.text).collect())
            }
        }
    }

    /// The result of both steps, where `earlier` is the translation that this one translates further: with the source of
    /// `earlier`, the unknown tokens of both, and the problem of `earlier` if it has one. Only if both have finished, it has.
    pub fn after(self, earlier: Option<Self>) -> Self {
        let Some(mut earlier) = earlier else { return self };
        if let (Self::Sentence(result), Self::Sentence(first)) = (&self, &mut earlier)
            && is_skipped(first.problem.as_ref())
        {
            // The request's `alignment` is an option of the last step.
            first.best.alignment = result.best.alignment.clone();
        }
        let (source, unknown, finished, problem) = match earlier {
            // A text that was skipped has no translation to translate further.
            Self::Sentence(first) if is_skipped(first.problem.as_ref()) => return Self::Sentence(first),
            Self::Sentence(first) => (first.source, first.unknown, first.best.finished, first.problem),
            Self::Document(first) => {
                let of_sentences = first.sentences.into_iter().find_map(|sentence| sentence.problem);
                (first.source, first.unknown, first.finished, first.problem.or(of_sentences))
            }
        };
        match self {
            Self::Sentence(mut result) => {
                result.source = source;
                result.unknown += unknown;
                if !is_skipped(result.problem.as_ref()) {
                    result.problem = problem.or(result.problem);
                }
                result.best.finished &= finished;
                result.alternatives.iter_mut().for_each(|alternative| alternative.finished &= finished);
                Self::Sentence(result)
            }
            Self::Document(document) => Self::Document(TranslatedDocument {
                source,
                unknown: unknown + document.unknown,
                problem,
                finished: finished && document.finished,
                ..document
            }),
        }
    }
}

fn is_skipped(problem: Option<&TextProblem>) -> bool {
    problem.is_some_and(TextProblem::is_skipped)
}

#[cfg(test)]
mod tests {
    use decode::{Side, Translation};

    use super::*;

    fn sentence(source: &str, problem: Option<TextProblem>, finished: bool) -> TranslationResult {
        let (tokens, token_scores) = (Vec::new(), Vec::new());
        let text = source.to_uppercase();
        let best = Translation { text, score: -1.0, tokens, token_scores, finished, alignment: None };
        TranslationResult { source: source.to_string(), unknown: 1, problem, best, alternatives: Vec::new() }
    }

    fn document(source: &str, sentences: Vec<TranslationResult>) -> TranslatedText {
        TranslatedText::Document(TranslatedDocument {
            source: source.to_string(),
            unknown: sentences.len(),
            problem: None,
            text: source.to_uppercase(),
            finished: sentences.iter().all(|sentence| sentence.best.finished),
            alternatives: Vec::new(),
            sentences,
        })
    }

    fn cropped(tokens: usize) -> Option<TextProblem> {
        Some(TextProblem::Cropped { side: Side::Source, tokens, limit: 4 })
    }

    fn skipped(tokens: usize) -> Option<TextProblem> {
        Some(TextProblem::TooLong { side: Side::Source, tokens, limit: 4 })
    }

    /// Source, unknown tokens, problem, and whether the translation is finished.
    fn reported(text: TranslatedText) -> (String, usize, Option<TextProblem>, bool) {
        match text {
            TranslatedText::Sentence(result) => (result.source, result.unknown, result.problem, result.best.finished),
            TranslatedText::Document(document) => {
                (document.source, document.unknown, document.problem, document.finished)
            }
        }
    }

    #[test]
    fn both_steps_are_reported() {
        let whole = |problem, finished| TranslatedText::Sentence(sentence("a", problem, finished));
        let last = |problem, finished| TranslatedText::Sentence(sentence("b", problem, finished));
        for (first, second, problem, finished) in [
            (whole(None, true), last(None, true), None, true),
            (whole(None, false), last(None, true), None, false),
            (whole(None, true), last(cropped(6), false), cropped(6), false),
            (whole(cropped(5), true), last(cropped(6), true), cropped(5), true),
            (whole(cropped(5), true), last(skipped(6), false), skipped(6), false),
        ] {
            let found = reported(second.after(Some(first)));
            assert_eq!(found, ("a".to_string(), 2, problem, finished));
        }
        assert_eq!(reported(last(cropped(6), true).after(None)), ("b".to_string(), 1, cropped(6), true));
    }

    #[test]
    fn a_text_skipped_first_stays_skipped() {
        let first = TranslatedText::Sentence(sentence("a", skipped(5), false));
        let second = TranslatedText::Sentence(TranslationResult {
            unknown: 0,
            best: Translation { alignment: Some(Vec::new()), ..sentence("", None, true).best },
            ..sentence("", None, true)
        });
        let TranslatedText::Sentence(found) = second.after(Some(first)) else { panic!("a sentence") };
        assert_eq!((&found.source[..], found.problem, found.best.finished), ("a", skipped(5), false));
        assert_eq!(found.best.alignment, Some(Vec::new()));
    }

    #[test]
    fn documents_report_the_first_step_too() {
        let sentences = |problem, finished| vec![sentence("a", None, true), sentence("b", problem, finished)];
        let first = document("a b", sentences(cropped(5), false));
        let found = reported(document("A B", sentences(None, true)).after(Some(first)));
        assert_eq!(found, ("a b".to_string(), 4, cropped(5), false));
        let first = document("a b", sentences(cropped(5), true));
        let found = reported(TranslatedText::Sentence(sentence("A B", None, true)).after(Some(first)));
        assert_eq!(found, ("a b".to_string(), 3, cropped(5), true));
    }
}
