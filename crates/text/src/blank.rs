//! Text without content: white space and invisible characters.

/// Invisible characters outside the controls (Cc): `Default_Ignorable_Code_Point` and format characters (Cf) of Unicode 17,
/// without the visible signs that enclose numbers (`Prepended_Concatenation_Mark`).
const INVISIBLE: [(char, char); 18] = [
    ('\u{ad}', '\u{ad}'),       // soft hyphen
    ('\u{34f}', '\u{34f}'),     // combining grapheme joiner
    ('\u{61c}', '\u{61c}'),     // Arabic letter mark
    ('\u{115f}', '\u{1160}'),   // Hangul fillers
    ('\u{17b4}', '\u{17b5}'),   // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),   // Mongolian selectors
    ('\u{200b}', '\u{200f}'),   // zero-width space and joiners, marks of direction
    ('\u{202a}', '\u{202e}'),   // embeddings and overrides
    ('\u{2060}', '\u{206f}'),   // word joiner, invisible operators, isolates
    ('\u{3164}', '\u{3164}'),   // Hangul filler
    ('\u{fe00}', '\u{fe0f}'),   // variation selectors
    ('\u{feff}', '\u{feff}'),   // byte order mark
    ('\u{ffa0}', '\u{ffa0}'),   // halfwidth Hangul filler
    ('\u{fff0}', '\u{fffb}'),   // unassigned, interlinear annotation
    ('\u{13430}', '\u{1343f}'), // Egyptian hieroglyph joiners
    ('\u{1bca0}', '\u{1bca3}'), // shorthand format controls
    ('\u{1d173}', '\u{1d17a}'), // musical format controls
    ('\u{e0000}', '\u{e0fff}'), // tags and variation selectors
];

/// Returns whether `text` has no content: it is empty, or consists of white space, control characters and invisible
/// characters, such as a zero-width space or a byte order mark.
///
/// A blank source has the empty translation, and training drops pairs with a blank side.
///
/// ```
/// assert!(text::is_blank("") && text::is_blank(" \t\u{a0}\r\n") && text::is_blank("\u{feff}\u{200b}\u{ad}"));
/// assert!(!text::is_blank(" . "));
/// ```
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|character| character.is_whitespace() || is_invisible(character))
}

/// Returns whether a character is a control or another character without a form of its own.
fn is_invisible(character: char) -> bool {
    character.is_control() || INVISIBLE.iter().any(|&(first, last)| (first..=last).contains(&character))
}
