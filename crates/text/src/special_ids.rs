//! Ids that special tokens had in another program's vocabulary.

use serde::{Deserialize, Serialize};

use crate::special_tokens::{END_ID, UNKNOWN_ID};

/// Ids of the special tokens of a vocabulary, by role.
///
/// Every vocabulary here has [one layout](Self::layout). An import exchanges as few entries as this needs, and an export
/// exchanges them back:
///
/// ```
/// use text::SpecialIds;
///
/// let t5 = SpecialIds { end: 1, unknown: 2, padding: 0 };
/// assert_eq!(t5.original_ids(6), [1, 2, 5, 3, 4, 0]); // the id there of each id here
/// assert_eq!(t5.new_ids(6), [5, 0, 1, 3, 4, 2]); // the id here of each id there
/// assert_eq!(SpecialIds::layout(6), SpecialIds { end: 0, unknown: 1, padding: 5 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialIds {
    /// `</s>`, the end of a sentence.
    pub end: u32,
    /// `<unk>`, text outside the vocabulary.
    pub unknown: u32,
    /// `<pad>`, padding of a batch.
    pub padding: u32,
}

impl SpecialIds {
    /// The layout of every vocabulary here: `</s>` first, `<unk>` second, `<pad>` last.
    pub fn layout(vocab_size: usize) -> Self {
        Self { end: END_ID, unknown: UNKNOWN_ID, padding: vocab_size.saturating_sub(1) as u32 }
    }

    /// Returns whether the ids are distinct and below `vocab_size`.
    pub fn fit(&self, vocab_size: usize) -> bool {
        let Self { end, unknown, padding } = *self;
        end != unknown
            && end != padding
            && unknown != padding
            && [end, unknown, padding].iter().all(|id| (*id as usize) < vocab_size)
    }

    /// Returns for each id of the [layout](Self::layout) the id in the other vocabulary.
    ///
    /// # Panics
    /// If the ids do not [fit](Self::fit).
    pub fn original_ids(&self, vocab_size: usize) -> Vec<usize> {
        assert!(self.fit(vocab_size), "distinct ids below {vocab_size}: {self:?}");
        let mut ids: Vec<usize> = (0..vocab_size).collect();
        let layout = Self::layout(vocab_size);
        for (place, id) in [(layout.end, self.end), (layout.unknown, self.unknown), (layout.padding, self.padding)] {
            // An exchange moves none of the special tokens that are in place already.
            let at = ids.iter().position(|found| *found == id as usize).unwrap_or_default();
            ids.swap(place as usize, at);
        }
        ids
    }

    /// Returns for each id of the other vocabulary the id of the [layout](Self::layout).
    ///
    /// # Panics
    /// If the ids do not [fit](Self::fit).
    pub fn new_ids(&self, vocab_size: usize) -> Vec<usize> {
        let mut ids = vec![0; vocab_size];
        for (new, original) in self.original_ids(vocab_size).into_iter().enumerate() {
            ids[original] = new;
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_placement_of_special_tokens_is_undone() {
        for vocab_size in 3..7u32 {
            for end in 0..vocab_size {
                for unknown in (0..vocab_size).filter(|id| *id != end) {
                    for padding in (0..vocab_size).filter(|id| *id != end && *id != unknown) {
                        let (ids, size) = (SpecialIds { end, unknown, padding }, vocab_size as usize);
                        let (original, new) = (ids.original_ids(size), ids.new_ids(size));
                        let special = [0, 1, size - 1].map(|id| original[id] as u32);
                        assert_eq!(special, [end, unknown, padding]);
                        assert!((0..size).all(|id| new[original[id]] == id), "{ids:?} of {size}");
                    }
                }
            }
        }
        assert!(!SpecialIds { end: 0, unknown: 0, padding: 4 }.fit(5));
        assert!(!SpecialIds { end: 0, unknown: 1, padding: 5 }.fit(5));
    }
}
