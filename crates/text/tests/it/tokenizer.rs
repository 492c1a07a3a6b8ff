//! Properties of every tokenizer: layout of ids, decoding, files that the `tokenizers` crate reads, clear rejections.

use std::path::Path;

use crate::common::{Random, any_text, sentences, trained};
use text::{END_ID, NormalizationRule, Tokenizer, TokenizerConfig, TokenizerKind, UNKNOWN_ID};

const SUBWORDS: [TokenizerKind; 2] = [TokenizerKind::Bpe, TokenizerKind::Unigram];

fn labels(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode(text).unwrap();
    ids.iter().map(|id| tokenizer.token(*id).unwrap().to_owned()).collect()
}

#[test]
fn ids_have_the_layout_of_marian() {
    for kind in TokenizerKind::ALL {
        let tokenizer = trained(kind, |_| {});
        assert_eq!(tokenizer.token(END_ID), Some("</s>"));
        assert_eq!(tokenizer.token(UNKNOWN_ID), Some("<unk>"));
        assert_eq!(tokenizer.token(tokenizer.pad_id()), Some("<pad>"));
        assert_eq!(tokenizer.pad_id() as usize, tokenizer.vocab_size() - 1);
        assert_eq!(tokenizer.token(tokenizer.pad_id() + 1), None);
        if SUBWORDS.contains(&kind) {
            assert_eq!(tokenizer.vocab_size(), 400);
        }
        if SUBWORDS.contains(&kind) || kind == TokenizerKind::Bytes {
            assert_eq!(tokenizer.token(2), Some("<0x00>"));
            assert_eq!(tokenizer.token(257), Some("<0xFF>"));
        }
    }
}

#[test]
fn subwords_decode_any_text() {
    for kind in SUBWORDS {
        let tokenizer = trained(kind, |config| config.nfc = false);
        assert_eq!(tokenizer.normalization(), Some(NormalizationRule::Lossless));
        let mut random = Random(2);
        for _ in 0..5000 {
            let text = any_text(&mut random);
            let ids = tokenizer.encode(&text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{kind:?}");
            assert!(ids.iter().all(|id| *id >= 2 && *id < tokenizer.pad_id()));
        }
    }
}

#[test]
fn labels_stand_for_the_bytes_of_their_text() {
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram, TokenizerKind::Bytes] {
        let tokenizer = trained(kind, |config| config.nfc = false);
        for text in sentences(50, 3).into_iter().chain(["a 猫\u{301}  b <0x41> <unk>\t".to_string()]) {
            let bytes: Option<usize> = labels(&tokenizer, &text).iter().map(|label| tokenizer.text_bytes(label)).sum();
            let expected = text.chars().filter(|character| !character.is_whitespace()).map(char::len_utf8).sum();
            assert_eq!(bytes, Some(expected), "{kind:?}: {text}");
        }
    }
    let words = trained(TokenizerKind::Word, |_| {});
    assert_eq!(labels(&words, "zzzzzz").iter().map(|label| words.text_bytes(label)).collect::<Vec<_>>(), [None]);
}

#[test]
fn a_special_token_in_text_is_text_even_if_learned() {
    // The training text contains "</s>" often; no merge may produce the special token.
    for kind in SUBWORDS {
        let tokenizer = trained(kind, |_| {});
        let found = labels(&tokenizer, "</s>");
        assert_eq!(found[..2], ["▁", "<"], "{kind:?} {found:?}");
    }
}

#[test]
fn spaces_and_signs_end_a_word() {
    let tokenizer = trained(TokenizerKind::Bpe, |_| {});
    for label in (258..tokenizer.pad_id()).filter_map(|id| tokenizer.token(id)) {
        let inner = label.strip_prefix('▁').unwrap_or(label);
        assert!(!inner.contains('▁'), "{label:?}");
        let letters = inner.chars().filter(|c| c.is_alphabetic()).count();
        assert!(letters == 0 || letters == inner.chars().count(), "{label:?}");
    }
}

#[test]
fn words_decode_with_their_punctuation() {
    let train_on = [
        "Weil die Katze schläft, liest er.",
        "The cat sat on the mat.",
        "Really?! Yes, it's 3.14; well-known (mostly) … z.B. so...",
        "Weil </s> und <pad> hier stehen!",
    ];
    let config = TokenizerConfig { kind: TokenizerKind::Word, ..TokenizerConfig::default() };
    let own = Tokenizer::train(&config, train_on.iter()).unwrap();
    assert_eq!(labels(&own, train_on[1]), ["The", "cat", "sat", "on", "the", "mat", "."]);
    let ids = own.encode(train_on[3]).unwrap();
    assert!(ids.iter().all(|id| *id > UNKNOWN_ID && *id != own.pad_id()));
    for line in train_on {
        let decoded = own.decode(&own.encode(line).unwrap()).unwrap();
        assert_eq!(decoded, line.replace(" …", "…"));
        assert_eq!(own.normalize(line).unwrap(), decoded);
    }
    let unknown = |line: &str| own.encode(line).unwrap().iter().filter(|id| **id == UNKNOWN_ID).count();
    assert!(train_on.iter().all(|line| unknown(line) == 0));
    assert_eq!(unknown("the dog sat."), 1);
    let spaced = own.encode("  The   cat\tsat . ").unwrap();
    assert_eq!(own.decode(&spaced).unwrap(), "The cat sat.");
    assert_eq!(own.normalize("ein mann , der  sitzt .").unwrap(), "ein mann, der sitzt.", "unknown words stay");
}

#[test]
fn the_word_vocabulary_keeps_the_most_frequent() {
    let config = TokenizerConfig { kind: TokenizerKind::Word, vocab_size: 5, ..TokenizerConfig::default() };
    let tokenizer = Tokenizer::train(&config, ["b a c b", "a b"].iter()).unwrap();
    let all: Vec<&str> = (0..5).filter_map(|id| tokenizer.token(id)).collect();
    assert_eq!(all, ["</s>", "<unk>", "b", "a", "<pad>"]);
}

#[test]
fn fixed_words_keep_their_order() {
    let tokenizer = Tokenizer::from_words(&["9", "1", "9", "."]);
    assert_eq!(tokenizer.vocab_size(), 6);
    assert_eq!(tokenizer.encode(" 1 9\t. </s> x").unwrap(), [3, 2, 4, 1, 1, 1]);
    assert_eq!(tokenizer.decode(&[2, 0, 3, 5, 4]).unwrap(), "9 1 .");
    assert_eq!(tokenizer.normalize(" 1 9\t. x").unwrap(), "1 9 . x");
    assert!(tokenizer.encode("").unwrap().is_empty());
    assert_eq!(tokenizer.decode(&[]).unwrap(), "");
}

#[test]
fn only_the_first_lines_are_used() {
    let config = TokenizerConfig { kind: TokenizerKind::Word, sample_lines: 1, ..TokenizerConfig::default() };
    let tokenizer = Tokenizer::train(&config, ["one two", "three"].iter()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 5);
}

#[test]
fn a_file_gives_the_same_tokenizer_and_the_same_bytes() {
    let folder = temp_dir::TempDir::new().unwrap();
    for kind in TokenizerKind::ALL {
        let tokenizer = trained(kind, |config| config.lowercase = true);
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, tokenizer.to_json()).unwrap();
        let loaded = Tokenizer::load(&path).unwrap();
        assert_eq!(loaded.to_json(), tokenizer.to_json());
        assert_eq!(loaded.kind(), kind);
        assert_eq!(loaded.vocab_size(), tokenizer.vocab_size());
        for line in sentences(100, 4) {
            assert_eq!(loaded.encode(&line).unwrap(), tokenizer.encode(&line).unwrap());
        }
    }
}

#[test]
fn the_tokenizers_crate_reads_the_file_equally() {
    for kind in TokenizerKind::ALL {
        let ours = trained(kind, |_| {});
        let theirs: tokenizers::Tokenizer = ours.to_json().parse().unwrap();
        for line in sentences(300, 5).iter().filter(|line| !line.contains("</s>")) {
            let ids = ours.encode(line).unwrap();
            assert_eq!(theirs.encode(line.as_str(), false).unwrap().get_ids(), ids);
            assert_eq!(theirs.decode(&ids, true).unwrap(), ours.decode(&ids).unwrap());
        }
    }
}

#[test]
fn special_ids_are_skipped_and_foreign_ids_rejected() {
    let tokenizer = trained(TokenizerKind::Bpe, |_| {});
    let mut ids = tokenizer.encode("Katze").unwrap();
    ids.insert(0, tokenizer.pad_id());
    ids.extend([UNKNOWN_ID, END_ID]);
    assert_eq!(tokenizer.decode(&ids).unwrap(), "Katze");
    let message = tokenizer.decode(&[400]).unwrap_err().to_string();
    assert!(message.contains("400"), "{message}");
}

#[test]
fn invalid_configurations_are_explained() {
    let wrong = |change: fn(&mut TokenizerConfig)| {
        let mut config = TokenizerConfig::default();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    assert_eq!(
        wrong(|config| config.dropout = 1.5),
        "tokenizer.dropout = 1.5: expected a probability from 0 up to but excluding 1; \
         set it to 0 to turn BPE-dropout off, or to 0.1 as in its paper"
    );
    assert!(wrong(|config| config.dropout = f64::NAN).contains("tokenizer.dropout = NaN"));
    assert!(wrong(|config| config.sample_lines = 0).contains("tokenizer.sample_lines"));
    assert!(wrong(|config| config.vocab_size = usize::MAX).contains("at most 1000000"));
    assert!(
        wrong(|config| {
            config.kind = TokenizerKind::Word;
            config.dropout = 0.1;
        })
        .contains("only BPE has merges")
    );
    let unknown = toml::from_str::<TokenizerConfig>("kind = \"bpe\"\nvocabsize = 3").unwrap_err();
    assert!(unknown.to_string().contains("vocab_size"), "{unknown}");
}

#[test]
fn damaged_files_are_rejected() {
    let good = trained(TokenizerKind::Bpe, |_| {}).to_json();
    let read = |json: &str| Tokenizer::from_json(json, Path::new("run/tokenizer.json"));
    assert!(read(&good).is_ok());
    for (from, to, found) in [
        ("\"BPE\"", "\"WordPiece\"", "model type \"WordPiece\""),
        ("\"<0x41>\": 67", "\"<0x41>\": 66", "a vocabulary with gaps"),
        ("\"padding\": null", "\"padding\": {}", "a value for \"padding\""),
        ("\"dropout\": null", "\"dropout\": 0.5", "dropout = 0.5"),
        ("\"id\": 399", "\"id\": 5", "added tokens"),
        ("\"Isolated\"", "\"Isolate\"", "contents that the tokenizers crate rejects"),
        ("\"Fuse\"", "\"Fus", "malformed JSON"),
    ] {
        assert!(good.contains(from), "{from}");
        let message = read(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(message.starts_with("run/tokenizer.json: found "), "{message}");
        assert!(message.contains(found), "{message}");
    }
    for end in (0..good.len()).step_by(997) {
        if let Some(half) = good.get(..end) {
            assert!(read(half).is_err());
        }
    }
    assert!(read("[]").is_err());
    assert!(read("null").is_err());
    let missing = Tokenizer::load(Path::new("no/such/file")).unwrap_err();
    assert!(missing.to_string().starts_with("no/such/file: cannot be read"), "{missing}");
}
