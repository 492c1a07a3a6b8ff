//! The pieces of a model, found by their text.
//!
//! Their texts are one allocation, and the index has four bytes a piece: a model of 250,000 pieces, as large ones have, takes
//! a few megabytes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

#[derive(Clone, Debug)]
pub(super) struct Pieces {
    /// The texts of all pieces, one after the other.
    texts: String,
    /// Where the text of each piece ends.
    ends: Vec<u32>,
    scores: Vec<f32>,
    ids: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Pieces {
    /// Builds the index of (piece, score, id).
    ///
    /// # Errors
    /// An empty, repeated or non-finite piece, or no pieces.
    pub fn new<'a>(pieces: impl Iterator<Item = (&'a str, f32, u32)>) -> Result<Self, String> {
        let count = pieces.size_hint().0;
        let mut table = Self {
            texts: String::new(),
            ends: Vec::with_capacity(count),
            scores: Vec::with_capacity(count),
            ids: Vec::with_capacity(count),
            index: HashTable::with_capacity(count),
            hasher: RandomState::new(),
        };
        for (piece, score, id) in pieces {
            if piece.is_empty() || !score.is_finite() {
                return Err(format!("the piece {piece:?} of score {score}"));
            }
            table.push(piece, score, id)?;
        }
        table.texts.shrink_to_fit();
        if table.ends.is_empty() { Err("no pieces".to_owned()) } else { Ok(table) }
    }

    fn push(&mut self, piece: &str, score: f32, id: u32) -> Result<(), String> {
        if self.place(piece).is_some() {
            return Err(format!("the piece {piece:?} twice"));
        }
        self.texts.push_str(piece);
        let too_long = |_| "pieces of more than 4 GiB".to_owned();
        let place = u32::try_from(self.ends.len()).map_err(too_long)?;
        self.ends.push(u32::try_from(self.texts.len()).map_err(too_long)?);
        self.scores.push(score);
        self.ids.push(id);
        let Self { texts, ends, index, hasher, .. } = self;
        let hash = |place: &u32| hasher.hash_one(text(texts, ends, *place as usize));
        index.insert_unique(hash(&place), place, hash);
        Ok(())
    }

    /// Returns the place of a piece in the order of the pieces.
    pub fn place(&self, piece: &str) -> Option<usize> {
        let is_piece = |place: &u32| self.text(*place as usize) == piece;
        self.index.find(self.hasher.hash_one(piece), is_piece).map(|place| *place as usize)
    }

    /// Returns the text of a piece.
    pub fn text(&self, place: usize) -> &str {
        text(&self.texts, &self.ends, place)
    }

    /// Returns the id of a piece.
    pub fn id(&self, place: usize) -> u32 {
        self.ids[place]
    }

    /// Returns the score of each piece.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// Returns all pieces with their scores.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f32)> {
        self.scores.iter().enumerate().map(|(place, score)| (self.text(place), *score))
    }
}

/// The text of a piece among those of all.
fn text<'t>(texts: &'t str, ends: &[u32], place: usize) -> &'t str {
    let start = place.checked_sub(1).map_or(0, |before| ends[before] as usize);
    &texts[start..ends[place] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_by_their_text() {
        let pieces = Pieces::new([("a", -1.0, 7), ("猫", -2.0, 8), ("ab", -3.0, 9)].into_iter()).unwrap();
        let found = |piece: &str| pieces.place(piece).map(|place| (pieces.id(place), pieces.scores()[place]));
        assert_eq!(found("a"), Some((7, -1.0)));
        assert_eq!(found("猫"), Some((8, -2.0)));
        assert_eq!(found("ab"), Some((9, -3.0)));
        assert_eq!((found("b"), found("")), (None, None));
        assert_eq!(pieces.iter().collect::<Vec<_>>(), [("a", -1.0), ("猫", -2.0), ("ab", -3.0)]);
    }

    #[test]
    fn invalid_pieces_are_rejected() {
        let error = |pieces: &[(&'static str, f32, u32)]| Pieces::new(pieces.iter().copied()).unwrap_err();
        assert_eq!(error(&[]), "no pieces");
        assert!(error(&[("", 0.0, 2)]).contains("\"\""));
        assert!(error(&[("a", f32::NAN, 2)]).contains("NaN"));
        assert!(error(&[("a", 0.0, 2), ("a", 0.0, 3)]).contains("twice"));
    }
}
