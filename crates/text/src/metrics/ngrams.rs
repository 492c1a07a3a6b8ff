//! Counts of n-grams, and of those that two texts share.

use std::collections::HashMap;
use std::hash::Hash;

/// Numbers of n-grams of one order in a hypothesis and its reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// N-grams of the hypothesis.
    pub hypothesis: u64,
    /// N-grams of the reference.
    pub reference: u64,
    /// N-grams in both; repeated ones count up to their number in the reference (clipped counts).
    pub both: u64,
}

impl Matches {
    /// Counts the n-grams of order `order`.
    pub fn count<T: Eq + Hash>(hypothesis: &[T], reference: &[T], order: usize) -> Self {
        let mut unmatched: HashMap<&[T], u64> = HashMap::new();
        for ngram in reference.windows(order) {
            *unmatched.entry(ngram).or_default() += 1;
        }
        let mut both = 0;
        for ngram in hypothesis.windows(order) {
            if let Some(count) = unmatched.get_mut(ngram).filter(|count| **count > 0) {
                *count -= 1;
                both += 1;
            }
        }
        Self { hypothesis: ngrams(hypothesis.len(), order), reference: ngrams(reference.len(), order), both }
    }

    /// Adds the counts of another sentence.
    pub fn add(&mut self, other: Self) {
        self.hypothesis += other.hypothesis;
        self.reference += other.reference;
        self.both += other.both;
    }
}

/// The number of n-grams of order `order` in a sequence of `length`.
fn ngrams(length: usize, order: usize) -> u64 {
    (length + 1).saturating_sub(order) as u64
}
