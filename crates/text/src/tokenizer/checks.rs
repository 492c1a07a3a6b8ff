//! Checks of tokenizer files that their two forms share. An error is what was found and what is expected.

use serde_json::Value;

use super::file::ORIGINAL_IDS;
use crate::SpecialIds;
use crate::special_tokens::{BYTE_TOKENS, END, FIRST_ORDINARY_ID, PAD, SPECIAL_TOKENS, UNKNOWN, byte_label};

/// Checks that `encode` returns the ids of the text alone: these parts of a file are null.
pub(super) fn check_null(parts: [(&str, &Value); 3]) -> Result<(), (String, &'static str)> {
    match parts.into_iter().find(|(_, value)| !value.is_null()) {
        None => Ok(()),
        Some((part, _)) => Err((format!("a value for {part:?}"), "null there")),
    }
}

/// Checks the ids that special tokens had in a vocabulary of this size; only imported ones have such ids.
pub(super) fn check_original_ids(
    ids: Option<SpecialIds>,
    size: usize,
    imported: bool,
) -> Result<(), (String, &'static str)> {
    match ids.filter(|ids| !ids.fit(size) || !imported) {
        None => Ok(()),
        Some(ids) => {
            Err((format!("{ORIGINAL_IDS} {ids:?} of {size} entries"), "distinct ids of an imported vocabulary"))
        }
    }
}

/// The error for a vocabulary whose ids or labels are not distinct.
pub(super) fn not_distinct() -> (String, &'static str) {
    ("a vocabulary with gaps, repeated or malformed entries".to_owned(), "each id from 0 up exactly once")
}

/// Returns whether no label repeats.
pub(super) fn are_distinct<'a>(labels: impl Iterator<Item = &'a str>) -> bool {
    let mut sorted: Vec<&str> = labels.collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}

/// Checks the ids of special tokens, and of byte tokens if `has_bytes`; the error is (found, expected).
pub(super) fn check_layout(labels: &[String], has_bytes: bool) -> Result<(), (String, String)> {
    let at = |id: usize, expected: &str| match labels.get(id) {
        Some(found) if found == expected => Ok(()),
        found => Err((format!("{found:?} at id {id} of {}", labels.len()), format!("{expected:?}"))),
    };
    at(0, END)?;
    at(1, UNKNOWN)?;
    let last = labels.len() - 1;
    at(last.max(SPECIAL_TOKENS - 1), PAD)?;
    if has_bytes {
        for byte in 0..=u8::MAX {
            at(FIRST_ORDINARY_ID + usize::from(byte), &byte_label(byte))?;
        }
        at(last.max(SPECIAL_TOKENS - 1 + BYTE_TOKENS), PAD)?;
    }
    Ok(())
}

/// Checks that the added tokens are exactly the three special ones: others would match in text.
pub(super) fn check_added_tokens(added: &Value, vocab_size: usize) -> Result<(), String> {
    let found: Vec<(Option<u64>, Option<&str>, Option<bool>)> = added
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|token| (token["id"].as_u64(), token["content"].as_str(), token["special"].as_bool()))
        .collect();
    let expected = [
        (Some(0), Some(END), Some(true)),
        (Some(1), Some(UNKNOWN), Some(true)),
        (Some(vocab_size as u64 - 1), Some(PAD), Some(true)),
    ];
    if found == expected { Ok(()) } else { Err(format!("added tokens {added}")) }
}
