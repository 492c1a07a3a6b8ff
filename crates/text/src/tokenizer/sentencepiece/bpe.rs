//! Byte-pair encoding of SentencePiece: neighbours merge to a piece, the best score first, of equal ones the leftmost.
//!
//! A piece's score is its rank in training, negated. Unlike the merges of other programs, a merge is any pair of neighbours
//! whose text is a piece.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use super::pieces::Pieces;
use super::search::Fallback;

/// Marks the end of a text, in either direction.
const NONE: usize = usize::MAX;

#[derive(Clone, Debug)]
pub(super) struct Merges {
    /// All pieces, unused ones last.
    pieces: Pieces,
    /// Pieces that are never cut, the longest first.
    user_defined: Vec<Box<str>>,
    /// The place of the first piece that is split again after all merges.
    first_unused: usize,
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

/// What the symbols of a text may become.
#[derive(Default)]
struct Agenda<'t> {
    candidates: BinaryHeap<Candidate>,
    /// The length of the left part of each unused piece, as it was last proposed.
    splits: HashMap<&'t str, usize>,
}

impl Merges {
    /// Builds the tables from `pieces` (piece, score, id) and from those that are split again, `unused`.
    ///
    /// # Errors
    /// As [`Search::new`](super::search::Search::new).
    pub fn new<'a>(
        pieces: impl Iterator<Item = (&'a str, f32, u32)>,
        unused: impl ExactSizeIterator<Item = (&'a str, f32, u32)>,
        user_defined: &[&str],
        fallback: Fallback,
    ) -> Result<Self, String> {
        let count = unused.len();
        let pieces = Pieces::new(pieces.chain(unused))?;
        let first_unused = pieces.scores().len() - count;
        let mut user_defined: Vec<Box<str>> = user_defined.iter().map(|piece| Box::from(*piece)).collect();
        user_defined.sort_by_key(|piece| Reverse(piece.len()));
        Ok(Self { pieces, user_defined, first_unused, fallback })
    }

    /// Returns the pieces with their scores, unused ones excepted.
    pub fn pieces(&self) -> impl Iterator<Item = (&str, f32)> {
        self.pieces.iter().take(self.first_unused)
    }

    /// Appends the ids of `text`.
    pub fn segment(&self, text: &str, ids: &mut Vec<u32>) {
        let mut symbols = self.symbols(text);
        let mut agenda = Agenda::default();
        for right in 1..symbols.len() {
            self.propose(text, &symbols, right - 1, &mut agenda);
        }
        while let Some((_, Reverse(left), right, length)) = agenda.candidates.pop() {
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
                self.propose(text, &symbols, left, &mut agenda);
            }
            let previous = symbols[left].previous;
            if previous != NONE {
                self.propose(text, &symbols, previous, &mut agenda);
            }
        }

        let mut cut = Vec::with_capacity(symbols.len());
        for symbol in symbols.into_iter().filter(|symbol| !symbol.place.is_empty()) {
            self.append_parts(text, symbol.place, &agenda, &mut cut);
        }
        self.fallback.append(text, cut.into_iter(), ids);
    }

    /// Appends a place with the id of its piece; an unused piece in the parts that it was merged from.
    fn append_parts(
        &self,
        text: &str,
        place: Range<usize>,
        agenda: &Agenda,
        cut: &mut Vec<(Option<u32>, Range<usize>)>,
    ) {
        match agenda.splits.get(&text[place.clone()]) {
            Some(left) => {
                let middle = place.start + left;
                self.append_parts(text, place.start..middle, agenda, cut);
                self.append_parts(text, middle..place.end, agenda, cut);
            }
            None => {
                let piece = self.pieces.place(&text[place.clone()]).filter(|piece| *piece < self.first_unused);
                cut.push((piece.map(|piece| self.pieces.id(piece)), place));
            }
        }
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
    fn propose<'t>(&self, text: &'t str, symbols: &[Symbol], left: usize, agenda: &mut Agenda<'t>) {
        let right = symbols[left].next;
        if right == NONE || symbols[left].fixed || symbols[right].fixed {
            return;
        }
        let place = symbols[left].place.start..symbols[right].place.end;
        if let Some(piece) = self.pieces.place(&text[place.clone()]) {
            let score = order(self.pieces.scores()[piece]);
            agenda.candidates.push((score, Reverse(left), right, place.len()));
            if piece >= self.first_unused {
                agenda.splits.insert(&text[place], symbols[left].place.len());
            }
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
        let fallback = Fallback::new([("é", 20)].into_iter(), None);
        Merges::new(merged.into_iter().chain(letters), [].into_iter(), user_defined, fallback).unwrap()
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
