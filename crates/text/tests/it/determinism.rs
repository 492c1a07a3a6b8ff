//! The same text gives the same vocabulary: within a process, in other processes, with other numbers of threads.

use std::process::Command;

use crate::common::{Random, sentences, trained};
use text::{TextError, Tokenizer, TokenizerConfig, TokenizerKind};

const KINDS: [TokenizerKind; 3] = [TokenizerKind::Bpe, TokenizerKind::Unigram, TokenizerKind::Word];

/// Vocabularies of several kinds, sizes and texts, one after the other.
fn vocabularies() -> String {
    let mut all = String::new();
    for kind in KINDS {
        for vocab_size in [350, 500] {
            all += &trained(kind, |config| config.vocab_size = vocab_size).to_json();
        }
    }
    all
}

/// Run as a child by the test below; writes what it trains.
#[test]
fn child() {
    if let Ok(path) = std::env::var("VOCABULARIES_TO") {
        std::fs::write(path, vocabularies()).unwrap();
    }
}

#[test]
fn processes_agree() {
    let folder = temp_dir::TempDir::new().unwrap();
    let expected = vocabularies();
    for (run, threads) in ["1", "2", "5"].into_iter().enumerate() {
        let path = folder.path().join(run.to_string());
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "determinism::child", "--quiet"])
            .env("VOCABULARIES_TO", &path)
            .env("RAYON_NUM_THREADS", threads)
            .status()
            .unwrap();
        assert!(status.success());
        let found = std::fs::read_to_string(path).unwrap();
        assert!(found == expected, "a process with {threads} threads made other vocabularies");
    }
}

#[test]
fn exhausted_text_gives_the_same_merges() {
    // Where every count is 1, only the order of ties decides. Hash maps are seeded anew each time.
    for seed in 0..20 {
        let lines = sentences(4, seed);
        let train = |vocab_size| {
            let config = TokenizerConfig { vocab_size, ..TokenizerConfig::default() };
            Tokenizer::train(&config, lines.iter())
        };
        let Err(TextError::VocabularyTooLarge { max, .. }) = train(10_000) else {
            panic!("four sentences have no 10000 pieces");
        };
        let expected = train(max).unwrap().to_json();
        for _ in 0..5 {
            assert!(train(max).unwrap().to_json() == expected, "seed {seed}");
        }
    }
}

#[test]
fn ties_do_not_matter() {
    // Words of two letters: nearly every count is equal to another, and the same pieces come about in many ways.
    let mut random = Random(11);
    for _ in 0..12 {
        let lines: Vec<String> =
            (0..6).map(|_| (0..24).map(|_| random.pick(&["a", "b", "a", "b", " "])).collect()).collect();
        for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
            let train = |vocab_size| {
                let config = TokenizerConfig { kind, vocab_size, ..TokenizerConfig::default() };
                Tokenizer::train(&config, lines.iter()).map(|tokenizer| tokenizer.to_json())
            };
            let max = match train(10_000) {
                Err(TextError::VocabularyTooLarge { max, .. }) => max,
                other => panic!("so little text has no 10000 pieces: {other:?} {lines:?}"),
            };
            for vocab_size in [max, max.midpoint(262)] {
                let expected = train(vocab_size).ok();
                for _ in 0..4 {
                    assert!(train(vocab_size).ok() == expected, "{kind:?} {vocab_size} {lines:?}");
                }
            }
        }
    }
}
