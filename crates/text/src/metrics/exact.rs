//! Exact match.

use super::check_counts;
use crate::TextError;

/// Returns the fraction of hypotheses that equal their reference, from 0 to 1.
///
/// # Errors
/// Different numbers of hypotheses and references, or none.
///
/// ```
/// assert_eq!(text::exact_match(&["a b", "c"], &["a b", "d"]).unwrap(), 0.5);
/// assert!(text::exact_match(&["a b"], &["a b", "d"]).is_err());
/// ```
pub fn exact_match(hypotheses: &[impl AsRef<str>], references: &[impl AsRef<str>]) -> Result<f64, TextError> {
    check_counts(hypotheses.len(), references.len())?;
    let equal = hypotheses
        .iter()
        .zip(references)
        .filter(|(hypothesis, reference)| hypothesis.as_ref() == reference.as_ref())
        .count();
    Ok(equal as f64 / hypotheses.len() as f64)
}
