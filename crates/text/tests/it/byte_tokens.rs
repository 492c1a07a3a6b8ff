//! Byte tokens decode as in SentencePiece. `scripts/fixtures/normalization.py` wrote the fixture.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use text::{Normalization, SentencePieces, SpecialIds, Tokenizer, TokenizerKind};

use crate::common::trained;

#[derive(Deserialize)]
struct Fixture {
    pieces: Vec<(String, f32)>,
    sequences: Vec<(Vec<String>, String)>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/byte_tokens.json")).unwrap()
}

fn bytes() -> impl Iterator<Item = String> {
    (0..=255).map(|byte| format!("<0x{byte:02X}>"))
}

/// google/sentencepiece#852, cactus-compute/cactus#684
#[test]
fn a_sentencepiece_model_decodes_as_sentencepiece() {
    let Fixture { pieces, sequences } = fixture();
    let special = |label: &str| label.to_string();
    let vocabulary: Vec<String> = [special("</s>"), special("<unk>")]
        .into_iter()
        .chain(bytes())
        .chain(pieces.iter().map(|(piece, _)| piece.clone()))
        .chain([special("<pad>")])
        .collect();
    let ids: HashMap<&str, u32> = vocabulary.iter().map(String::as_str).zip(0..).collect();
    let normalization = Normalization { charsmap: vec![], add_dummy_prefix: true, remove_extra_whitespaces: true };
    let model = SentencePieces { pieces, byte_fallback: true, normalization, ..SentencePieces::default() };
    let tokenizer =
        Tokenizer::from_sentencepiece(&model, &vocabulary, SpecialIds::layout(vocabulary.len()), Path::new("fixture"))
            .unwrap();
    let mut compared = 0;
    // A mark at the end of a translation is no text here, as for transformers.
    for (labels, expected) in sequences.iter().filter(|(labels, _)| labels.last().is_none_or(|last| last != "▁")) {
        let ids: Vec<u32> = labels.iter().map(|label| ids[label.as_str()]).collect();
        assert_eq!(tokenizer.decode(&ids).unwrap(), *expected, "{labels:?}");
        compared += 1;
    }
    assert!(compared > 1900, "{compared}");
}

#[test]
fn bytes_of_subwords_decode_as_in_sentencepiece() {
    let all: HashMap<String, u32> = bytes().zip(2..).collect();
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let tokenizer = trained(kind, |_| {});
        let only_bytes = fixture().sequences.into_iter().filter_map(|(labels, expected)| {
            Some((labels.iter().map(|label| all.get(label).copied()).collect::<Option<Vec<u32>>>()?, expected))
        });
        let mut compared = 0;
        for (ids, expected) in only_bytes {
            assert_eq!(tokenizer.decode(&ids).unwrap(), expected, "{ids:?}");
            compared += 1;
        }
        assert!(compared > 1000, "{compared}");
    }
}

/// google/sentencepiece#906: one `�` for each byte of an unfinished character, until it is complete.
#[test]
fn a_character_in_bytes_appears_once_complete() {
    let tokenizer = trained(TokenizerKind::Bpe, |_| {});
    let mut ids = tokenizer.encode("K").unwrap();
    ids.extend("猫犬".bytes().map(|byte| 2 + u32::from(byte)));
    let text = |count: usize| tokenizer.decode(&ids[..count]).unwrap();
    for (count, expected) in [(1, "K"), (2, "K�"), (3, "K��"), (4, "K猫"), (5, "K猫�"), (6, "K猫��"), (7, "K猫犬")]
    {
        assert_eq!(text(count), expected);
    }
}
