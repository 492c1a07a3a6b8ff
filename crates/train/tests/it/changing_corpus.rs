//! A streamed corpus that breaks or changes while a run reads it: nothing that was learned from what it was is lost, and
//! nothing is learned unnoticed from what it has become.

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

/// Trains until `train.tsv`, replaced after a few updates, ends it.
fn ended_by(place: &WorkFolder, replacement: &str, settings: &[&'static str]) -> ProcessOutput {
    place.write("other.tsv", replacement);
    let (mut child, mut stderr) = place.started("run", &set(settings));
    let mut message = String::new();
    while !message.lines().last().is_some_and(|last| last.starts_with("step 5/")) {
        assert!(stderr.read_line(&mut message).expect("text") > 0, "it ended early:\n{message}");
    }
    // In one move, so that what is open goes on being what it was.
    fs::rename(place.path("other.tsv"), place.path("train.tsv")).expect("a writable folder");
    stderr.read_to_string(&mut message).expect("text");
    ProcessOutput { code: child.wait().expect("an end").code(), stdout: String::new(), stderr: message }
}

#[test]
fn one_that_breaks_costs_no_update() {
    let place = WorkFolder::translating();
    let whole = place.text("train.tsv");
    place.trained("whole", &[&set(STREAMED)[..], &["--quiet"]].concat());
    let ran = ended_by(&place, &format!("{whole}a line alone\n"), STREAMED);
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
fn one_that_changes_is_noticed_at_the_end_of_an_epoch() {
    let other = corpus(60).replacen("Katze", "Maus", 1);
    assert_ne!(other, corpus(60));
    for (replacement, found) in [(other, "60 pairs"), (corpus(59), "59 pairs")] {
        let place = WorkFolder::translating();
        let ran = ended_by(&place, &replacement, STREAMED);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        ran.assert_stderr_contains(&["train.tsv changed during training", found, "the same 60", "restore it"]);
        assert!(place.names("run/checkpoints").is_empty(), "weights that have learned from it are not kept");
    }
}

/// Checkpoints of the epoch in which it is noticed have learned from it, and say so once the corpus is restored.
#[test]
fn a_checkpoint_of_a_changed_corpus_is_rejected() {
    let settings =
        [STREAMED, &["training.checkpoint_every=2", "training.keep_checkpoints=1000", "training.steps=400"]].concat();
    let place = WorkFolder::translating();
    let whole = place.text("train.tsv");
    place.trained("whole", &[&set(&settings)[..], &["--quiet"]].concat());
    // All of it is other text, so that no block is as it was.
    let ran = ended_by(&place, &whole.replace('\t', " indeed\t"), &settings);
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
    let mut refused = 0;
    while place.train("run", &resumed).code == Some(1) {
        place.assert_rejects(
            "run",
            &resumed,
            &["the checkpoint has learned from other text", "train.tsv", "--overwrite"],
        );
        place.remove(&format!("run/checkpoints/{}", newest()));
        refused += 1;
    }
    assert!(refused > 0, "none had learned from it");
    place.assert_same_run("whole", "run");
}
