//! Lower case by the full rules of Unicode.

/// Returns `text` in lower case, by the full mappings of Unicode, context included: a capital sigma at the end of a word
/// becomes `ς` (`Final_Sigma`), and `İ` becomes `i` with a dot above.
///
/// Tokenizers with `lowercase` and metrics that ignore case both use this function. Rules of single languages, such as
/// Turkish `I` to `ı`, are not applied.
///
/// ```
/// assert_eq!(text::lowercase("Ο ΔΡΟΜΟΣ, ΟΔΟΣ"), "ο δρομος, οδος");
/// ```
pub fn lowercase(text: &str) -> String {
    text.to_lowercase()
}
