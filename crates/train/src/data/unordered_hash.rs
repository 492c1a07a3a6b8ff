//! A hash of sentence pairs that does not depend on their order, because each epoch reads the shards in another one.

use std::ops::AddAssign;

use runs::corpora::{hash_pair, hexadecimal};
use serde::{Deserialize, Serialize};
use text::Pair;

/// The number of pairs, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnorderedHash {
    /// The number of pairs.
    pub pairs: usize,
    #[serde(with = "hexadecimal")]
    sum: u64,
}

impl AddAssign for UnorderedHash {
    fn add_assign(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl UnorderedHash {
    /// Hashes pairs in memory.
    pub fn from_pairs(pairs: &[Pair]) -> Self {
        let mut hash = Self::default();
        pairs.iter().for_each(|pair| hash.add(pair));
        hash
    }

    /// Adds a pair.
    pub fn add(&mut self, pair: &Pair) {
        self.pairs += 1;
        self.sum = self.sum.wrapping_add(hash_pair(pair));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(source: &str, target: &str) -> Pair {
        Pair { source: source.to_string(), target: target.to_string() }
    }

    #[test]
    fn order_does_not_matter_and_every_pair_does() {
        let hash = UnorderedHash::from_pairs;
        let whole = hash(&[pair("a b", "c"), pair("d", "e"), pair("d", "e")]);
        assert_eq!(whole, hash(&[pair("d", "e"), pair("a b", "c"), pair("d", "e")]));
        assert_ne!(whole, hash(&[pair("a b", "c"), pair("d", "e")]));
        assert_ne!(whole, hash(&[pair("a b", "c"), pair("a b", "c"), pair("d", "e")]));
        assert_ne!(whole, hash(&[pair("a b", "e"), pair("d", "c"), pair("d", "e")]));
        let mut parts = hash(&[pair("d", "e")]);
        parts += hash(&[pair("a b", "c"), pair("d", "e")]);
        assert_eq!(whole, parts);
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<UnorderedHash>(&json).unwrap(), whole);
    }
}
