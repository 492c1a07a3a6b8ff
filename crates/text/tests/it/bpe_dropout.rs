//! BPE-dropout: the segmenter against that of the `tokenizers` crate, and what its draws depend on.

use crate::common::{Random, any_text, sentences, trained};
use text::TokenizerKind;

#[test]
fn rate_zero_equals_encode() {
    let tokenizer = trained(TokenizerKind::Bpe, |config| config.vocab_size = 600);
    let mut random = Random(6);
    let mut lines = sentences(2000, 7);
    lines.extend((0..5000).map(|_| any_text(&mut random)));
    // Words outside the training text, for all orders of merges.
    let letters = ["a", "e", "i", "n", "g", "s", "t", "l", "p", "ä", "K", "ed", "in"];
    lines.extend((0..5000).map(|_| (0..random.below(30)).map(|_| random.pick(&letters)).collect::<String>()));
    for line in lines {
        let expected = tokenizer.encode(&line).unwrap();
        assert_eq!(tokenizer.encode_with_dropout(&line, 0.0, 8).unwrap(), expected, "{line:?}");
    }
}

#[test]
fn draws_depend_on_key_and_position_alone() {
    let tokenizer = trained(TokenizerKind::Bpe, |_| {});
    let line = "Katzen schläfen, walking sleepest Katzen schläfen";
    let encode = |key| tokenizer.encode_with_dropout(line, 0.3, key).unwrap();
    assert_eq!(encode(1), encode(1));
    let all: std::collections::HashSet<Vec<u32>> = (0..100).map(encode).collect();
    assert!(all.len() > 90, "{}", all.len());
    for ids in all {
        assert_eq!(tokenizer.decode(&ids).unwrap(), line);
    }
    // Two occurrences of a word are sometimes split differently.
    let twice = "sleepest sleepest";
    let differs = (0..100).any(|key| {
        let ids = tokenizer.encode_with_dropout(twice, 0.3, key).unwrap();
        ids[..ids.len() / 2] != ids[ids.len() / 2..]
    });
    assert!(differs);
}

#[test]
fn the_rate_is_the_share_of_skipped_merges() {
    let tokenizer = trained(TokenizerKind::Bpe, |config| config.vocab_size = 600);
    // "▁K" is the result of one merge, which `rate` of all draws skip.
    let whole = tokenizer.encode("K").unwrap();
    assert_eq!(whole.len(), 1);
    let skipped = (0..10_000).filter(|key| tokenizer.encode_with_dropout("K", 0.1, *key).unwrap().len() == 2).count();
    assert!((900..1100).contains(&skipped), "{skipped}");
    // At rate 1 only characters remain.
    let characters = tokenizer.encode_with_dropout("Katzen", 1.0, 0).unwrap();
    assert_eq!(characters.len(), "▁Katzen".chars().count());
}

#[test]
fn other_vocabularies_have_no_merges_to_skip() {
    for kind in [TokenizerKind::Unigram, TokenizerKind::Word] {
        let tokenizer = trained(kind, |_| {});
        let expected = tokenizer.encode("Katzen walking").unwrap();
        assert_eq!(tokenizer.encode_with_dropout("Katzen walking", 0.5, 1).unwrap(), expected);
    }
    let tokenizer = trained(TokenizerKind::Bpe, |_| {});
    assert!(tokenizer.encode_with_dropout("Katzen", -0.1, 1).is_err());
    assert!(tokenizer.encode_with_dropout("Katzen", f64::NAN, 1).is_err());
}
