//! What a run's data were made from, so that it is resumed with nothing else.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use text::Pair;

/// The corpora of a run; absent for generated tasks. Kept in the run folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpora {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Fingerprint>,
}

impl Corpora {
    /// The first corpus that is another one here and there.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let splits = [
            ("train", &self.train, &other.train),
            ("validation", &self.validation, &other.validation),
            ("test", &self.test, &other.test),
        ];
        splits.into_iter().find(|(_, here, there)| here != there).map(|(name, ..)| name)
    }
}

/// A corpus in short: how many pairs, and a hash of them all in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    pub pairs: usize,
    #[serde(with = "hexadecimal")]
    hash: u64,
}

/// FNV-1a (Fowler, Noll and Vo).
const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01B3;

impl Fingerprint {
    /// Of no pair yet.
    pub fn new() -> Self {
        Self { pairs: 0, hash: BASIS }
    }

    /// Of some pairs.
    pub fn of(pairs: &[Pair]) -> Self {
        let mut fingerprint = Self::new();
        pairs.iter().for_each(|pair| fingerprint.add(pair));
        fingerprint
    }

    /// One more pair.
    pub fn add(&mut self, pair: &Pair) {
        self.pairs += 1;
        self.hash = hashed(self.hash, pair);
    }
}

/// A corpus or a part of it in short, in whatever order it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    pub pairs: usize,
    #[serde(with = "hexadecimal")]
    sum: u64,
}

impl AddAssign for Contents {
    fn add_assign(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl Contents {
    /// One more pair.
    pub fn add(&mut self, pair: &Pair) {
        self.pairs += 1;
        self.sum = self.sum.wrapping_add(hashed(BASIS, pair));
    }

    /// Of some pairs.
    pub fn of(pairs: &[Pair]) -> Self {
        let mut contents = Self::default();
        pairs.iter().for_each(|pair| contents.add(pair));
        contents
    }
}

/// A hash gone on with by a pair.
fn hashed(hash: u64, pair: &Pair) -> u64 {
    // These keep the sides apart: no line holds `\n`, and `\r` is rare but at a line's end, where it is not read.
    let bytes = pair.source.bytes().chain([b'\r']).chain(pair.target.bytes()).chain([b'\n']);
    bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}

/// Hashes as text: many JSON readers know no numbers of 64 bits without a sign.
mod hexadecimal {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub fn serialize<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{hash:016x}"))
    }

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
    fn any_change_changes_it() {
        let corpus = [pair("a b", "c"), pair("d", "e")];
        let whole = Fingerprint::of(&corpus);
        assert_eq!(whole, Fingerprint::of(&corpus));
        for other in [
            vec![pair("a b", "c")],
            vec![pair("d", "e"), pair("a b", "c")],
            vec![pair("a ", "bc"), pair("d", "e")],
            vec![pair("a b", "C"), pair("d", "e")],
        ] {
            assert_ne!(whole, Fingerprint::of(&other));
        }
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), whole);
    }

    #[test]
    fn contents_are_the_same_in_any_order_and_change_with_any_pair() {
        let of = Contents::of;
        let whole = of(&[pair("a b", "c"), pair("d", "e"), pair("d", "e")]);
        assert_eq!(whole, of(&[pair("d", "e"), pair("a b", "c"), pair("d", "e")]));
        assert_ne!(whole, of(&[pair("a b", "c"), pair("d", "e")]));
        assert_ne!(whole, of(&[pair("a b", "c"), pair("a b", "c"), pair("d", "e")]));
        assert_ne!(whole, of(&[pair("a b", "e"), pair("d", "c"), pair("d", "e")]));
        let mut parts = of(&[pair("d", "e")]);
        parts += of(&[pair("a b", "c"), pair("d", "e")]);
        assert_eq!(whole, parts);
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Contents>(&json).unwrap(), whole);
    }
}
