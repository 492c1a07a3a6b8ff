//! The rules of normalisation.

use serde::{Deserialize, Serialize};

/// What is changed in text before tokenisation, in training and in use alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalizationRule {
    /// White space and line breaks become single spaces, none at the edges; characters without meaning (soft hyphen,
    /// zero-width space, word joiner, byte order mark, controls) are removed; characters are composed (Unicode NFC).
    #[default]
    Nfc,
    /// As `"nfc"`, but characters are decomposed (Unicode NFD): Hangul syllables into letters, `é` into `e` and an accent.
    /// With `kind = "character"`, parts of characters are tokens. Decoding composes them again.
    Nfd,
    /// SentencePiece's `nmt_nfkc`: single spaces as with `"nfc"`, and compatibility forms become ordinary ones (Unicode
    /// NFKC): `ﬁ` becomes `fi`, full-width letters ASCII. Zero-width characters other than the joiner become spaces.
    NmtNfkc,
    /// Nothing but `nfc` and `lowercase`: all spaces and invisible characters are tokens.
    Lossless,
}

impl NormalizationRule {
    /// Returns the value of `tokenizer.normalization`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nfc => "nfc",
            Self::Nfd => "nfd",
            Self::NmtNfkc => "nmt_nfkc",
            Self::Lossless => "lossless",
        }
    }
}
