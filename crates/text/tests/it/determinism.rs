//! The same text gives the same vocabulary in any process, with any number of threads.

use std::process::Command;

use crate::common::{Random, sentences, trained};
use text::{TextError, Tokenizer, TokenizerConfig, TokenizerKind};

/// Vocabularies of several kinds and sizes, concatenated.
fn vocabularies() -> String {
    let mut all = String::new();
    for kind in TokenizerKind::ALL {
        for vocab_size in [350, 500] {
            all += &trained(kind, |config| config.vocab_size = vocab_size).to_json();
        }
    }
    all
}

/// Run as a child process by the test below; writes its vocabularies.
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
        assert!(found == expected, "other vocabularies with {threads} threads");
    }
}

#[test]
fn exhausted_text_gives_the_same_merges() {
    // All counts are 1, so the order of ties decides. Each hash map has another seed.
    for seed in 0..20 {
        let lines = sentences(4, seed);
        let train = |vocab_size| {
            let config = TokenizerConfig { vocab_size, ..TokenizerConfig::default() };
            Tokenizer::train(&config, lines.iter())
        };
        let Err(TextError::VocabularyTooLarge { max, .. }) = train(10_000) else {
            panic!("expected too few pieces for 10000");
        };
        let expected = train(max).unwrap().to_json();
        for _ in 0..5 {
            assert!(train(max).unwrap().to_json() == expected, "seed {seed}");
        }
    }
}

#[test]
fn ties_do_not_matter() {
    // Words of two letters: most counts are equal, and many merges give the same pieces.
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
                other => panic!("expected too few pieces for 10000: {other:?} {lines:?}"),
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
