//! The most probable segmentation of a text (Viterbi).
//!
//! Scores are float32 as in SentencePiece, since rounding decides between nearly equal segmentations.

use std::collections::HashMap;
use std::ops::Range;

use crate::special_tokens::UNKNOWN_ID;

/// Score of a character outside all pieces, below the lowest score of a piece.
const UNKNOWN_PENALTY: f32 = 10.0;

/// Score and id of each piece.
#[derive(Clone, Debug)]
pub(super) struct Pieces(HashMap<Box<str>, (f32, u32)>);

impl Pieces {
    /// Builds the table from (piece, score, id).
    ///
    /// # Errors
    /// An empty, repeated or non-finite piece, or no pieces.
    pub fn new<'a>(pieces: impl Iterator<Item = (&'a str, f32, u32)>) -> Result<Self, String> {
        let mut table = HashMap::new();
        for (piece, score, id) in pieces {
            if piece.is_empty() || !score.is_finite() {
                return Err(format!("the piece {piece:?} of score {score}"));
            }
            if table.insert(Box::from(piece), (score, id)).is_some() {
                return Err(format!("the piece {piece:?} twice"));
            }
        }
        if table.is_empty() { Err("no pieces".to_owned()) } else { Ok(Self(table)) }
    }

    pub fn get(&self, piece: &str) -> Option<(f32, u32)> {
        self.0.get(piece).copied()
    }
}

/// The ids of text that no piece covers.
#[derive(Clone, Debug)]
pub(super) struct Fallback {
    /// Ids of labels that are no pieces, by label.
    others: HashMap<Box<str>, u32>,
    /// Id of each byte token, with byte fallback.
    bytes: Option<Vec<u32>>,
}

impl Fallback {
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
    /// Builds the tables from `pieces` (piece, score, id) and `others`, labels that are no pieces. A user-defined piece has a
    /// score with which it always wins.
    ///
    /// # Errors
    /// An empty, repeated or non-finite piece, or no pieces.
    pub fn new<'a>(
        pieces: impl Iterator<Item = (&'a str, f32, u32)>,
        others: impl Iterator<Item = (&'a str, u32)>,
        bytes: Option<Vec<u32>>,
        user_defined: &[&str],
    ) -> Result<Self, String> {
        let mut pieces = Pieces::new(pieces)?;
        let is_ordinary = |piece: &str| !user_defined.contains(&piece);
        let scores = || pieces.0.iter().filter(|(piece, _)| is_ordinary(piece)).map(|(_, (score, _))| *score);
        let (lowest, highest) = (scores().fold(f32::INFINITY, f32::min), scores().fold(f32::NEG_INFINITY, f32::max));
        let longest = pieces.0.keys().map(|piece| piece.chars().count()).max().unwrap_or_default();
        for piece in user_defined {
            if let Some((score, _)) = pieces.0.get_mut(*piece) {
                // As in SentencePiece, where lengths are in bytes.
                *score = (f64::from(piece.len() as f32 * highest) - 0.1) as f32;
            }
        }
        let fallback = Fallback::new(others, bytes);
        Ok(Self { pieces, longest, unknown_score: lowest - UNKNOWN_PENALTY, fallback })
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
                if let Some((score, id)) = self.pieces.get(&text[start..end]) {
                    improve(&mut best, end, Best { start, score: score + so_far, id: Some(id) });
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
        let search = Search::new(pieces.into_iter(), [("ß", 20), ("猫犬", 21)].into_iter(), None, &[]).unwrap();
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
        let search = Search::new([("a", -1.0, 2)].into_iter(), [("é", 3)].into_iter(), Some(bytes), &[]).unwrap();
        assert_eq!(ids(&search, "aéa"), [2, 1000 + 0xC3, 1000 + 0xA9, 2]);
    }

    #[test]
    fn invalid_pieces_are_rejected() {
        let error = |pieces: &[(&'static str, f32, u32)]| {
            Search::new(pieces.iter().copied(), [].into_iter(), None, &[]).unwrap_err()
        };
        assert_eq!(error(&[]), "no pieces");
        assert!(error(&[("", 0.0, 2)]).contains("\"\""));
        assert!(error(&[("a", f32::NAN, 2)]).contains("NaN"));
        assert!(error(&[("a", 0.0, 2), ("a", 0.0, 3)]).contains("twice"));
    }
}
