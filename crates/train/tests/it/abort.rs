//! The process aborts after each step of writing to disk: no final name ever has an incomplete file, and the resumed run
//! gives the result of an uninterrupted one.

use std::fs;

use runs::layout::{self, BEST};

use crate::common::{ProcessOutput, WorkFolder, decode, set};

/// A short run that writes, replaces and removes every kind of file.
const ALL_FILES: &[&str] = &[
    "training.steps=2",
    "training.log_every=2",
    "training.checkpoint_every=1",
    "training.keep_checkpoints=1",
    "training.final_weights=average",
    "training.average={ of = \"last\", count = 1 }",
    "validation.every=1",
    "validation.sentences=2",
    "validation.samples=1",
];

/// A short run with a moving average in two checkpoints, of which the second replaces the first.
const MOVING_AVERAGE: &[&str] = &[
    "training.steps=2",
    "training.log_every=2",
    "training.checkpoint_every=1",
    "training.keep_checkpoints=1",
    "training.final_weights=ema",
    "training.ema=0.9",
    "validation.every=2",
    "validation.sentences=2",
    "validation.samples=1",
];

/// A short run whose end validates, and so replaces the best weights before it.
const VALIDATED_END: &[&str] = &[
    "training.steps=3",
    "training.log_every=2",
    "training.checkpoint_every=2",
    "training.keep_checkpoints=1",
    "validation.every=2",
    "validation.sentences=2",
    "validation.samples=1",
];

/// Runs `train`, which aborts after step `at` unless it finishes before.
fn aborted(place: &WorkFolder, settings: &[&str], output: &str, at: usize) -> ProcessOutput {
    let arguments = [&set(settings)[..], &["--config", "tiny.toml", "--output", output, "--quiet"]].concat();
    ProcessOutput::from(
        place.command(&arguments).env("ATTEND_ABORT_AT", at.to_string()).output().expect("a binary that starts"),
    )
}

/// Aborts a run after each of its steps in turn and resumes it; returns the number of steps.
fn aborted_after_each_step(place: &WorkFolder, settings: &[&str]) -> usize {
    place.trained("whole", &[&set(settings)[..], &["--quiet"]].concat());
    let mut steps = 0;
    loop {
        let ran = aborted(place, settings, "aborted", steps + 1);
        if ran.code == Some(0) {
            return steps;
        }
        steps += 1;
        assert_eq!((ran.code, ran.stderr.as_str()), (None, ""), "an abort without a message");

        if place.path("aborted/model.safetensors").exists() {
            assert_eq!(decode(&place.path("aborted"), &["0 1"]).len(), 1);
        }
        place.trained("aborted", &[&set(settings)[..], &["--quiet", "--resume"]].concat());
        place.assert_same_run("whole", "aborted");
        let best = |run: &str| {
            layout::checkpoints(&place.path(run)).unwrap().pop().map(|(_, path)| fs::read(path.join(BEST)).ok())
        };
        assert!(best("whole") == best("aborted"), "the best weights before the end, after step {steps}");
        for folder in ["", "/checkpoints", "/snapshots"] {
            if place.path(&format!("whole{folder}")).exists() {
                let [whole, aborted] = ["whole", "aborted"].map(|run| place.names(&format!("{run}{folder}")));
                assert_eq!(whole, aborted, "no temporary files after step {steps}");
            }
        }
        place.remove("aborted");
        assert_eq!(place.names("."), ["tiny.toml", "whole"], "no temporary files after step {steps}");
    }
}

#[cfg_attr(not(debug_assertions), ignore = "failpoints need debug assertions")]
#[test]
fn an_abort_at_any_step_leaves_a_valid_folder() {
    let place = WorkFolder::new();
    let steps = aborted_after_each_step(&place, ALL_FILES);
    assert!(place.path("whole/snapshots").is_dir());
    // A folder of five files, two validations with two files, two checkpoints of three files; three steps per file.
    assert!(steps > 3 * (5 + 2 * 2 + 2 * 3), "only {steps} steps");
}

#[cfg_attr(not(debug_assertions), ignore = "failpoints need debug assertions")]
#[test]
fn an_abort_at_any_step_with_a_moving_average() {
    let place = WorkFolder::new();
    let steps = aborted_after_each_step(&place, MOVING_AVERAGE);
    assert!(place.path("whole/checkpoints/step-2/ema.safetensors").is_file());
    // A folder of five files, a validation with two files, two checkpoints of four files.
    assert!(steps > 3 * (5 + 2 + 2 * 4), "only {steps} steps");
}

#[cfg_attr(not(debug_assertions), ignore = "failpoints need debug assertions")]
#[test]
fn an_abort_at_the_end_keeps_the_best_before_it() {
    let place = WorkFolder::new();
    aborted_after_each_step(&place, VALIDATED_END);
    assert!(place.path("whole/checkpoints/step-3").join(BEST).is_file());
    assert_ne!(place.weights("whole"), fs::read(place.path("whole/checkpoints/step-3").join(BEST)).unwrap());
}

#[cfg_attr(not(debug_assertions), ignore = "failpoints need debug assertions")]
#[test]
fn an_abort_while_overwriting_keeps_the_old_run() {
    let place = WorkFolder::new();
    place.trained("whole", &[&set(ALL_FILES)[..], &["--quiet"]].concat());
    place.copy("whole", "run");
    let arguments =
        [&set(ALL_FILES)[..], &["--config", "tiny.toml", "--output", "run", "--quiet", "--overwrite"]].concat();
    for at in [1, 10] {
        let ended = place.command(&arguments).env("ATTEND_ABORT_AT", at.to_string()).output().expect("a binary");
        assert_eq!(ended.status.code(), None);
        place.assert_same_run("whole", "run.old-1");
        place.trained("run", &[&set(ALL_FILES)[..], &["--quiet", "--resume"]].concat());
        place.assert_same_run("whole", "run");
        place.remove("run.old-1");
    }
}
