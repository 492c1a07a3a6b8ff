//! The most probable segmentation of a text (Viterbi).
//!
//! Scores are float32 as in SentencePiece, since rounding decides between nearly equal segmentations.

use std::collections::HashMap;
use std::ops::Range;

use super::pieces::Pieces;
use crate::special_tokens::UNKNOWN_ID;

/// Score of a character outside all pieces, below the lowest score of a piece.
const UNKNOWN_PENALTY: f32 = 10.0;

/// The ids of text that no piece covers.
#[derive(Clone, Debug)]
pub(super) struct Fallback {
    /// Ids of labels that are no pieces, by label.
    others: HashMap<Box<str>, u32>,
    /// Id of each byte token, with byte fallback.
    bytes: Option<Vec<u32>>,
}

impl Fallback {
    /// Of `others`, labels that are no pieces, and of the ids of bytes.
    pub fn new<'a>(others: impl Iterator<Item = (&'a str, u32)>, bytes: Option<Vec<u32>>) -> Self {
        Self { others: others.map(|(label, id)| (Box::from(label), id)).collect(), bytes }
    }

    /// Appends the ids of a text that was cut into places, each with the id of its piece, if it is one.
    ///
    /// A run of uncovered places is one token: the label with that text, if the vocabulary has one, or `<unk>`.
    pub fn append(&self, text: &str, cut: impl Iterator<Item = (Option<u32>, Range<usize>)>, ids: &mut Vec<u32>) {
        let mut uncovered: Option<Range<usize>> = None;
        for (id, place) in cut {
            match id {
                Some(id) => {
                    self.append_uncovered(text, uncovered.take(), ids);
                    ids.push(id);
                }
                None => uncovered = Some(uncovered.map_or(place.start, |before| before.start)..place.end),
            }
        }
        self.append_uncovered(text, uncovered, ids);
    }

    fn append_uncovered(&self, text: &str, place: Option<Range<usize>>, ids: &mut Vec<u32>) {
        let Some(uncovered) = place.map(|place| &text[place]) else { return };
        match &self.bytes {
            Some(bytes) => ids.extend(uncovered.bytes().map(|byte| bytes[usize::from(byte)])),
            None => ids.push(self.others.get(uncovered).copied().unwrap_or(UNKNOWN_ID)),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Search {
    pieces: Pieces,
    /// The score of each piece, raised for user-defined ones.
    scores: Vec<f32>,
    /// Length of the longest piece, in characters.
    longest: usize,
    unknown_score: f32,
    fallback: Fallback,
}

/// The best segmentation of a prefix: the start, total score and id of its last piece; no id for an uncovered character.
#[derive(Clone, Copy)]
struct Best {
    start: usize,
    score: f32,
    id: Option<u32>,
}

impl Search {
    /// Builds the tables from `pieces` (piece, score, id). A user-defined piece has a score with which it always wins.
    ///
    /// # Errors
    /// An empty, repeated or non-finite piece, or no pieces.
    pub fn new<'a>(
        pieces: impl Iterator<Item = (&'a str, f32, u32)>,
        user_defined: &[&str],
        fallback: Fallback,
    ) -> Result<Self, String> {
        let pieces = Pieces::new(pieces)?;
        let mut scores = pieces.scores().to_vec();
        let fixed: Vec<usize> = user_defined.iter().filter_map(|piece| pieces.place(piece)).collect();
        let ordinary =
            || scores.iter().enumerate().filter(|(place, _)| !fixed.contains(place)).map(|(_, score)| *score);
        let (lowest, highest) =
            (ordinary().fold(f32::INFINITY, f32::min), ordinary().fold(f32::NEG_INFINITY, f32::max));
        let longest = pieces.iter().map(|(piece, _)| piece.chars().count()).max().unwrap_or_default();
        for place in fixed {
            // As in SentencePiece, where lengths are in bytes.
            scores[place] = (f64::from(pieces.text(place).len() as f32 * highest) - 0.1) as f32;
        }
        Ok(Self { pieces, scores, longest, unknown_score: lowest - UNKNOWN_PENALTY, fallback })
    }

    /// Returns all pieces with their scores.
    pub fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// Appends the ids of `text`.
    ///
    /// A run of characters outside all pieces is one token: the label with that text, if the vocabulary has one, or `<unk>`.
    pub fn segment(&self, text: &str, ids: &mut Vec<u32>) {
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        let improve = |best: &mut Vec<Option<Best>>, end: usize, candidate: Best| {
            if best[end].is_none_or(|known| candidate.score > known.score) {
                best[end] = Some(candidate);
            }
        };
        for (start, first) in text.char_indices() {
            let so_far = if start == 0 { 0.0 } else { best[start].map_or(f32::NEG_INFINITY, |best| best.score) };
            let after_first = start + first.len_utf8();
            let mut covered = false;
            for (at, last) in text[start..].char_indices().take(self.longest) {
                let end = start + at + last.len_utf8();
                if let Some(place) = self.pieces.place(&text[start..end]) {
                    let (score, id) = (self.scores[place] + so_far, self.pieces.id(place));
                    improve(&mut best, end, Best { start, score, id: Some(id) });
                    covered |= end == after_first;
                }
            }
            if !covered {
                improve(&mut best, after_first, Best { start, score: self.unknown_score + so_far, id: None });
            }
        }

        // From the end back to the start.
        let mut cut: Vec<(Option<u32>, Range<usize>)> = Vec::new();
        let mut end = text.len();
        while let Some(last) = best[end].filter(|_| end > 0) {
            cut.push((last.id, last.start..end));
            end = last.start;
        }
        self.fallback.append(text, cut.into_iter().rev(), ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(search: &Search, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        search.segment(text, &mut ids);
        ids
    }

    #[test]
    fn the_most_probable_cut_is_taken() {
        let pieces = [("a", -2.0, 10), ("b", -2.0, 11), ("ab", -3.0, 12), ("ba", -5.0, 13), ("x", -1.0, UNKNOWN_ID)];
        let search =
            Search::new(pieces.into_iter(), &[], Fallback::new([("ß", 20), ("猫犬", 21)].into_iter(), None)).unwrap();
        assert_eq!(ids(&search, "abab"), [12, 12]);
        assert_eq!(ids(&search, "ba"), [11, 10]);
        assert!(ids(&search, "").is_empty());
        // Neighbours that no piece covers are one token; a piece without an id stays one of its own.
        assert_eq!(ids(&search, "aé猫b"), [10, UNKNOWN_ID, 11]);
        assert_eq!(ids(&search, "éxxé"), [UNKNOWN_ID; 4]);
        // Unless they read like a label.
        assert_eq!(ids(&search, "aßb猫犬"), [10, 20, 11, 21]);
        assert_eq!(ids(&search, "ßß猫"), [UNKNOWN_ID]);
    }

    #[test]
    fn uncovered_characters_become_bytes() {
        let bytes = (0..=255).map(|byte| 1000 + byte).collect();
        let search =
            Search::new([("a", -1.0, 2)].into_iter(), &[], Fallback::new([("é", 3)].into_iter(), Some(bytes))).unwrap();
        assert_eq!(ids(&search, "aéa"), [2, 1000 + 0xC3, 1000 + 0xA9, 2]);
    }
}
