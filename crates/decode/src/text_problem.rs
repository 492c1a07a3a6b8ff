//! Texts that a model cannot take as they are, and what happens to them.

use serde::{Deserialize, Serialize};
use text::{Frame, TextError};

use crate::error::DecodeError;

/// What happens to a text with more tokens than the model has positions.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// Tokens beyond the model's positions are removed; `</s>` follows the others.
    Crop,
    /// The text gets an empty result with a [`TextProblem`]. So does a text that cannot be tokenised.
    Skip,
    /// The text is an error.
    #[default]
    Fail,
}

/// The side of a text.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// A source.
    Source,
    /// A given target.
    Target,
}

impl Side {
    /// `source` or `target`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// Why a text has no result, or only that of its beginning.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TextProblem {
    /// Only the first `limit` tokens were used.
    Cropped {
        /// The side of the text.
        side: Side,
        /// Tokens of the whole text, `</s>` included.
        tokens: usize,
        /// Positions of the model.
        limit: usize,
    },
    /// The text was skipped, because it has too many tokens.
    TooLong {
        /// The side of the text.
        side: Side,
        /// Tokens of the text, `</s>` included.
        tokens: usize,
        /// Positions of the model.
        limit: usize,
    },
    /// The text was skipped, because the tokenizer rejects it.
    NotTokenized {
        /// The side of the text.
        side: Side,
        /// The tokenizer's reason.
        reason: String,
    },
}

impl TextProblem {
    /// Whether the text has no result at all.
    pub fn is_skipped(&self) -> bool {
        match self {
            Self::Cropped { .. } => false,
            Self::TooLong { .. } | Self::NotTokenized { .. } => true,
        }
    }
}

/// A text and the tokens around it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// A source, which an empty text leaves empty.
    Source(&'a Frame),
    /// A given target, to which search appends `</s>`.
    Target(&'a Frame),
}

/// Surrounds `ids` with the tokens of their place and bounds them by the model's positions.
///
/// # Errors
/// Too many ids or a tokenizer that rejects the text, under [`TooLong::Fail`].
pub(crate) fn fit(
    ids: Result<Vec<u32>, TextError>,
    place: Place,
    limit: usize,
    too_long: TooLong,
    error: impl FnOnce(usize) -> DecodeError,
) -> Result<(Vec<u32>, Option<TextProblem>), DecodeError> {
    let (side, frame) = match place {
        Place::Source(frame) => (Side::Source, frame),
        Place::Target(frame) => (Side::Target, frame),
    };
    let mut ids = match (ids, too_long) {
        (Ok(ids), _) => ids,
        (Err(error), TooLong::Fail) => return Err(error.into()),
        (Err(error), TooLong::Crop | TooLong::Skip) => {
            return Ok((Vec::new(), Some(TextProblem::NotTokenized { side, reason: error.to_string() })));
        }
    };
    let tokens = ids.len() + frame.len();
    let mut problem = None;
    if tokens > limit {
        match too_long {
            TooLong::Fail => return Err(error(tokens)),
            TooLong::Skip => return Ok((Vec::new(), Some(TextProblem::TooLong { side, tokens, limit }))),
            TooLong::Crop => {
                ids.truncate(limit.saturating_sub(frame.len()));
                problem = Some(TextProblem::Cropped { side, tokens, limit });
            }
        }
    }
    let ids = match place {
        Place::Source(frame) if !ids.is_empty() => frame.wrap(ids),
        Place::Source(_) => ids,
        Place::Target(frame) => [&frame.before[..], &ids].concat(),
    };
    Ok((ids, problem))
}

#[cfg(test)]
mod tests {
    use text::END_ID;

    use super::*;

    fn fitted(ids: &[u32], too_long: TooLong) -> (Vec<u32>, Option<TextProblem>) {
        let error = |found| DecodeError::TooLong { number: 7, found, limit: 4 };
        let frame = Frame::plain(9);
        fit(Ok(ids.to_vec()), Place::Source(&frame), 4, too_long, error).expect("no failure")
    }

    #[test]
    fn texts_that_fit_stay_as_they_are() {
        for too_long in [TooLong::Crop, TooLong::Skip, TooLong::Fail] {
            assert_eq!(fitted(&[5, 6, 7], too_long), (vec![5, 6, 7, END_ID], None));
            assert_eq!(fitted(&[], too_long), (vec![], None), "an empty text");
        }
    }

    #[test]
    fn longer_texts_are_cropped_or_skipped() {
        let (side, tokens, limit) = (Side::Source, 6, 4);
        let cropped = TextProblem::Cropped { side, tokens, limit };
        assert_eq!(fitted(&[5, 6, 7, 8, 9], TooLong::Crop), (vec![5, 6, 7, END_ID], Some(cropped)));
        let skipped = TextProblem::TooLong { side, tokens, limit };
        assert_eq!(fitted(&[5, 6, 7, 8, 9], TooLong::Skip), (vec![], Some(skipped)));
    }

    #[test]
    fn a_rejected_text_is_skipped_unless_it_fails() {
        let rejected = || Err(TextError::Tokenize { text: "x".to_string(), message: "no".to_string() });
        let error = |found| DecodeError::TooLong { number: 1, found, limit: 4 };
        for too_long in [TooLong::Crop, TooLong::Skip] {
            let (ids, problem) =
                fit(rejected(), Place::Target(&Frame::plain(9)), 4, too_long, error).expect("no failure");
            assert!(ids.is_empty() && problem.is_some_and(|problem| problem.is_skipped()));
        }
        assert!(fit(rejected(), Place::Target(&Frame::plain(9)), 4, TooLong::Fail, error).is_err());
    }
}
