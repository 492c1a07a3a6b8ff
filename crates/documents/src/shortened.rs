//! A text without the middle of its long runs of spaces and marks.
//!
//! **Why:** the rule of Unicode about a lower-case letter after a dot (UAX #29, SB8) looks ahead from every space and closing
//! mark between them. In a run of 100,000 spaces that takes minutes. A sentence ends near the beginning of such a run or at
//! its end, since a mark that ends a sentence ends the run.

use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Characters that are kept at each end of a run.
const KEPT: usize = 32;

/// A text, shortened, and where its parts were.
#[derive(Debug)]
pub(crate) struct Shortened<'a> {
    pub text: Cow<'a, str>,
    /// For each removed part: its place in `text`, and the bytes that were removed up to there.
    removed: Vec<(usize, usize)>,
}

impl<'a> Shortened<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut removed = Vec::new();
        let (mut shortened, mut kept, mut total) = (String::new(), 0, 0);
        for run in runs(text) {
            shortened.push_str(&text[kept..run.start]);
            total += run.len();
            removed.push((shortened.len(), total));
            kept = run.end;
        }
        if removed.is_empty() {
            return Self { text: Cow::Borrowed(text), removed };
        }
        shortened.push_str(&text[kept..]);
        Self { text: Cow::Owned(shortened), removed }
    }

    /// The place in the original text of a place in the shortened one.
    pub fn original(&self, at: usize) -> usize {
        let before = self.removed.partition_point(|(place, _)| *place <= at);
        at + before.checked_sub(1).map_or(0, |last| self.removed[last].1)
    }
}

/// The middle of each long run of characters that are no letters, digits, ends of a sentence or ends of a paragraph.
fn runs(text: &str) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut run: Vec<usize> = Vec::new();
    // A combining mark belongs to the character before it.
    for (at, cluster) in text.grapheme_indices(true).chain([(text.len(), "a")]) {
        if cluster.starts_with(in_run) {
            run.extend(cluster.char_indices().map(|(offset, _)| at + offset));
        } else {
            if run.len() > 2 * KEPT {
                runs.push(run[KEPT]..run[run.len() - KEPT]);
            }
            run.clear();
        }
    }
    runs
}

fn in_run(character: char) -> bool {
    let ends_paragraph = matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let ends_sentence = matches!(
        character,
        '.' | '!' | '?' | '。' | '．' | '！' | '？' | '｡' | '؟' | '۔' | '।' | '॥' | '։' | '‼' | '⁇' | '⁈' | '⁉'
    );
    !character.is_alphanumeric() && !ends_paragraph && !ends_sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_original() {
        let text = format!("a{}b, c{}d\u{2028}e{}", " ".repeat(1000), ")".repeat(65), "»".repeat(100));
        let shortened = Shortened::new(&text);
        assert_eq!(shortened.text.chars().count(), "ab, cd\u{2028}e".chars().count() + 3 * 64);
        for letter in ["a", "b", "c", "d", "e"] {
            let at = shortened.text.find(letter).expect("a letter");
            assert_eq!(Some(shortened.original(at)), text.find(letter), "{letter}");
        }
        assert_eq!(shortened.original(shortened.text.len()), text.len());
        assert_eq!(shortened.original(0), 0);
    }

    #[test]
    fn short_runs_stay() {
        let text = format!("a{}b", ") ".repeat(KEPT));
        let shortened = Shortened::new(&text);
        assert_eq!(shortened.text, text);
        assert_eq!(shortened.original(5), 5);
        let text = format!("a{}.{}b", " ".repeat(64), " ".repeat(64));
        assert_eq!(Shortened::new(&text).text, text, "a dot ends a run");
    }
}
