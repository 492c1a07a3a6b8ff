//! From subword labels back to text, byte tokens included.

use crate::special_tokens::{SPACE_MARK, byte_of};

/// What a space at an edge of the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edges {
    /// The first mark precedes the text; all other spaces belong to it.
    FirstMark,
    /// Marks at both edges are no text, as SentencePiece and its users decode.
    Marks,
}

/// Joins the labels of subwords to text: marks become spaces, and runs of byte tokens characters.
///
/// As in SentencePiece, each byte of a run that belongs to no valid character becomes `�`, and the characters around it are
/// kept. Spaces that are bytes are text.
pub(super) fn join<'a>(labels: impl Iterator<Item = &'a str>, byte_fallback: bool, edges: Edges) -> String {
    let (mut text, mut bytes) = (String::new(), Vec::new());
    // The text up to here comes from bytes, or from labels before them.
    let mut settled = 0;
    let mut first = true;
    for label in labels {
        if let Some(byte) = byte_of(label).filter(|_| byte_fallback) {
            bytes.push(byte);
            first = false;
            continue;
        }
        settled = append_lossy(&mut text, &mut bytes).unwrap_or(settled);
        let label = match edges {
            Edges::FirstMark if first => label.strip_prefix(SPACE_MARK).unwrap_or(label),
            Edges::Marks if text.is_empty() => label.trim_start_matches(SPACE_MARK),
            Edges::FirstMark | Edges::Marks => label,
        };
        first = false;
        text.extend(label.chars().map(|character| if character == SPACE_MARK { ' ' } else { character }));
    }
    settled = append_lossy(&mut text, &mut bytes).unwrap_or(settled);
    match edges {
        Edges::FirstMark => {}
        Edges::Marks => text.truncate(text.trim_end_matches(' ').len().max(settled)),
    }
    text
}

/// Moves a run of bytes to the text, and returns the new length of the text if there were any.
fn append_lossy(text: &mut String, bytes: &mut Vec<u8>) -> Option<usize> {
    if bytes.is_empty() {
        return None;
    }
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    bytes.clear();
    Some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(labels: &[&str], edges: Edges) -> String {
        join(labels.iter().copied(), true, edges)
    }

    #[test]
    fn an_incomplete_character_takes_nothing_along() {
        // google/sentencepiece#852, cactus-compute/cactus#684
        let labels = ["▁", "<0xE7>", "<0x8C>", "<0xAB>", "<0xE7>", "<0x8A>"];
        assert_eq!(joined(&labels, Edges::FirstMark), "猫\u{fffd}\u{fffd}");
        assert_eq!(joined(&labels[..4], Edges::FirstMark), "猫");
        assert_eq!(joined(&["<0xE7>", "x", "<0xAB>", "y"], Edges::FirstMark), "\u{fffd}x\u{fffd}y");
        assert_eq!(join(["<0x41>"].into_iter(), false, Edges::Marks), "<0x41>");
    }

    #[test]
    fn marks_at_the_edges_are_no_text() {
        assert_eq!(joined(&["▁▁a", "▁b▁", "▁"], Edges::FirstMark), " a b  ");
        assert_eq!(joined(&["▁▁", "▁a", "▁b▁", "▁"], Edges::Marks), "a b");
        assert_eq!(joined(&["<0x20>", "▁a", "▁", "<0x20>", "▁"], Edges::Marks), "  a  ");
        assert_eq!(joined(&["<0x20>", "a"], Edges::FirstMark), " a");
    }
}
