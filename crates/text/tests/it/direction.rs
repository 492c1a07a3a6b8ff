//! The order in which a network reads and writes tokens.

use std::path::Path;

use text::{Direction, Tokenizer, TokenizerConfig, TokenizerKind};

const LINES: [&str; 2] = ["the cat sat on the mat.", "the dog sat on the log."];

fn trained(kind: TokenizerKind, direction: Direction) -> Tokenizer {
    let vocab_size = if kind == TokenizerKind::Unigram { 273 } else { 290 }; // the largest that these lines support
    let config = TokenizerConfig { kind, direction, vocab_size, ..TokenizerConfig::default() };
    Tokenizer::train(&config, LINES.iter()).unwrap()
}

#[test]
fn right_to_left_reverses_the_ids_alone() {
    for kind in TokenizerKind::ALL {
        let [forward, backward] = Direction::ALL.map(|direction| trained(kind, direction));
        assert_eq!(forward.labels(), backward.labels(), "{kind:?}");
        let (mut ids, text) = (forward.encode(LINES[1]).unwrap(), forward.decode(&forward.encode(LINES[1]).unwrap()));
        ids.reverse();
        assert_eq!(backward.encode(LINES[1]).unwrap(), ids, "{kind:?}");
        assert_eq!(backward.encode_with_dropout(LINES[1], 0.0, 1).unwrap(), ids, "{kind:?}");
        assert_eq!(backward.decode(&ids).unwrap(), text.unwrap(), "{kind:?}");
        assert_eq!(backward.normalize(LINES[1]).unwrap(), forward.normalize(LINES[1]).unwrap());
    }
}

#[test]
fn dropout_reverses_its_segmentation_too() {
    let [forward, backward] = Direction::ALL.map(|direction| trained(TokenizerKind::Bpe, direction));
    let mut ids = forward.encode_with_dropout(LINES[0], 0.5, 3).unwrap();
    ids.reverse();
    assert_eq!(backward.encode_with_dropout(LINES[0], 0.5, 3).unwrap(), ids);
}

#[test]
fn a_file_keeps_its_direction() {
    for kind in TokenizerKind::ALL {
        let json = trained(kind, Direction::RightToLeft).to_json();
        let read = Tokenizer::from_json(&json, Path::new("tokenizer.json")).unwrap();
        assert_eq!((read.direction(), read.kind()), (Direction::RightToLeft, kind));
        assert_eq!(read.to_json(), json);
    }
    let json = trained(TokenizerKind::Bpe, Direction::LeftToRight).to_json();
    assert!(!json.contains("direction"), "files of other programs have no such key");
    let upwards = trained(TokenizerKind::Bpe, Direction::RightToLeft).to_json().replace("right_to_left", "upwards");
    let error = Tokenizer::from_json(&upwards, Path::new("tokenizer.json")).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer.json") && error.contains("upwards") && error.contains("right_to_left"),
        "{error}"
    );
}
