//! Vocabularies of characters, of bytes and of tokens between white space.

use text::{NormalizationRule, Tokenizer, TokenizerConfig, TokenizerKind, UNKNOWN_ID};

fn train(kind: TokenizerKind, rule: NormalizationRule, lines: &[&str]) -> Tokenizer {
    let config = TokenizerConfig { kind, normalization: Some(rule), ..TokenizerConfig::default() };
    Tokenizer::train(&config, lines.iter()).unwrap()
}

fn labels(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode(text).unwrap();
    ids.iter().map(|id| tokenizer.token(*id).unwrap().to_owned()).collect()
}

#[test]
fn characters_include_spaces_and_marks() {
    let text = "a ▁b▂1 </s> <unk>\u{301}";
    let tokenizer = train(TokenizerKind::Character, NormalizationRule::Nfc, &[text]);
    assert_eq!(labels(&tokenizer, text).concat(), text);
    assert_eq!(labels(&tokenizer, text).len(), text.chars().count());
    assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
}

#[test]
fn an_unknown_character_is_one_unknown_token() {
    let tokenizer = train(TokenizerKind::Character, NormalizationRule::Nfc, &["abc"]);
    let ids = tokenizer.encode("aχb").unwrap();
    assert_eq!((ids.len(), ids[1]), (3, UNKNOWN_ID));
    assert_eq!(tokenizer.decode(&ids).unwrap(), "ab");
}

#[test]
fn the_rarest_characters_are_dropped_first() {
    let config = TokenizerConfig { kind: TokenizerKind::Character, vocab_size: 5, ..TokenizerConfig::default() };
    let tokenizer = Tokenizer::train(&config, ["aaabbc"].iter()).unwrap();
    assert_eq!(labels(&tokenizer, "abc"), ["a", "b", "<unk>"]);
}

#[test]
fn hangul_decomposes_into_letters() {
    let composed = train(TokenizerKind::Character, NormalizationRule::Nfc, &["한국 é"]);
    assert_eq!(labels(&composed, "한국"), ["한", "국"]);
    let decomposed = train(TokenizerKind::Character, NormalizationRule::Nfd, &["한국 é"]);
    assert_eq!(labels(&decomposed, "한"), ["\u{1112}", "\u{1161}", "\u{11ab}"]);
    assert_eq!(labels(&decomposed, "é"), ["e", "\u{301}"]);
    for text in ["한국 é", "\u{1112}\u{1161}\u{11ab}국 e\u{301}"] {
        assert_eq!(decomposed.decode(&decomposed.encode(text).unwrap()).unwrap(), "한국 é");
        assert_eq!(decomposed.normalize(text).unwrap(), "한국 é", "references have the form of outputs");
    }
}

#[test]
fn bytes_know_every_text() {
    let tokenizer = train(TokenizerKind::Bytes, NormalizationRule::Lossless, &["x"]);
    assert_eq!(tokenizer.vocab_size(), 259);
    let text = " ▁▂1 猫</s>\t<0x41>";
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(ids, text.bytes().map(|byte| u32::from(byte) + 2).collect::<Vec<_>>());
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    assert_eq!(labels(&tokenizer, "é"), ["<0xC3>", "<0xA9>"]);
}

#[test]
fn tokens_between_white_space_keep_their_signs() {
    let tokenizer = train(TokenizerKind::Whitespace, NormalizationRule::Nfc, &["t͡ʃ a . ( ˈb", "a"]);
    let phones = "a . t͡ʃ ( ˈb";
    assert_eq!(labels(&tokenizer, phones), phones.split(' ').collect::<Vec<_>>());
    assert_eq!(tokenizer.decode(&tokenizer.encode(phones).unwrap()).unwrap(), phones);
    assert_eq!(tokenizer.token(2), Some("a"), "the most frequent token is the first");
}

#[test]
fn sizes_have_their_own_minimum() {
    for (kind, min) in [(TokenizerKind::Character, 4), (TokenizerKind::Whitespace, 4), (TokenizerKind::Bytes, 259)] {
        let config = |vocab_size| TokenizerConfig { kind, vocab_size, ..TokenizerConfig::default() };
        config(min).validate().unwrap();
        let message = config(min - 1).validate().unwrap_err().to_string();
        assert!(message.contains(&format!("expected at least {min}")), "{message}");
    }
}
