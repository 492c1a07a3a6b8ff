//! The order in which a network reads and writes the tokens of a text.

use serde::{Deserialize, Serialize};

/// Order of a text's tokens in a network.
///
/// A decoder chooses each token by those before it. Where the end of a word decides about its beginning, as endings decide
/// about stress, a decoder that begins with the end errs less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The first token of the text first.
    #[default]
    LeftToRight,
    /// The last token of the text first (Liu et al. 2016).
    RightToLeft,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 2] = [Self::LeftToRight, Self::RightToLeft];

    /// Returns the value of `tokenizer.direction`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeftToRight => "left_to_right",
            Self::RightToLeft => "right_to_left",
        }
    }

    /// Puts what belongs to the tokens of a text from the order of the text to that of the network, or back.
    ///
    /// ```
    /// use text::Direction;
    /// assert_eq!(Direction::RightToLeft.ordered(vec![1, 2, 3]), [3, 2, 1]);
    /// assert_eq!(Direction::LeftToRight.ordered(vec![1, 2, 3]), [1, 2, 3]);
    /// ```
    pub fn ordered<T>(self, mut tokens: Vec<T>) -> Vec<T> {
        match self {
            Self::LeftToRight => {}
            Self::RightToLeft => tokens.reverse(),
        }
        tokens
    }
}
