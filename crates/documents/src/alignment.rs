//! From the alignment of tokens to places in texts.

use std::ops::Range;

use text::Direction;

/// A text and its tokens in the order of the network.
pub(crate) struct Tokens<'a> {
    pub text: &'a str,
    pub labels: &'a [String],
    pub direction: Direction,
}

impl Tokens<'_> {
    /// The bytes of each token in the text.
    fn locate(&self) -> Vec<Range<usize>> {
        let in_text = self.direction.ordered(self.labels.iter().collect());
        self.direction.ordered(locate(self.text, &in_text))
    }
}

/// The bytes of a source and of its translation that are aligned.
///
/// Tokens are located by their characters other than white space, since both sides may be normalised. Where a text has more
/// or fewer of them than its tokens, for example because of normalisation, places are scaled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    source: Vec<Range<usize>>,
    target: Vec<Range<usize>>,
    pairs: Vec<[usize; 2]>,
}

impl Places {
    /// The places of aligned tokens: pairs of source and target token, and the tokens of both sides.
    pub fn new(source: Tokens, target: Tokens, pairs: &[[usize; 2]]) -> Self {
        let (source, target) = (source.locate(), target.locate());
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

/// The bytes of each token in its text.
fn locate(text: &str, tokens: &[&String]) -> Vec<Range<usize>> {
    let is_mark = |character: char| character.is_whitespace() || character == '▁';
    let characters: Vec<(usize, usize)> = text
        .char_indices()
        .filter(|(_, character)| !character.is_whitespace())
        .map(|(at, character)| (at, at + character.len_utf8()))
        .collect();
    let lengths: Vec<usize> =
        tokens.iter().map(|token| token.chars().filter(|&character| !is_mark(character)).count()).collect();
    let total: usize = lengths.iter().sum();
    if characters.is_empty() || total == 0 {
        return vec![0..0; tokens.len()];
    }
    let mut start = 0;
    let scaled = |place: usize| place * characters.len() / total;
    let ranges = lengths.iter().map(|length| {
        let (from, to) = (scaled(start), scaled(start + length));
        start += length;
        match from < to {
            true => characters[from].0..characters[to - 1].1,
            false => {
                let at = characters.get(from).map_or(text.len(), |(at, _)| *at);
                at..at
            }
        }
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| label.to_string()).collect()
    }

    fn located(text: &str, labels: &[&str], direction: Direction) -> Vec<Range<usize>> {
        Tokens { text, labels: &self::labels(labels), direction }.locate()
    }

    #[test]
    fn tokens_are_located_by_their_characters() {
        let forward = Direction::LeftToRight;
        let places = [0..1, 2..3, 3..5, 6..6, 6..7];
        assert_eq!(located("a bcd e", &["▁a", "▁b", "cd", "▁", "e"], forward), places);
        let mut reversed = located("a bcd e", &["e", "▁", "cd", "▁b", "▁a"], Direction::RightToLeft);
        reversed.reverse();
        assert_eq!(reversed, places);
        assert_eq!(located("…b", &["▁...", "b"], forward), [0..3, 3..4], "scaled");
        assert_eq!(located("", &["▁a"], forward).first(), Some(&(0..0)));
    }

    #[test]
    fn ranges_follow_the_alignment() {
        let (source, target) = ("the red house", "das rote Haus");
        let (source_tokens, target_tokens) =
            (labels(&["▁the", "▁red", "▁house"]), labels(&["▁das", "▁ro", "te", "▁Haus"]));
        let forward = |text, labels| Tokens { text, labels, direction: Direction::LeftToRight };
        let places =
            Places::new(forward(source, &source_tokens), forward(target, &target_tokens), &[[0, 0], [1, 1], [2, 3]]);
        assert_eq!(&target[places.range(4..7, target)], "rote", "a whole word");
        assert_eq!(places.point(8, target.len()), 9);
        assert_eq!(places.range(7..8, target), 9..9, "a space");
        assert_eq!(Places::default().range(4..7, target), 0..target.len());
    }
}
