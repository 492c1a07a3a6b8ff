//! Token error rate.

use super::check_counts;
use crate::TextError;

/// Returns the token error rate: the edits that turn the hypotheses into the references, divided by the tokens of the
/// references.
///
/// An edit inserts, deletes or replaces a token (Levenshtein distance). The rate exceeds 1 where hypotheses are much longer
/// than their references. With phones as tokens it is the phone error rate, with characters the character error rate, with
/// the words of a transcript the word error rate of speech recognition.
///
/// # Errors
/// Different numbers of hypotheses and references, none, or references without a token.
///
/// ```
/// let rate = text::token_error_rate(&[vec!["h", "e", "l", "o"]], &[vec!["h", "a", "l", "l", "o"]]).unwrap();
/// assert_eq!(rate, 0.4);
/// ```
pub fn token_error_rate<T: PartialEq>(hypotheses: &[Vec<T>], references: &[Vec<T>]) -> Result<f64, TextError> {
    check_counts(hypotheses.len(), references.len())?;
    let tokens: usize = references.iter().map(Vec::len).sum();
    if tokens == 0 {
        return Err(TextError::Empty { origin: "the references".into() });
    }
    let edits: usize =
        hypotheses.iter().zip(references).map(|(hypothesis, reference)| distance(hypothesis, reference)).sum();
    Ok(edits as f64 / tokens as f64)
}

/// Returns the Levenshtein distance, by rows of Wagner and Fischer's table.
fn distance<T: PartialEq>(hypothesis: &[T], reference: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=reference.len()).collect();
    for (deleted, token) in hypothesis.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = deleted + 1;
        for (column, expected) in reference.iter().enumerate() {
            let replaced = diagonal + usize::from(token != expected);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[reference.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn characters(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn distances_of_known_pairs() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("intention", "execution", 5),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(&characters(one), &characters(other)), expected, "{one} {other}");
            assert_eq!(distance(&characters(other), &characters(one)), expected, "{other} {one}");
        }
    }

    #[test]
    fn rate_is_over_all_tokens() {
        let rate = |hypotheses: &[&str], references: &[&str]| {
            let split = |texts: &[&str]| texts.iter().map(|text| characters(text)).collect::<Vec<_>>();
            token_error_rate(&split(hypotheses), &split(references))
        };
        assert_eq!(rate(&["a", "bcd"], &["a", "bce"]).unwrap(), 0.25);
        assert_eq!(rate(&["aaaa"], &["b"]).unwrap(), 4.0);
        assert!(rate(&["a"], &["a", "b"]).is_err());
        assert!(rate(&["a"], &[""]).is_err());
    }
}
