//! The process ends after each single step of what is written to disk: never is there half a file under a name that
//! counts, and going on leads to the end of a run that was never interrupted.

use crate::common::{ProcessOutput, WorkFolder, decode, set};

/// Every kind of file is written, replaced and removed within a fraction of a second.
const BRIEF: &[&str] = &[
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

/// A moving average in each of two checkpoints, of which the second replaces the first, and little else.
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

/// Runs that end after step `at`, unless they end before it.
fn aborted(place: &WorkFolder, settings: &[&str], output: &str, at: usize) -> ProcessOutput {
    let arguments = [&set(settings)[..], &["--config", "tiny.toml", "--output", output, "--quiet"]].concat();
    ProcessOutput::from(
        place.command(&arguments).env("ATTEND_ABORT_AT", at.to_string()).output().expect("a binary that starts"),
    )
}

/// Ends a run after each of its steps in turn and goes on from what is left; returns how many steps there are.
fn aborted_after_each_step(place: &WorkFolder, settings: &[&str]) -> usize {
    place.trained("whole", &[&set(settings)[..], &["--quiet"]].concat());
    let mut steps = 0;
    loop {
        let ran = aborted(place, settings, "broken", steps + 1);
        if ran.code == Some(0) {
            return steps;
        }
        steps += 1;
        assert_eq!((ran.code, ran.stderr.as_str()), (None, ""), "it ends by a signal and without a word");

        if place.path("broken/model.safetensors").exists() {
            assert_eq!(decode(&place.path("broken"), &["0 1"]).len(), 1);
        }
        place.trained("broken", &[&set(settings)[..], &["--quiet", "--resume"]].concat());
        place.assert_same_run("whole", "broken");
        for folder in ["", "/checkpoints", "/snapshots"] {
            if place.path(&format!("whole{folder}")).exists() {
                let [whole, broken] = ["whole", "broken"].map(|run| place.names(&format!("{run}{folder}")));
                assert_eq!(whole, broken, "no scraps after step {steps}");
            }
        }
        place.remove("broken");
        assert_eq!(place.names("."), ["tiny.toml", "whole"], "no scraps after step {steps}");
    }
}

#[cfg_attr(not(debug_assertions), ignore = "needs the hook that builds without debug assertions lack")]
#[test]
fn an_abort_at_any_step_leaves_a_sound_folder() {
    let place = WorkFolder::new();
    let steps = aborted_after_each_step(&place, BRIEF);
    assert!(place.path("whole/snapshots").is_dir());
    // A folder of five files, two validations with two files each, two checkpoints of three files: three steps a file.
    assert!(steps > 3 * (5 + 2 * 2 + 2 * 3), "the hook is called {steps} times only");
}

#[cfg_attr(not(debug_assertions), ignore = "needs the hook that builds without debug assertions lack")]
#[test]
fn an_abort_at_any_step_with_a_moving_average() {
    let place = WorkFolder::new();
    let steps = aborted_after_each_step(&place, MOVING_AVERAGE);
    assert!(place.path("whole/checkpoints/step-2/ema.safetensors").is_file());
    // A folder of five files, a validation with two files, two checkpoints of four files.
    assert!(steps > 3 * (5 + 2 + 2 * 4), "the hook is called {steps} times only");
}

#[cfg_attr(not(debug_assertions), ignore = "needs the hook that builds without debug assertions lack")]
#[test]
fn an_abort_while_overwriting_keeps_the_old_run() {
    let place = WorkFolder::new();
    place.trained("whole", &[&set(BRIEF)[..], &["--quiet"]].concat());
    place.copy("whole", "run");
    let arguments = [&set(BRIEF)[..], &["--config", "tiny.toml", "--output", "run", "--quiet", "--overwrite"]].concat();
    for at in [1, 10] {
        let ended = place.command(&arguments).env("ATTEND_ABORT_AT", at.to_string()).output().expect("a binary");
        assert_eq!(ended.status.code(), None);
        place.assert_same_run("whole", "run.old-1");
        place.trained("run", &[&set(BRIEF)[..], &["--quiet", "--resume"]].concat());
        place.assert_same_run("whole", "run");
        place.remove("run.old-1");
    }
}
