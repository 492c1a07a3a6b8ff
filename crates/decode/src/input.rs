//! Source texts, as they are given and tokenised.

use text::UNKNOWN_ID;

use crate::text_problem::TextProblem;

/// A text to translate.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The source text.
    pub text: &'a str,
    /// The number of the text in its input, from 1. It appears in errors, and random draws depend on it.
    pub line: usize,
}

/// A source text, tokenised.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedInput {
    /// The source text.
    pub text: String,
    /// The number of the text in its input, from 1.
    pub line: usize,
    /// Source ids, `</s>` included; none of a blank text, or of one that is skipped.
    pub ids: Vec<u32>,
    /// Why `ids` are not the whole text.
    pub problem: Option<TextProblem>,
}

impl EncodedInput {
    /// The number of source tokens that the vocabulary lacks.
    pub fn unknown(&self) -> usize {
        self.ids.iter().filter(|&&id| id == UNKNOWN_ID).count()
    }
}
