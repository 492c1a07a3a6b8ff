//! Normalisation of text, in the same steps as SentencePiece.

use super::Normalization;
use super::charsmap::Charsmap;
use crate::special_tokens::SPACE_MARK;

#[derive(Clone, Debug)]
pub(in crate::tokenizer) struct SpaceNormalizer {
    charsmap: Option<Charsmap>,
    /// Texts that stay as they are, the longest first.
    fixed: Vec<String>,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
}

impl SpaceNormalizer {
    /// Reads the table of replacements; the error describes its defect.
    pub fn new(from: &Normalization) -> Result<Self, String> {
        let charsmap = (!from.charsmap.is_empty()).then(|| Charsmap::new(&from.charsmap)).transpose()?;
        let Normalization { add_dummy_prefix, remove_extra_whitespaces, .. } = *from;
        Ok(Self { charsmap, fixed: Vec::new(), add_dummy_prefix, remove_extra_whitespaces })
    }

    /// Keeps these texts as they are.
    pub fn with_fixed(mut self, fixed: &[String]) -> Self {
        self.fixed = fixed.to_vec();
        self.fixed.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self
    }

    /// Returns the text to segment, with `▁` for spaces.
    pub fn normalize(&self, text: &str) -> String {
        self.normalize_with(text, SPACE_MARK)
    }

    /// Returns the normalised text, with `space` for spaces.
    pub fn normalize_with(&self, text: &str, space: char) -> String {
        let mut rest = text;
        if self.remove_extra_whitespaces {
            while let Some((" ", length)) = self.next(rest) {
                rest = &rest[length..];
            }
        }
        let mut normalized = String::with_capacity(text.len() + space.len_utf8());
        if self.add_dummy_prefix && !rest.is_empty() {
            normalized.push(space);
        }
        let mut after_space = self.remove_extra_whitespaces;
        while let Some((mut next, length)) = self.next(rest) {
            rest = &rest[length..];
            if after_space {
                next = next.trim_start_matches(' ');
            }
            normalized.extend(next.chars().map(|character| if character == ' ' { space } else { character }));
            if self.remove_extra_whitespaces && !next.is_empty() {
                after_space = next.ends_with(' ');
            }
        }
        if self.remove_extra_whitespaces {
            normalized.truncate(normalized.trim_end_matches(space).len());
        }
        normalized
    }

    /// Returns the replacement of a prefix of `text` and the bytes of that prefix, or `None` at the end.
    fn next<'a>(&'a self, text: &'a str) -> Option<(&'a str, usize)> {
        let length = text.chars().next()?.len_utf8();
        if let Some(fixed) = self.fixed.iter().find(|fixed| text.starts_with(fixed.as_str())) {
            return Some((&text[..fixed.len()], fixed.len()));
        }
        let replaced = self.charsmap.as_ref().and_then(|charsmap| charsmap.longest_match(text));
        Some(replaced.unwrap_or((&text[..length], length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalizer(add_dummy_prefix: bool, remove_extra_whitespaces: bool) -> SpaceNormalizer {
        let charsmap = super::super::charsmap::tests::table();
        SpaceNormalizer::new(&Normalization { charsmap, add_dummy_prefix, remove_extra_whitespaces }).unwrap()
    }

    #[test]
    fn spaces_are_removed_and_marked_as_set() {
        let text = " \t x  \ty ▁ ";
        assert_eq!(normalizer(true, true).normalize(text), "▁x▁y");
        assert_eq!(normalizer(false, true).normalize(text), "x▁y");
        assert_eq!(normalizer(true, false).normalize(text), "▁▁▁▁x▁▁▁y▁▁▁");
        assert_eq!(normalizer(true, true).normalize(" \t "), "");
        assert_eq!(normalizer(true, true).normalize(""), "");
    }

    #[test]
    fn an_empty_replacement_does_not_end_spaces() {
        assert_eq!(normalizer(false, true).normalize("x ab  x"), "x▁x");
        assert_eq!(normalizer(false, true).normalize("aab"), "b");
    }
}
