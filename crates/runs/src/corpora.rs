//! `corpora.json`: a hash of each corpus, so that a run is resumed with no other.

use serde::{Deserialize, Serialize};
use text::Pair;

/// The corpora of a run; all absent for generated tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpora {
    /// The training corpus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<CorpusHash>,
    /// Pairs in each file of a training corpus that is streamed from several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_files: Option<Vec<usize>>,
    /// The validation corpus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<CorpusHash>,
    /// The test corpus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<CorpusHash>,
}

impl Corpora {
    /// Returns the first split whose corpora differ.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let splits = [
            ("train", &self.train, &other.train),
            ("validation", &self.validation, &other.validation),
            ("test", &self.test, &other.test),
        ];
        splits.into_iter().find(|(_, one, other)| one != other).map(|(name, ..)| name)
    }
}

/// The number of pairs of a corpus, and a hash of them in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusHash {
    /// The number of pairs.
    pub pairs: usize,
    #[serde(with = "hexadecimal")]
    hash: u64,
}

impl Default for CorpusHash {
    /// The hash of an empty corpus.
    fn default() -> Self {
        Self { pairs: 0, hash: FNV_BASIS }
    }
}

impl CorpusHash {
    /// Hashes a corpus in memory.
    pub fn from_pairs(pairs: &[Pair]) -> Self {
        let mut hash = Self::default();
        pairs.iter().for_each(|pair| hash.add(pair));
        hash
    }

    /// Appends a pair.
    pub fn add(&mut self, pair: &Pair) {
        self.pairs += 1;
        self.hash = fold_pair(self.hash, pair);
    }
}

/// FNV-1a (Fowler, Noll and Vo).
const FNV_BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// Returns the hash of a single pair.
pub fn hash_pair(pair: &Pair) -> u64 {
    fold_pair(FNV_BASIS, pair)
}

/// Continues a hash with a pair.
fn fold_pair(hash: u64, pair: &Pair) -> u64 {
    // These keep the sides apart: no line holds `\n`, and `\r` is rare but at a line's end, where it is not read.
    let bytes = pair.source.bytes().chain([b'\r']).chain(pair.target.bytes()).chain([b'\n']);
    bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// Hashes as hexadecimal text: many JSON readers have no unsigned numbers of 64 bits. For `#[serde(with)]`.
pub mod hexadecimal {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    /// Writes 16 digits.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{hash:016x}"))
    }

    /// Reads hexadecimal digits.
    ///
    /// # Errors
    /// Text that is not a hexadecimal number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        u64::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(source: &str, target: &str) -> Pair {
        Pair { source: source.to_string(), target: target.to_string() }
    }

    #[test]
    fn any_change_of_a_corpus_changes_its_hash() {
        let corpus = [pair("a b", "c"), pair("d", "e")];
        let whole = CorpusHash::from_pairs(&corpus);
        assert_eq!(whole, CorpusHash::from_pairs(&corpus));
        for other in [
            vec![pair("a b", "c")],
            vec![pair("d", "e"), pair("a b", "c")],
            vec![pair("a ", "bc"), pair("d", "e")],
            vec![pair("a b", "C"), pair("d", "e")],
        ] {
            assert_ne!(whole, CorpusHash::from_pairs(&other));
        }
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<CorpusHash>(&json).unwrap(), whole);
    }
}
