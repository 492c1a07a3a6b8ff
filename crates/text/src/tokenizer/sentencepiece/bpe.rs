//! Byte-pair encoding of SentencePiece: neighbours merge to a piece, the best score first, of equal ones the leftmost.
//!
//! A piece's score is its rank in training, negated. Unlike the merges of other programs, a merge is any pair of neighbours
//! whose text is a piece.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::search::{Fallback, Pieces};

/// Marks the end of a text, in either direction.
const NONE: usize = usize::MAX;

#[derive(Clone, Debug)]
pub(super) struct Merges {
    /// Score and id of each piece.
    pieces: Pieces,
    /// Pieces that are never cut, the longest first.
    user_defined: Vec<Box<str>>,
    fallback: Fallback,
}

/// A node of a doubly linked list.
struct Symbol {
    /// Its text; empty once it was merged into its left neighbour.
    place: Range<usize>,
    previous: usize,
    next: usize,
    /// Whether it never merges.
    fixed: bool,
}

/// A pair that may merge: the order of its score, its left symbol, its right symbol and its length in bytes.
type Candidate = (i32, Reverse<usize>, usize, usize);

impl Merges {
    /// As [`Search::new`](super::search::Search::new).
    ///
    /// # Errors
    /// As [`Search::new`](super::search::Search::new).
    pub fn new<'a>(
        pieces: impl Iterator<Item = (&'a str, f32, u32)>,
        others: impl Iterator<Item = (&'a str, u32)>,
        bytes: Option<Vec<u32>>,
        user_defined: &[&str],
    ) -> Result<Self, String> {
        let pieces = Pieces::new(pieces)?;
        let mut user_defined: Vec<Box<str>> = user_defined.iter().map(|piece| Box::from(*piece)).collect();
        user_defined.sort_by_key(|piece| Reverse(piece.len()));
        Ok(Self { pieces, user_defined, fallback: Fallback::new(others, bytes) })
    }

    /// Appends the ids of `text`.
    pub fn segment(&self, text: &str, ids: &mut Vec<u32>) {
        let mut symbols = self.symbols(text);
        let mut candidates: BinaryHeap<Candidate> = BinaryHeap::new();
        for right in 1..symbols.len() {
            self.propose(text, &symbols, right - 1, &mut candidates);
        }
        while let Some((_, Reverse(left), right, length)) = candidates.pop() {
            // An earlier merge may have changed one of the two.
            let (start, end) = (symbols[left].place.start, symbols[right].place.end);
            let changed = symbols[left].place.is_empty() || symbols[right].place.is_empty() || end - start != length;
            if changed {
                continue;
            }
            let after = symbols[right].next;
            symbols[left].place.end = end;
            symbols[left].next = after;
            symbols[right].place = end..end;
            if after != NONE {
                symbols[after].previous = left;
                self.propose(text, &symbols, left, &mut candidates);
            }
            let previous = symbols[left].previous;
            if previous != NONE {
                self.propose(text, &symbols, previous, &mut candidates);
            }
        }

        let known = symbols.into_iter().map(|symbol| symbol.place).filter(|place| !place.is_empty());
        let cut = known.map(|place| (self.pieces.get(&text[place.clone()]).map(|(_, id)| id), place));
        self.fallback.append(text, cut, ids);
    }

    /// The characters of `text`, or user-defined pieces.
    fn symbols(&self, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
        let mut start = 0;
        while let Some(first) = text[start..].chars().next() {
            let whole = self.user_defined.iter().find(|piece| text[start..].starts_with(&***piece));
            let end = start + whole.map_or(first.len_utf8(), |piece| piece.len());
            let at = symbols.len();
            let next = if end < text.len() { at + 1 } else { NONE };
            symbols.push(Symbol {
                place: start..end,
                previous: at.checked_sub(1).unwrap_or(NONE),
                next,
                fixed: whole.is_some(),
            });
            start = end;
        }
        symbols
    }

    /// Adds the merge of the symbol at `left` with its right neighbour, if their text is a piece.
    fn propose(&self, text: &str, symbols: &[Symbol], left: usize, candidates: &mut BinaryHeap<Candidate>) {
        let right = symbols[left].next;
        if right == NONE || symbols[left].fixed || symbols[right].fixed {
            return;
        }
        let place = symbols[left].place.start..symbols[right].place.end;
        if let Some((score, _)) = self.pieces.get(&text[place.clone()]) {
            candidates.push((order(score), Reverse(left), right, place.len()));
        }
    }
}

/// A number with the order of a finite score.
fn order(score: f32) -> i32 {
    let bits = (score + 0.0).to_bits() as i32; // -0 becomes 0
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special_tokens::UNKNOWN_ID;

    fn merges(user_defined: &[&str]) -> Merges {
        let merged = [("ab", 0.0, 10), ("bc", -1.0, 11), ("abab", -2.0, 12), ("<n>", 0.0, 13)];
        let letters =
            [("a", -10.0, 2), ("b", -11.0, 3), ("c", -12.0, 4), ("<", -13.0, 5), ("n", -14.0, 6), (">", -15.0, 7)];
        Merges::new(merged.into_iter().chain(letters), [("é", 20)].into_iter(), None, user_defined).unwrap()
    }

    fn ids(merges: &Merges, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        merges.segment(text, &mut ids);
        ids
    }

    #[test]
    fn the_best_score_merges_first() {
        let merges = merges(&[]);
        assert_eq!(ids(&merges, "abc"), [10, 4]);
        assert_eq!(ids(&merges, "cbc"), [4, 11]);
        assert_eq!(ids(&merges, "ababab"), [12, 10]);
        assert_eq!(ids(&merges, "a猫犬éé"), [2, UNKNOWN_ID], "a run is one token");
        assert_eq!(ids(&merges, "aéb"), [2, 20, 3], "or a label");
        assert!(ids(&merges, "").is_empty());
    }

    #[test]
    fn user_defined_pieces_stay_whole() {
        assert_eq!(ids(&merges(&["<n>"]), "ab<n>c"), [10, 13, 4]);
        assert_eq!(ids(&merges(&[]), "a<n>c"), [2, 5, 6, 7, 4], "no pair of neighbours is a piece");
    }

    #[test]
    fn scores_keep_their_order() {
        let scores = [-3e38, -2.0, -1.5, -1e-40, 0.0, 1e-40, 7.0];
        assert!(scores.windows(2).all(|pair| order(pair[0]) < order(pair[1])));
        assert_eq!(order(-0.0), order(0.0));
    }
}
