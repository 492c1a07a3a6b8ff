//! From the alignment of tokens to places in texts.

use std::ops::Range;

/// The bytes of a source and of its translation that are aligned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    source: Vec<Range<usize>>,
    target: Vec<Range<usize>>,
    pairs: Vec<[usize; 2]>,
}

impl Places {
    /// The places of aligned tokens: pairs of source and target token, and the bytes of the tokens of both sides.
    pub fn new(source: Vec<Range<usize>>, target: Vec<Range<usize>>, pairs: &[[usize; 2]]) -> Self {
        let known = |pair: &&[usize; 2]| pair[0] < source.len() && pair[1] < target.len();
        let pairs = pairs.iter().filter(known).copied().collect();
        Self { source, target, pairs }
    }

    /// The bytes of `target` from the first to the last token aligned with `source`, whole words; all bytes without an
    /// alignment.
    pub fn range(&self, source: Range<usize>, target: &str) -> Range<usize> {
        if self.pairs.is_empty() {
            return 0..target.len();
        }
        let overlaps = |token: &Range<usize>| token.start < source.end && source.start < token.end;
        let aligned =
            self.pairs.iter().filter(|pair| overlaps(&self.source[pair[0]])).map(|pair| &self.target[pair[1]]);
        let hull = aligned.fold(None, |hull: Option<Range<usize>>, token| match hull {
            None => Some(token.clone()),
            Some(hull) => Some(hull.start.min(token.start)..hull.end.max(token.end)),
        });
        match hull {
            Some(hull) => whole_words(hull, target),
            // No target token is aligned with it: empty, before its successor.
            None => {
                let at = self.point(source.end, target.len());
                at..at
            }
        }
    }

    /// The byte of the target before the first token that is aligned with the source from `at` on.
    pub fn point(&self, at: usize, target_len: usize) -> usize {
        let after = self.pairs.iter().filter(|pair| self.source[pair[0]].end > at);
        let nearest = after.min_by_key(|pair| (self.source[pair[0]].start, self.target[pair[1]].start));
        nearest.map_or(target_len, |pair| self.target[pair[1]].start)
    }
}

/// The same range with the rest of the words at both ends.
fn whole_words(range: Range<usize>, text: &str) -> Range<usize> {
    let is_part = |character: char| character.is_alphanumeric();
    let before = text[..range.start].trim_end_matches(is_part).len();
    let after = text.len() - text[range.end..].trim_start_matches(is_part).len();
    let starts_inside = text[range.start..].starts_with(is_part);
    let ends_inside = text[..range.end].ends_with(is_part);
    let start = if starts_inside { before } else { range.start };
    let end = if ends_inside { after } else { range.end };
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_alignment() {
        // The red house.
        let target = "das rote Haus";
        let places = Places::new(vec![0..3, 4..7, 8..13], vec![0..3, 4..6, 6..8, 9..13], &[[0, 0], [1, 1], [2, 3]]);
        assert_eq!(&target[places.range(4..7, target)], "rote", "a whole word");
        assert_eq!(places.point(8, target.len()), 9);
        assert_eq!(places.range(7..8, target), 9..9, "a space");
        assert_eq!(Places::default().range(4..7, target), 0..target.len());
    }
}
