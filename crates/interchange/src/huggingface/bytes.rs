//! ByT5's vocabulary: each byte of the text is a token.
//!
//! It is a SentencePiece vocabulary of bytes alone, without normalisation. Spaces are `▁` in such vocabularies, so that a
//! `▁` in a text is read as a space.

use text::{Normalization, SentencePieces};

use super::tokenizer::Vocabulary;

/// Special tokens before the bytes.
const SPECIAL: [&str; 3] = ["<pad>", "</s>", "<unk>"];

const SPACE: (&str, u8) = ("▁", b' ');

/// Returns whether a class of transformers reads bytes.
pub(super) fn are_used(tokenizer_class: &str) -> bool {
    tokenizer_class == "ByT5Tokenizer"
}

/// The vocabulary: special tokens, then the bytes.
pub(super) fn vocabulary() -> Vocabulary {
    let (space, byte) = SPACE;
    let label = |id: u8| if id == byte { space.to_owned() } else { format!("<0x{id:02X}>") };
    let labels = SPECIAL.into_iter().map(str::to_owned).chain((0..=u8::MAX).map(label)).collect();
    let normalization =
        Normalization { charsmap: Vec::new(), add_dummy_prefix: false, remove_extra_whitespaces: false };
    let pieces = SentencePieces {
        pieces: vec![(space.to_owned(), 0.0)],
        byte_fallback: true,
        normalization,
        ..SentencePieces::default()
    };
    Vocabulary::of_pieces(pieces, [labels, Vec::new()])
}
