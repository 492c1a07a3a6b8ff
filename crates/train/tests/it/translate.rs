//! Training on parallel text, with every kind of vocabulary and every form of corpus.

use crate::common::samples::{corpus, gzip, pairs};
use crate::common::{WorkFolder, decode, set};
use text::metrics::{Bleu, BleuTokenization};

/// Trains on the toy corpus with these settings, and asserts what holds for every vocabulary.
fn trained_with(settings: &[&str]) -> WorkFolder {
    let place = WorkFolder::translating();
    let ran = place.trained("run", &set(settings));
    ran.assert_stderr_contains(&["60 training pairs", "validation at step 20"]);
    let outputs = decode(&place.path("run"), &["the small cat", "", "the red cow sees the mouse"]);
    assert_eq!(outputs[1], "");
    assert_eq!(outputs.len(), 3);
    place
}

fn is_joint(place: &WorkFolder) -> bool {
    place.text("run/source.tokenizer.json") == place.text("run/target.tokenizer.json")
}

#[test]
fn words_share_one_vocabulary_by_default() {
    assert!(is_joint(&trained_with(&[])));
}

#[test]
fn words_can_have_a_vocabulary_per_language() {
    let place = trained_with(&["tokenizer.joint=false", "model.tie=decoder"]);
    assert!(!is_joint(&place));
    assert!(place.text("run/source.tokenizer.json").contains("\"mouse\""));
    assert!(place.text("run/target.tokenizer.json").contains("\"Maus\""));
    assert!(!place.text("run/target.tokenizer.json").contains("\"mouse\""));
}

#[test]
fn byte_pairs_share_one_vocabulary() {
    let place = trained_with(&["tokenizer.kind=bpe", "tokenizer.vocab_size=300"]);
    assert!(is_joint(&place));
    assert!(place.text("run/source.tokenizer.json").contains("\"BPE\""));
}

#[test]
fn byte_pairs_can_have_a_vocabulary_per_language() {
    let settings = ["tokenizer.kind=bpe", "tokenizer.vocab_size=285", "tokenizer.joint=false", "model.tie=none"];
    assert!(!is_joint(&trained_with(&settings)));
}

#[test]
fn bpe_dropout_changes_the_batches() {
    let place = trained_with(&["tokenizer.kind=bpe", "tokenizer.vocab_size=300"]);
    let settings = ["tokenizer.kind=bpe", "tokenizer.vocab_size=300", "tokenizer.dropout=0.3"];
    let dropped = trained_with(&settings);
    assert_eq!(place.text("run/source.tokenizer.json"), dropped.text("run/source.tokenizer.json"));
    assert_ne!(place.metrics_without_timing("run"), dropped.metrics_without_timing("run"));
}

#[test]
fn unigrams_share_one_vocabulary() {
    let place = trained_with(&["tokenizer.kind=unigram", "tokenizer.vocab_size=290"]);
    assert!(is_joint(&place));
    assert!(place.text("run/source.tokenizer.json").contains("\"Unigram\""));
}

#[test]
fn unigrams_can_have_a_vocabulary_per_language() {
    let settings = ["tokenizer.kind=unigram", "tokenizer.vocab_size=280", "tokenizer.joint=false", "model.tie=decoder"];
    assert!(!is_joint(&trained_with(&settings)));
}

#[test]
fn files_and_shards_are_the_same_corpus() {
    let place = trained_with(&[]);
    let side = |side: fn(&(String, String)) -> &String| -> String {
        pairs(60).iter().map(|pair| side(pair).clone() + "\n").collect()
    };
    place.write("train.en", side(|pair| &pair.0));
    place.write("train.de", side(|pair| &pair.1));
    let files = r#"task.train={ source = "train.en", target = "train.de" }"#;
    place.trained("files", &["--quiet", "--set", files]);
    place.assert_same_run("run", "files");

    let text = place.text("train.tsv");
    let middle = text.match_indices('\n').nth(20).unwrap().0 + 1;
    place.write("a.tsv", &text[..middle]);
    place.write("b.tsv", &text[middle..]);
    place.trained("shards", &["--quiet", "--set", r#"task.train=["a.tsv", "b.tsv"]"#]);
    place.assert_same_run("run", "shards");
}

#[test]
fn a_compressed_corpus_is_the_same_corpus() {
    let place = trained_with(&[]);
    let text = place.read("train.tsv");
    place.write("train.gz", gzip(&text));
    place.write("train.zst", zstd::encode_all(&text[..], 1).expect("memory"));
    for file in ["train.gz", "train.zst"] {
        place.trained("compressed", &["--quiet", "--overwrite", "--set", &format!("task.train={file}")]);
        place.assert_same_run("run", "compressed");
    }
}

#[test]
fn two_processes_train_the_same_weights() {
    for kind in ["bpe", "unigram"] {
        let place = WorkFolder::translating();
        let kind = format!("tokenizer.kind={kind}");
        for (run, threads) in [("one", "1"), ("two", "2")] {
            let settings = set(&[&kind, "tokenizer.vocab_size=290"]);
            place.trained(run, &[&settings[..], &["--quiet", "--threads", threads]].concat());
        }
        assert_eq!(place.text("one/source.tokenizer.json"), place.text("two/source.tokenizer.json"));
        place.assert_same_run("one", "two");
    }
}

#[test]
fn a_test_split_is_measured_at_the_end() {
    let place = WorkFolder::translating();
    place.write("test.tsv", "the cow\tdie Kuh\nthe mouse\tdie Maus\n");
    let ran = place.trained("run", &["--set", "task.test=test.tsv"]);
    ran.assert_stderr_contains(&["test of the final weights", "die Maus"]);
    let last = place.metrics("run").pop().unwrap();
    assert_eq!(last["test"]["sentences"], 2);
    assert_eq!(last["test"]["samples"][0]["reference"], "die Kuh");
}

/// Memorizes a corpus of a single pair.
const MEMORIZE: &[&str] =
    &["training.schedule=constant", "training.learning_rate=0.01", "training.steps=60", "model.dropout=0"];

#[test]
fn references_are_normalised_like_outputs() {
    for (reference, settings, written) in [
        ("Die Große Katze Sieht Eine Kuh", &["tokenizer.lowercase=true"][..], "die große katze sieht eine kuh"),
        ("ein Ba\u{308}r mag den Ka\u{308}se", &[], "ein B\u{e4}r mag den K\u{e4}se"),
        ("ein Mann , der sitzt .", &[], "ein Mann, der sitzt."),
    ] {
        let place = WorkFolder::translating();
        let pair = format!("this alone\t{reference}\n");
        place.write("train.tsv", pair.repeat(20));
        place.write("validation.tsv", &pair);
        place.trained("run", &set(&[MEMORIZE, settings].concat()));
        let last = place.metrics("run").pop().unwrap();
        let sample = &last["validation"]["samples"][0];
        assert_eq!((sample["reference"].as_str(), sample["output"].as_str()), (Some(written), Some(written)));
        for (score, best) in [("exact_match", 1.0), ("bleu", 100.0), ("chrf", 100.0)] {
            let found = last["validation"][score].as_f64().unwrap();
            assert!((found - best).abs() < 1e-9, "{score}: {found}");
        }
    }
}

/// A corpus of a single target, with six similar references for validation.
fn one_sentence() -> WorkFolder {
    let place = WorkFolder::translating();
    place.write("train.tsv", "this alone\tein Mann, der sitzt.\n".repeat(20));
    let references = ["ein Mann, der Mann sitzt.", "ein Mann, der sitzt."].repeat(3);
    place.write("validation.tsv", references.iter().map(|text| format!("this alone\t{text}\n")).collect::<String>());
    place
}

#[test]
fn bleu_uses_the_configured_tokenization() {
    let place = one_sentence();
    let all = [("13a", BleuTokenization::V13a), ("none", BleuTokenization::None)];
    for (name, configured) in all {
        let tokenize = format!("validation.tokenize={name}");
        place.trained(name, &set(&[MEMORIZE, &["validation.samples=6", tokenize.as_str()]].concat()));
        let last = place.metrics(name).pop().unwrap();
        let samples = last["validation"]["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 6);
        let column = |key: &str| -> Vec<&str> { samples.iter().filter_map(|sample| sample[key].as_str()).collect() };
        let (outputs, references) = (column("output"), column("reference"));
        let found = last["validation"]["bleu"].as_f64().unwrap();
        for (_, tokenization) in all {
            let expected = Bleu { tokenization, ..Bleu::default() }.score(&outputs, &references).unwrap().score;
            let off = (found - expected).abs();
            if tokenization == configured {
                assert!(off < 1e-9, "{name}: {found}, not {expected}");
            } else {
                assert!(off > 0.1, "{name}: {found} and {expected} for {outputs:?}");
            }
        }
    }
}

#[test]
fn a_validation_prints_scores_and_five_samples() {
    let place = one_sentence();
    let ran = place.trained("run", &set(&[MEMORIZE, &["validation.every=60"]].concat()));
    let last = place.metrics("run").pop().unwrap();
    let report = &last["validation"];
    let printed = ran.stderr.lines().find(|line| line.starts_with("validation at step 60: ")).expect("a line");
    let scores = [("nll", "nll", 4), ("ppl", "perplexity", 3), ("BLEU", "bleu", 2), ("chrF", "chrf", 2)];
    for (label, key, digits) in scores {
        let message = format!("  {label} {:.digits$}", report[key].as_f64().unwrap());
        assert!(printed.contains(&message), "{message:?} is missing in {printed:?}");
    }
    assert_eq!(report["sentences"], 6);
    assert_eq!(report["samples"].as_array().unwrap().len(), 5, "the default");
    let is_output = |line: &&str| line.starts_with("  = ") || line.starts_with("  ≠ ");
    assert_eq!(ran.stderr.lines().filter(is_output).count(), 5, "{}", ran.stderr);
}

#[test]
fn long_and_empty_pairs_are_dropped_and_counted() {
    let place = WorkFolder::translating();
    place.write("train.tsv", place.text("train.tsv") + "\tleer\nthe cat\t\n" + &"cow ".repeat(70) + "\tKuh\n");
    let ran = place.trained("run", &[]);
    ran.assert_stderr_contains(&["63 training pairs, 3 dropped (2 with an empty side, 1 too long)"]);
    let ran = place.trained("shorter", &set(&["data.max_length=6", "data.max_ratio=1.5"]));
    ran.assert_stderr_contains(&["training pairs, ", "2 with an empty side", " too long"]);
}

#[test]
fn uneven_pairs_are_dropped_and_counted_if_set() {
    let place = WorkFolder::translating();
    place.write("train.tsv", place.text("train.tsv") + "the big red cow sees\tdie Kuh\nthe\tdie große rote Kuh\n");
    place.trained("all", &[]).assert_stderr_contains(&["62 training pairs\n"]);
    let ran = place.trained("even", &["--set", "data.max_ratio=2"]);
    ran.assert_stderr_contains(&["62 training pairs, 2 dropped (2 less even than data.max_ratio)"]);
}

#[test]
fn a_large_corpus_is_streamed_with_counted_epochs() {
    let place = WorkFolder::translating();
    place.write("train.tsv", place.text("train.tsv") + "\tleer\n");
    let settings = set(&["data.shuffle_buffer=16", "training.max_tokens=64"]);
    let ran = place.trained("run", &settings);
    ran.assert_stderr_contains(&[
        "61 training pairs, streamed through a shuffle buffer of 16",
        "an epoch ends at step ",
    ]);
    ran.assert_stderr_contains(&["61 training pairs, 1 dropped (1 with an empty side)"]);
    let lines = place.metrics("run");
    let read: Vec<_> = lines.iter().filter_map(|line| line.get("epoch_read")).collect();
    assert!(!read.is_empty());
    assert!(read.iter().all(|counts| counts["pairs"] == 61 && counts["empty"] == 1));
}

#[test]
fn validation_sentences_limits_both_splits() {
    let place = WorkFolder::translating();
    place.write("test.tsv", corpus(7));
    let ran = place.trained("run", &set(&["validation.sentences=7", "task.test=test.tsv"]));
    ran.assert_stderr_contains(&["of 20 validation pairs the first 7 alone are measured: validation.sentences = 7"]);
    assert!(!ran.stderr.contains("test pairs the first"), "{}", ran.stderr);
    let metrics = place.metrics("run");
    for split in ["validation", "test"] {
        let measured = metrics.iter().find(|line| line.get(split).is_some()).unwrap();
        assert_eq!(measured[split]["sentences"], 7);
    }
}

#[test]
fn validation_and_test_have_beams_of_their_own() {
    let place = WorkFolder::translating();
    place.write("test.tsv", corpus(20));
    let settings = [
        "validation.beam=2",
        "decoding.beam=3",
        "decoding.length_penalty={ form = \"power\", alpha = 0.5 }",
        "task.test=test.tsv",
    ];
    place.trained("run", &[&set(&settings)[..], &["--quiet"]].concat());
    let measured = |split: &str| {
        let mut lines = place.metrics("run").into_iter().rev();
        lines.find_map(|mut line| line.get_mut(split).map(serde_json::Value::take)).expect(split)
    };
    let (validation, test) = (measured("validation"), measured("test"));
    assert_eq!((&validation["beam"], &test["beam"]), (&2.into(), &3.into()));
    let output = |triple: &serde_json::Value| triple["output"].as_str().expect("text").to_string();
    let outputs: Vec<String> = test["samples"].as_array().expect("samples").iter().map(output).collect();
    let sources: Vec<String> = pairs(outputs.len()).into_iter().map(|(source, _)| source).collect();
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    assert_eq!(outputs, decode(&place.path("run"), &sources), "the translations of `infer`");
}

#[test]
fn the_share_of_unknown_tokens_is_printed() {
    let place = WorkFolder::translating();
    place.write("validation.tsv", "the zebra\tdie Maus\n");
    place.write("test.tsv", "the mouse\tdie Zebras\n");
    let ran = place.trained("run", &set(&["training.steps=1", "task.test=test.tsv"]));
    ran.assert_stderr_contains(&[
        "unknown tokens in validation: 50.00 % of the source, 0.00 % of the target",
        "unknown tokens in test: 0.00 % of the source, 50.00 % of the target",
    ]);
}
