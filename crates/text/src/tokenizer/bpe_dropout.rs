//! BPE-dropout (Provilkov et al. 2020): segmentation of a word with random merges skipped.
//!
//! The `tokenizers` crate has a generator with state. Here a random number is a function of (key, word, draw), so that
//! training can be repeated and resumed. The algorithm is otherwise the same, and so are the ids without dropout.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde_json::Value;

use crate::special_tokens::FIRST_ORDINARY_ID;

/// Marks the end of a word, in either direction.
const NONE: usize = usize::MAX;

/// The merges of a BPE vocabulary.
#[derive(Clone, Debug)]
pub(super) struct Segmenter {
    characters: HashMap<char, u32>,
    /// (left, right) to (rank, merged id); lower ranks merge first.
    merges: HashMap<(u32, u32), (u32, u32)>,
}

/// One symbol of a word: a node of a doubly linked list.
struct Symbol {
    id: u32,
    previous: usize,
    next: usize,
    merged_away: bool,
}

impl Segmenter {
    /// Reads the merges of `model`, the `model` entry of a tokenizer file; the error is (found, expected).
    pub fn new(model: &Value, labels: &[String]) -> Result<Self, (String, &'static str)> {
        for (option, expected) in [
            ("dropout", Value::Null),
            ("continuing_subword_prefix", Value::Null),
            ("end_of_word_suffix", Value::Null),
            ("ignore_merges", Value::Bool(false)),
            ("byte_fallback", Value::Bool(true)),
        ] {
            if model[option] != expected {
                return Err((
                    format!("{option} = {}", model[option]),
                    "a BPE model with byte fallback and no other options",
                ));
            }
        }
        let ids: HashMap<&str, u32> = labels.iter().map(String::as_str).zip(0..).collect();
        let malformed = |merge: &Value| (format!("merge {merge}"), "two tokens of the vocabulary");

        let mut merges = HashMap::new();
        let listed = model["merges"].as_array().map(Vec::as_slice);
        for (rank, merge) in listed.unwrap_or_default().iter().enumerate() {
            let (Some(left), Some(right)) = (merge[0].as_str(), merge[1].as_str()) else {
                return Err(malformed(merge));
            };
            let merged = format!("{left}{right}");
            match (ids.get(left), ids.get(right), ids.get(merged.as_str())) {
                (Some(&left), Some(&right), Some(&merged)) => {
                    merges.insert((left, right), (rank as u32, merged));
                }
                _ => return Err(malformed(merge)),
            }
        }
        let characters = labels
            .iter()
            .zip(0..)
            .filter_map(|(label, id)| {
                let mut characters = label.chars();
                let first = characters.next()?;
                characters.next().is_none().then_some((first, id))
            })
            .collect();
        Ok(Self { characters, merges })
    }

    /// Appends the ids of `word`, the `index`-th of its line, to `ids`.
    ///
    /// Applies the merge of the lowest rank until none remains. Each candidate is skipped with probability `rate`; skipped
    /// candidates return after the next merge.
    pub fn segment(&self, word: &str, rate: f64, key: u64, index: u64, ids: &mut Vec<u32>) {
        let mut symbols = self.symbols(word);
        let mut draws = 0..;
        let mut skipped_by_chance = || {
            let draw = draws.next().unwrap_or_default();
            rate > 0.0 && uniform(key, index, draw) < rate
        };

        // (rank, index of the left symbol, merged id), smallest first.
        let mut candidates: BinaryHeap<Reverse<(u32, usize, u32)>> = BinaryHeap::new();
        for left in 0..symbols.len().saturating_sub(1) {
            self.propose(&symbols, left, &mut candidates);
        }
        let mut skipped = Vec::new();
        while let Some(Reverse((rank, left, merged))) = candidates.pop() {
            if skipped_by_chance() {
                skipped.push(Reverse((rank, left, merged)));
                continue;
            }
            candidates.extend(skipped.drain(..));

            // An earlier merge may have consumed one of the two symbols.
            let right = symbols[left].next;
            if symbols[left].merged_away || right == NONE {
                continue;
            }
            let pair = (symbols[left].id, symbols[right].id);
            if self.merges.get(&pair).is_none_or(|now| now.1 != merged) {
                continue;
            }

            let after = symbols[right].next;
            symbols[right].merged_away = true;
            symbols[left].id = merged;
            symbols[left].next = after;
            if after != NONE {
                symbols[after].previous = left;
                self.propose(&symbols, left, &mut candidates);
            }
            let previous = symbols[left].previous;
            if previous != NONE {
                self.propose(&symbols, previous, &mut candidates);
            }
        }
        ids.extend(symbols.iter().filter(|symbol| !symbol.merged_away).map(|symbol| symbol.id));
    }

    /// Returns the characters of `word`, or the bytes of those outside the vocabulary.
    fn symbols(&self, word: &str) -> Vec<Symbol> {
        let mut ids = Vec::with_capacity(word.len());
        let mut utf8 = [0; 4];
        for character in word.chars() {
            match self.characters.get(&character) {
                Some(&id) => ids.push(id),
                None => ids.extend(
                    character.encode_utf8(&mut utf8).bytes().map(|byte| FIRST_ORDINARY_ID as u32 + u32::from(byte)),
                ),
            }
        }
        let count = ids.len();
        ids.into_iter()
            .enumerate()
            .map(|(place, id)| Symbol {
                id,
                previous: place.checked_sub(1).unwrap_or(NONE),
                next: if place + 1 < count { place + 1 } else { NONE },
                merged_away: false,
            })
            .collect()
    }

    /// Adds the merge of the symbol at `left` with its right neighbour, if the vocabulary has it.
    fn propose(&self, symbols: &[Symbol], left: usize, candidates: &mut BinaryHeap<Reverse<(u32, usize, u32)>>) {
        let right = symbols[left].next;
        if right == NONE {
            return;
        }
        let pair = (symbols[left].id, symbols[right].id);
        if let Some(&(rank, merged)) = self.merges.get(&pair) {
            candidates.push(Reverse((rank, left, merged)));
        }
    }
}

/// Returns a uniform number in [0, 1), a function of its arguments alone.
fn uniform(key: u64, word: u64, draw: u64) -> f64 {
    let bits = mix(mix(mix(key).wrapping_add(word)).wrapping_add(draw));
    // The upper 53 bits fill the mantissa of an f64.
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// The output function of SplitMix64 (Steele et al. 2014).
///
/// `model::random` has it too; these crates do not depend on each other.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
