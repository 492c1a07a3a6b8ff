//! How close translations come to their references: exact match, and BLEU, chrF and chrF++ as sacreBLEU computes them.
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
mod exact;
mod ngrams;
mod tokenize_13a;

pub use bleu::{Bleu, BleuScore, BleuTokenization};
pub use chrf::{Chrf, ChrfScore};
pub use exact::exact_match;

use crate::TextError;

/// The version of sacreBLEU whose scores these are, digit for digit; it ends every signature.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// Checks that one reference belongs to each hypothesis, and that there are any.
fn check_counts(hypotheses: usize, references: usize) -> Result<(), TextError> {
    if hypotheses != references {
        return Err(TextError::UnequalScored { hypotheses, references });
    }
    if hypotheses == 0 {
        return Err(TextError::Empty { origin: "the translations to score".into() });
    }
    Ok(())
}

/// The value of `case` in a signature.
fn case(lowercase: bool) -> &'static str {
    if lowercase { "lc" } else { "mixed" }
}

/// White space as Python's `str.split` sees it: Unicode's, and four control characters.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The parts of `text` between white space, as Python's `str.split` gives them.
fn split_spaces(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}
