//! The bytes of each token in its text.

use std::ops::Range;

use text::Tokenizer;

/// A token, by what it stands for in a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    /// Its text without white space and marks, as far as a label shows it.
    text: String,
    /// The bytes of its text; `None` if it stands for any text outside the vocabulary.
    len: Option<usize>,
}

impl Token {
    /// The token with this label in a vocabulary.
    pub fn new(label: &str, tokenizer: &Tokenizer) -> Self {
        let text = label.chars().filter(|&character| !character.is_whitespace() && character != '▁').collect();
        Self { text, len: tokenizer.text_bytes(label) }
    }

    /// A token that stands for no text, such as one around a text.
    pub fn around() -> Self {
        Self { text: String::new(), len: Some(0) }
    }
}

/// The bytes of each token in a text, both in the order of the text.
///
/// White space counts neither in the text nor in its tokens. A token outside the vocabulary has the bytes up to the next
/// place of the tokens that follow it. Where a text has other bytes than its tokens, because it was normalised, places
/// are scaled.
pub(crate) fn locate(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let compact: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    // The place of each byte of `compact` in the text.
    let places: Vec<usize> = text
        .char_indices()
        .filter(|(_, character)| !character.is_whitespace())
        .flat_map(|(at, character)| at..at + character.len_utf8())
        .collect();
    let lengths = lengths(&compact, tokens);
    let total: usize = lengths.iter().sum();
    if compact.is_empty() || total == 0 {
        return vec![0..0; tokens.len()];
    }
    let scaled = |place: usize| place * compact.len() / total;
    let mut start = 0;
    let ranges = lengths.iter().map(|length| {
        let (from, to) = (scaled(start), scaled(start + length));
        start += length;
        if from == to {
            let at = places.get(compact.floor_char_boundary(from)).copied().unwrap_or(text.len());
            return at..at;
        }
        // A token of some bytes of a character has the whole character.
        places[compact.floor_char_boundary(from)]..places[compact.ceil_char_boundary(to) - 1] + 1
    });
    ranges.collect()
}

/// The bytes of each token.
fn lengths(compact: &str, tokens: &[Token]) -> Vec<usize> {
    let known: usize = tokens.iter().filter_map(|token| token.len).sum();
    let mut lengths: Vec<usize> = tokens.iter().map(|token| token.len.unwrap_or(0)).collect();
    // What is left for tokens outside the vocabulary.
    let mut left = compact.len().saturating_sub(known);
    let mut runs_left = runs(tokens).count();
    let mut at = 0;
    let mut end = 0;
    for run in runs(tokens) {
        at += lengths[end..run.start].iter().sum::<usize>();
        end = run.end;
        let following: String =
            tokens[end..].iter().take_while(|token| token.len.is_some()).map(|token| &token.text[..]).collect();
        let next = compact.get(compact.floor_char_boundary(at)..).filter(|_| !following.is_empty() && runs_left > 1);
        let found = next.and_then(|next| next.find(&following)).filter(|found| *found <= left);
        let taken = if runs_left == 1 { left } else { found.unwrap_or(left / runs_left) };
        for (index, length) in lengths[run.clone()].iter_mut().enumerate() {
            *length = taken * (index + 1) / run.len() - taken * index / run.len();
        }
        at += taken;
        left -= taken;
        runs_left -= 1;
    }
    lengths
}

/// The runs of tokens outside the vocabulary.
fn runs(tokens: &[Token]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + tokens[at..].iter().position(|token| token.len.is_none())?;
        at = tokens[start..].iter().position(|token| token.len.is_some()).map_or(tokens.len(), |len| start + len);
        Some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use text::{TokenizerConfig, TokenizerKind};

    use super::*;

    fn located(text: &str, labels: &[&str]) -> Vec<Range<usize>> {
        let config = TokenizerConfig { kind: TokenizerKind::Whitespace, ..TokenizerConfig::default() };
        let tokenizer = Tokenizer::train(&config, ["a"].iter()).expect("a vocabulary");
        let tokens: Vec<Token> = labels.iter().map(|label| Token::new(label, &tokenizer)).collect();
        locate(text, &tokens)
    }

    fn texts<'a>(text: &'a str, labels: &[&str]) -> Vec<&'a str> {
        located(text, labels).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn tokens_are_located_by_their_bytes() {
        assert_eq!(located("a bcd e", &["▁a", "▁b", "cd", "▁", "e"]), [0..1, 2..3, 3..5, 6..6, 6..7]);
        assert_eq!(texts("…b", &["▁...", "b"]), ["…", "b"], "normalised");
        assert_eq!(texts("é b", &["▁e\u{301}", "▁b"]), ["é", "b"], "scaled");
        assert_eq!(texts("", &["▁a"]), [""]);
        assert_eq!(texts("a", &[""]), [""]);
    }

    #[test]
    fn bytes_have_the_whole_character() {
        assert_eq!(texts("a 猫b", &["▁a", "▁", "<0xE7>", "<0x8C>", "<0xAB>", "b"]), ["a", "", "猫", "猫", "猫", "b"]);
    }

    #[test]
    fn unknown_words_have_what_others_leave() {
        assert_eq!(texts("1 2 xyzxyz 5", &["1", "2", "<unk>", "5"]), ["1", "2", "xyzxyz", "5"]);
        assert_eq!(texts("x 1 2", &["<unk>", "1", "2"]), ["x", "1", "2"]);
        assert_eq!(texts("1 猫", &["1", "<unk>"]), ["1", "猫"]);
        let two = texts("abcdef 1 2 gh 3", &["<unk>", "1", "2", "<unk>", "3"]);
        assert_eq!(two, ["abcdef", "1", "2", "gh", "3"], "up to the tokens that follow");
        assert_eq!(texts("abcd ef 1", &["<unk>", "<unk>", "1"]), ["abc", "d ef", "1"], "shared");
        assert_eq!(texts("1 2", &["1", "<unk>", "2"]), ["1", "", "2"], "nothing is left");
    }
}
