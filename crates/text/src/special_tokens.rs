//! Special tokens and their roles, and the byte tokens of subword vocabularies.
//!
//! Every vocabulary has one layout, which the network relies on:
//!
//! | id | token | role |
//! |---|---|---|
//! | 0 | `</s>` | end of a sentence |
//! | 1 | `<unk>` | unknown: text outside the vocabulary |
//! | 2 to 257 | `<0x00>` to `<0xFF>` | bytes of characters outside the vocabulary; BPE, unigram and bytes only |
//! | … | | learned tokens |
//! | last | `<pad>` | padding of a batch, and the decoder start where no template has another |

/// Id of `</s>`, the end of a sentence.
pub const END_ID: u32 = 0;
/// Id of `<unk>`, the token of text outside the vocabulary.
pub const UNKNOWN_ID: u32 = 1;

/// Label of [`END_ID`].
pub(crate) const END: &str = "</s>";
/// Label of [`UNKNOWN_ID`].
pub(crate) const UNKNOWN: &str = "<unk>";
/// Label of the padding id, the last of every vocabulary.
pub(crate) const PAD: &str = "<pad>";

/// Number of special tokens in every vocabulary: `</s>`, `<unk>`, `<pad>`.
pub(crate) const SPECIAL_TOKENS: usize = 3;
/// Id of the first token after `</s>` and `<unk>`: a byte token in subword vocabularies, a word otherwise.
pub(crate) const FIRST_ORDINARY_ID: usize = 2;
/// Number of byte tokens in a vocabulary that has them.
pub(crate) const BYTE_TOKENS: usize = 256;

/// Replaces a space in a subword, and precedes each line.
pub(crate) const SPACE_MARK: char = '▁';

/// Returns the label of a byte token.
pub(crate) fn byte_label(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Returns the byte of a byte token's label, or `None` for another label.
pub(crate) fn byte_of(label: &str) -> Option<u8> {
    let digits = label.strip_prefix("<0x")?.strip_suffix('>')?;
    let upper = digits.len() == 2 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    u8::from_str_radix(digits, 16).ok().filter(|_| upper)
}
