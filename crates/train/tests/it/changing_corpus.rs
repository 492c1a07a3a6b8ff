//! A streamed corpus that becomes invalid or changes during training: no update from the old text is lost, and training on
//! the new text is detected.

use std::fs;
use std::io::{BufRead, Read};

use crate::common::samples::corpus;
use crate::common::{ProcessOutput, WorkFolder, set};

const STREAMED: &[&str] = &[
    "data.shuffle_buffer=16",
    "training.max_tokens=64",
    "training.steps=1000",
    "training.checkpoint_every=100000",
    "validation.every=500",
];

/// Replaces `train.tsv` after a few updates and waits for the run to end.
fn train_with_replaced_corpus(place: &WorkFolder, replacement: &str, settings: &[&'static str]) -> ProcessOutput {
    place.write("other.tsv", replacement);
    let (mut child, mut stderr) = place.started("run", &set(settings));
    let mut message = String::new();
    while !message.lines().last().is_some_and(|last| last.starts_with("step 5/")) {
        assert!(stderr.read_line(&mut message).expect("text") > 0, "the run ended early:\n{message}");
    }
    // A rename, so that an open file keeps its contents.
    fs::rename(place.path("other.tsv"), place.path("train.tsv")).expect("a writable folder");
    stderr.read_to_string(&mut message).expect("text");
    ProcessOutput { code: child.wait().expect("an end").code(), stdout: String::new(), stderr: message }
}

#[test]
fn an_invalid_line_loses_no_update() {
    let place = WorkFolder::translating();
    let whole = place.text("train.tsv");
    place.trained("whole", &[&set(STREAMED)[..], &["--quiet"]].concat());
    let ran = train_with_replaced_corpus(&place, &format!("{whole}a line alone\n"), STREAMED);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    ran.assert_stderr_contains(&["train.tsv:61", "found 0 tabs", "checkpoint of step ", "resume with --resume"]);
    let [checkpoint] = &place.names("run/checkpoints")[..] else { panic!("one checkpoint") };
    let step: u64 = checkpoint.strip_prefix("step-").and_then(|step| step.parse().ok()).expect("a step");
    assert!(5 < step && step < 1000, "{checkpoint}");

    place.write("train.tsv", whole);
    place.trained("run", &[&set(STREAMED)[..], &["--quiet", "--resume"]].concat());
    place.assert_same_run("whole", "run");
}

#[test]
fn a_change_is_detected_at_the_end_of_the_epoch() {
    let other = corpus(60).replacen("Katze", "Maus", 1);
    assert_ne!(other, corpus(60));
    for (replacement, found) in [(other, "60 pairs"), (corpus(59), "59 pairs")] {
        let place = WorkFolder::translating();
        let ran = train_with_replaced_corpus(&place, &replacement, STREAMED);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        ran.assert_stderr_contains(&["train.tsv changed during training", found, "the same 60", "restore it"]);
        assert!(place.names("run/checkpoints").is_empty(), "no weights from the changed corpus are kept");
    }
}

/// Checkpoints from the epoch of the change are rejected after the corpus is restored.
#[test]
fn a_checkpoint_of_a_changed_corpus_is_rejected() {
    let settings =
        [STREAMED, &["training.checkpoint_every=2", "training.keep_checkpoints=1000", "training.steps=400"]].concat();
    let place = WorkFolder::translating();
    let whole = place.text("train.tsv");
    place.trained("whole", &[&set(&settings)[..], &["--quiet"]].concat());
    // Every line changes, and so does every block.
    let ran = train_with_replaced_corpus(&place, &whole.replace('\t', " indeed\t"), &settings);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    ran.assert_stderr_contains(&[
        "train.tsv changed during training",
        "rejects checkpoints that have learned from the change",
    ]);

    place.write("train.tsv", whole);
    let resumed = [&set(&settings)[..], &["--quiet", "--resume"]].concat();
    let newest = || {
        let steps = place.names("run/checkpoints").into_iter();
        steps.max_by_key(|name| name.trim_start_matches("step-").parse::<u64>().expect("a step")).expect("a checkpoint")
    };
    let mut rejected = 0;
    while place.train("run", &resumed).code == Some(1) {
        place.assert_rejects(
            "run",
            &resumed,
            &["the checkpoint was trained on other text", "train.tsv", "--overwrite"],
        );
        place.remove(&format!("run/checkpoints/{}", newest()));
        rejected += 1;
    }
    assert!(rejected > 0, "no checkpoint was rejected");
    place.assert_same_run("whole", "run");
}
