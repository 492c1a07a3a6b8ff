//! Normalisation of text before tokenisation: an explicit part of a tokenizer file.
//!
//! [`TextNormalizer`] is the definition. A tokenizer file expresses the same steps as normalizers of the Hugging Face
//! `tokenizers` library (`steps`), from which the normalizer is recognised again. Other programs that read the file agree,
//! except for three details:
//!
//! * their NFC and NFD have the tables of Unicode 9, this one those of Unicode 17,
//! * a capital sigma after more than two combining marks is never final for them,
//! * their form of SentencePiece's table replaces whole graphemes, once; here it is applied until nothing changes.

mod double_array;
mod nmt_nfkc;
mod rule;
mod steps;

use std::borrow::Cow;

pub use rule::NormalizationRule;
pub(super) use steps::{recognise, steps};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::sentencepiece::{Normalization, SpaceNormalizer};
use crate::case::lowercase;

/// The normalizer of a tokenizer file.
#[derive(Clone, Debug)]
pub(super) struct TextNormalizer {
    form: Form,
    lowercase: bool,
}

/// A rule with what it needs.
#[derive(Clone, Debug)]
enum Form {
    Nfc,
    Nfd,
    NmtNfkc(Box<SpaceNormalizer>),
    Lossless { nfc: bool },
}

impl TextNormalizer {
    /// The normalizer of a rule. `charsmap` is the table of [`NormalizationRule::NmtNfkc`]; the error describes its defect.
    pub fn new(rule: NormalizationRule, lowercase: bool, nfc: bool, charsmap: &[u8]) -> Result<Self, String> {
        let form = match rule {
            NormalizationRule::Nfc => Form::Nfc,
            NormalizationRule::Nfd => Form::Nfd,
            NormalizationRule::NmtNfkc => {
                let from = Normalization {
                    charsmap: charsmap.to_vec(),
                    add_dummy_prefix: false,
                    remove_extra_whitespaces: true,
                };
                Form::NmtNfkc(Box::new(SpaceNormalizer::new(&from)?))
            }
            NormalizationRule::Lossless => Form::Lossless { nfc },
        };
        Ok(Self { form, lowercase })
    }

    /// Returns the rule.
    pub fn rule(&self) -> NormalizationRule {
        match self.form {
            Form::Nfc => NormalizationRule::Nfc,
            Form::Nfd => NormalizationRule::Nfd,
            Form::NmtNfkc(_) => NormalizationRule::NmtNfkc,
            Form::Lossless { .. } => NormalizationRule::Lossless,
        }
    }

    /// Normalises `text`. Normalising twice changes nothing.
    pub fn normalize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.form {
            Form::Nfc => self.nfc(spaced(text)),
            Form::Nfd => self.nfd(spaced(text)),
            Form::NmtNfkc(table) => self.until_stable(text, table),
            Form::Lossless { nfc: true } => self.nfc(Cow::Borrowed(text)),
            Form::Lossless { nfc: false } => self.cased(Cow::Borrowed(text)),
        }
    }

    /// Lower case, then NFC: lower-casing may decompose.
    fn nfc<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        let text = self.cased(text);
        match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => text,
            IsNormalized::No | IsNormalized::Maybe => text.nfc().collect::<String>().into(),
        }
    }

    fn nfd<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        let text = self.cased(text);
        match text.is_ascii() {
            true => text,
            false => text.nfd().collect::<String>().into(),
        }
    }

    fn cased<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if self.lowercase { lowercase(&text).into() } else { text }
    }

    /// Applies the table until nothing changes. Once is not enough for a ligature before a combining mark, for example.
    fn until_stable<'a>(&self, text: &'a str, table: &SpaceNormalizer) -> Cow<'a, str> {
        if !self.lowercase && is_clean_ascii(text) {
            return text.into();
        }
        let mut stable = Cow::Borrowed(text);
        for _ in 0..MAX_PASSES {
            let next = self.cased(table.normalize_with(&stable, ' ').into());
            if next == stable {
                break;
            }
            stable = next.into_owned().into();
        }
        stable
    }
}

/// Bound of the passes of a table. Each pass composes or replaces something for good; three are usual at most.
const MAX_PASSES: usize = 64;

/// Returns `text` without characters that have no meaning and with single spaces, none at the edges.
fn spaced(text: &str) -> Cow<'_, str> {
    if is_clean(text) {
        return text.into();
    }
    let mut spaced = String::with_capacity(text.len());
    let mut after_word = false;
    for character in text.chars().filter(|character| !is_meaningless(*character)) {
        if character.is_whitespace() {
            after_word = !spaced.is_empty();
            continue;
        }
        if after_word {
            spaced.push(' ');
            after_word = false;
        }
        spaced.push(character);
    }
    spaced.into()
}

/// Returns whether a character is removed: controls other than white space, the soft hyphen, the zero-width space, the word
/// joiner and the invisible operators beside it, the byte order mark, and deprecated format characters.
///
/// Joiners, marks of direction and variation selectors are kept: Persian, Indic scripts, mixed directions and emoji need them.
pub(super) fn is_meaningless(character: char) -> bool {
    match character {
        '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => true,
        _ => character.is_control() && !character.is_whitespace(),
    }
}

/// Returns whether [`spaced`] changes nothing, which holds for most lines.
fn is_clean(text: &str) -> bool {
    let mut after_space = true;
    for character in text.chars() {
        let space = character == ' ';
        let unclean = if space {
            after_space
        } else {
            !('!'..='~').contains(&character) && (character.is_whitespace() || is_meaningless(character))
        };
        if unclean {
            return false;
        }
        after_space = space;
    }
    !after_space || text.is_empty()
}

/// Returns whether `text` is printable ASCII with single spaces, none at the edges.
fn is_clean_ascii(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && is_clean(text)
}
