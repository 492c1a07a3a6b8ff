//! Training of vocabularies: sizes, rare characters, degenerate text.

use text::{NormalizationRule, TextError, Tokenizer, TokenizerConfig, TokenizerKind};

use crate::common::sentences;

const SUBWORDS: [TokenizerKind; 2] = [TokenizerKind::Bpe, TokenizerKind::Unigram];

#[test]
fn a_wrong_vocabulary_size_is_rejected_with_the_limit() {
    for kind in SUBWORDS {
        let train = |vocab_size| {
            let config = TokenizerConfig { kind, vocab_size, ..TokenizerConfig::default() };
            Tokenizer::train(&config, sentences(300, 1).iter())
        };
        let Err(TextError::VocabularyTooSmall { min, .. }) = train(262) else {
            panic!("expected an alphabet of more than 262 tokens");
        };
        assert_eq!(train(min).unwrap().vocab_size(), min);
        assert!(train(min - 1).is_err());
        let Err(TextError::VocabularyTooLarge { max, .. }) = train(100_000) else {
            panic!("expected too few pieces for 100000");
        };
        assert_eq!(train(max).unwrap().vocab_size(), max);
    }
}

#[test]
fn rare_characters_become_bytes() {
    let mut lines = sentences(300, 1);
    lines.push("☃ 猫 ﬁ Ж".into());
    let config = TokenizerConfig { vocab_size: 400, ..TokenizerConfig::default() };
    let tokenizer = Tokenizer::train(&config, lines.iter()).unwrap();
    let ids = tokenizer.encode("☃").unwrap();
    let labels: Vec<&str> = ids.into_iter().filter_map(|id| tokenizer.token(id)).collect();
    assert_eq!(labels, ["▁", "<0xE2>", "<0x98>", "<0x83>"]);
}

#[test]
fn degenerate_text_is_trained_or_rejected() {
    for kind in SUBWORDS {
        for lines in [vec![], vec![""], vec!["", ""], vec![" \u{feff}\t"]] {
            let config = TokenizerConfig { kind, vocab_size: 300, ..TokenizerConfig::default() };
            let error = Tokenizer::train(&config, lines.iter()).unwrap_err();
            assert!(matches!(error, TextError::Empty { .. }), "{error}");
        }
        for line in ["a", " ", "\0", "\0\0\0", "<", "aaaaaaaaaaaaaaaa", &"ab".repeat(5000), "\u{301}", "▁"] {
            for vocab_size in 260..270 {
                let normalization = Some(NormalizationRule::Lossless);
                let config = TokenizerConfig { kind, vocab_size, normalization, ..TokenizerConfig::default() };
                if let Ok(tokenizer) = Tokenizer::train(&config, [line].iter()) {
                    assert_eq!(tokenizer.vocab_size(), vocab_size);
                    let ids = tokenizer.encode(line).unwrap();
                    assert_eq!(tokenizer.decode(&ids).unwrap(), line);
                }
            }
        }
    }
}

#[test]
fn a_text_that_breaks_the_suffix_array_still_trains() {
    // The sorted words of these lines make `esaxx-rs` 0.1.10 index out of bounds.
    let lines = [
        "a abbbbbaba ababab abaaa",
        "aab  bbaabb baaabbbbaaa ",
        "baababbaabb b abbbaaa a ",
        "aa abb abaababaa aaabb a",
        " aa bbb babbaabaa bbb aa",
        " ba bb bbbaabba baabba a",
    ];
    let train = |vocab_size| {
        let config = TokenizerConfig { kind: TokenizerKind::Unigram, vocab_size, ..TokenizerConfig::default() };
        Tokenizer::train(&config, lines.iter())
    };
    let Err(TextError::VocabularyTooLarge { max, .. }) = train(10_000) else {
        panic!("expected too few pieces for 10000");
    };
    assert_eq!(train(max).unwrap().vocab_size(), max);
}
