//! Borders of sentences: those of Unicode (UAX #29), less those within a sentence by the rules of its language.

use std::collections::HashSet;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::language::Language;
use crate::shortened::Shortened;

/// Bytes before a dot that can decide whether it ends a sentence.
const TAIL_BYTES: usize = 128;

/// Splits text into sentences.
///
/// ```
/// use documents::Segmenter;
///
/// let text = "Dr. Smith paid $3.50 to J. R. Ewing.  He left…\nWhy?";
/// let sentences: Vec<&str> = Segmenter::new(Some("en")).sentences(text).map(|range| &text[range]).collect();
/// assert_eq!(sentences, ["Dr. Smith paid $3.50 to J. R. Ewing.", "He left…", "Why?"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Segmenter {
    language: &'static Language,
}

impl Segmenter {
    /// A segmenter with the rules of a language, such as `en` or `pt-BR`, or with those of all languages together.
    pub fn new(language: Option<&str>) -> Self {
        Self { language: Language::of(language) }
    }

    /// The byte ranges of the sentences, without the white space around them. A line break always ends a sentence.
    pub fn sentences(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        let mut sentences = Vec::new();
        for border in self.borders(text) {
            let piece = &text[start..border];
            let trimmed = piece.trim();
            if !trimmed.is_empty() {
                let from = start + (piece.len() - piece.trim_start().len());
                sentences.push(from..from + trimmed.len());
            }
            start = border;
        }
        sentences.into_iter()
    }

    /// The ends of the sentences with the white space that follows each; the last is the end of the text.
    pub fn borders(&self, text: &str) -> Vec<usize> {
        let mut borders = Vec::new();
        let mut start = 0;
        let shortened = Shortened::new(text);
        for (from, piece) in shortened.text.split_sentence_bound_indices() {
            let piece_start = shortened.original(from);
            let piece = &text[piece_start..shortened.original(from + piece.len())];
            // Unicode counts an opening bracket to what precedes it.
            let before = text[start..piece_start.max(start)].trim_end_matches(['「', '『', '《', '（']).len();
            let at = if before > 0 { start + before } else { piece_start };
            // A border of Unicode is kept unless the text on both sides belongs together.
            if at > 0 && !self.joins(&text[start..at], &text[at..]) {
                borders.push(at);
                start = at;
            }
            for found in ellipses(piece).map(|offset| piece_start + offset) {
                borders.push(found);
                start = found;
            }
        }
        if !text.is_empty() {
            borders.push(text.len());
        }
        borders.dedup();
        borders
    }

    /// Whether a sentence continues from `left`, its beginning, to `right`.
    fn joins(&self, left: &str, right: &str) -> bool {
        if left.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            return false;
        }
        let (text, next) = (left.trim_end(), right.trim_start_matches(is_opening));
        if self.language.continues.iter().any(|word| text.ends_with(is_cjk_closing) && next.starts_with(word)) {
            return true;
        }
        let Some(first) = next.chars().next() else { return false };
        // `Yahoo! is`, `"Why?" he asked`: no sentence begins with a lower-case letter.
        if first.is_lowercase() || right.trim_start().starts_with('»') {
            return true;
        }
        // `System.Out`, `1.2.B`, `Yahoo!Mail`: ASCII punctuation ends a sentence only before a space.
        if text.len() == left.len() && text.ends_with(['.', '?', '!']) && text.len() > 1 && !first.is_whitespace() {
            return first.is_alphanumeric();
        }
        let Some(before) = text.strip_suffix('.').filter(|before| !before.ends_with('.')) else { return false };
        self.is_abbreviation(before, next, first)
    }

    /// Whether the dot between `before` and `next` abbreviates rather than ends a sentence.
    fn is_abbreviation(&self, before: &str, next: &str, first: char) -> bool {
        let language = self.language;
        let tail = tail(before);
        let (earlier, word) = last_word(tail);
        let begins_line = tail.len() == before.len() && earlier.trim().is_empty();
        let compact: String =
            word.chars().filter(|character| !character.is_whitespace() && *character != '-').collect();
        let short = compact.rsplit('.').next().unwrap_or_default();
        // `Ca.`, `Ул.`: an abbreviation at the start of a sentence.
        let mut letters = compact.chars();
        let lower: String = letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
        let knows = |words: &HashSet<&str>| words.contains(&compact[..]) || words.contains(&lower[..]);
        if compact.is_empty() {
            return false;
        }
        // `1. First point`: the number of a line.
        let is_number = compact.chars().all(|character| character.is_numeric());
        if begins_line && (is_number || short.chars().count() == 1 && compact == short) {
            return true;
        }
        if knows(&language.always) {
            return true;
        }
        if knows(&language.number) && first.is_numeric() {
            return true;
        }
        // Without capital letters and words to go by, a sentence ends.
        let starts_sentence = self.is_starter(next) || language.starters.is_empty() && knows(&language.ending);
        if is_number {
            return language.ordinals && compact.chars().count() <= 2 && first.is_alphabetic() && !starts_sentence;
        }
        let is_initial = short.chars().count() == 1 && short.chars().all(char::is_alphabetic);
        (is_initial || knows(&language.ending)) && !starts_sentence
    }

    fn is_starter(&self, next: &str) -> bool {
        let end = next.find(|character: char| !character.is_alphanumeric()).unwrap_or(next.len());
        let word = &next[..end];
        // `L'eau`, `C'est`: listed with their apostrophe.
        let elided = next[end..].starts_with(['\'', '’']).then(|| format!("{word}'"));
        self.language.starters.contains(word) || elided.is_some_and(|word| self.language.starters.contains(&word[..]))
    }
}

/// The end of a text, long enough for every abbreviation. Reading further back would make long texts slow.
fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The text before the last word of `text`, and the word: `Dr`, `e.g`, and over spaces `J. R`, `z. B`.
fn last_word(text: &str) -> (&str, &str) {
    let is_border = |character: char| character.is_whitespace() || is_opening(character) || character == '/';
    let begin =
        |text: &str| text.rfind(is_border).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let mut start = begin(text);
    // A single letter joins the single letters before it.
    while text[start..].trim_start().chars().take_while(|character| *character != '.').count() == 1 {
        let earlier = text[..start].trim_end_matches([' ', '\u{a0}', '\u{202f}']);
        let Some(letter) = earlier.strip_suffix('.') else { break };
        let from = begin(letter);
        if letter[from..].chars().count() != 1 || !letter[from..].chars().all(char::is_alphabetic) {
            break;
        }
        start = from;
    }
    (&text[..start], &text[start..])
}

/// Ends of sentences at an ellipsis before a capital letter, which Unicode does not list; white space included.
fn ellipses(piece: &str) -> impl Iterator<Item = usize> {
    piece.match_indices('…').filter_map(|(at, mark)| {
        let rest = piece[at + mark.len()..].trim_start_matches(is_closing);
        let next = rest.trim_start();
        let begins = next.trim_start_matches(is_opening).chars().next().is_some_and(char::is_uppercase);
        (begins && next.len() < rest.len()).then(|| piece.len() - next.len())
    })
}

fn is_opening(character: char) -> bool {
    matches!(
        character,
        '"' | '\''
            | '('
            | '['
            | '{'
            | '“'
            | '‘'
            | '„'
            | '‚'
            | '«'
            | '‹'
            | '¿'
            | '¡'
            | '「'
            | '『'
            | '《'
            | '（'
            | '»'
            | '›'
    )
}

fn is_closing(character: char) -> bool {
    matches!(character, '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '“' | '»' | '›' | '」' | '』' | '》' | '）')
}

fn is_cjk_closing(character: char) -> bool {
    matches!(character, '」' | '』' | '”' | '》' | '）')
}
