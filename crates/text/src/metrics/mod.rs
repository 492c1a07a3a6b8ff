//! Quality metrics against references: exact match, token error rate, and BLEU, chrF and chrF++ equal to sacreBLEU's.
//!
//! ```
//! use text::metrics::{Bleu, Chrf};
//!
//! let (hypotheses, references) = (["The cat sat on a mat."], ["The cat sat on the mat."]);
//! let bleu = Bleu::default();
//! assert_eq!(
//!     bleu.score(&hypotheses, &references).unwrap().with_signature(&bleu.signature()),
//!     "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 48.89 85.7/66.7/40.0/25.0 \
//!      (BP = 1.000 ratio = 1.000 hyp_len = 7 ref_len = 7)"
//! );
//! assert_eq!(Chrf::plus_plus().score(&hypotheses, &references).unwrap().to_string(), "chrF2++ = 68.44");
//! ```

mod bleu;
mod chrf;
mod error_rate;
mod exact;
mod ngrams;
mod tokenize_13a;

pub use bleu::{Bleu, BleuScore, BleuTokenization};
pub use chrf::{Chrf, ChrfScore};
pub use error_rate::token_error_rate;
pub use exact::exact_match;

use crate::TextError;

/// The version of sacreBLEU with equal scores; part of every signature.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// Checks that there are as many references as hypotheses, and at least one.
fn check_counts(hypotheses: usize, references: usize) -> Result<(), TextError> {
    if hypotheses != references {
        return Err(TextError::UnequalScored { hypotheses, references });
    }
    if hypotheses == 0 {
        return Err(TextError::Empty { origin: "the translations to score".into() });
    }
    Ok(())
}

/// Returns the value of `case` in a signature.
fn case(lowercase: bool) -> &'static str {
    if lowercase { "lc" } else { "mixed" }
}

/// Returns whether Python's `str.split` treats a character as white space: Unicode's, and four control characters.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Splits `text` at white space like Python's `str.split`.
fn split_spaces(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}
