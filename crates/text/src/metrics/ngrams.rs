//! Counting n-grams and what two texts have in common.

use std::collections::HashMap;
use std::hash::Hash;

/// How many n-grams of one order a hypothesis and a reference hold, and how many of them match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Matches {
    pub hypothesis: u64,
    pub reference: u64,
    /// Each n-gram of the hypothesis counts at most as often as the reference holds it.
    pub both: u64,
}

impl Matches {
    /// Compares the n-grams of order `order`.
    pub fn count<T: Eq + Hash>(hypothesis: &[T], reference: &[T], order: usize) -> Self {
        let mut left: HashMap<&[T], u64> = HashMap::new();
        for ngram in reference.windows(order) {
            *left.entry(ngram).or_default() += 1;
        }
        let mut both = 0;
        for ngram in hypothesis.windows(order) {
            if let Some(left) = left.get_mut(ngram).filter(|left| **left > 0) {
                *left -= 1;
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

/// How many n-grams of order `order` are in a sequence of `length`.
fn ngrams(length: usize, order: usize) -> u64 {
    (length + 1).saturating_sub(order) as u64
}
