//! A full disk, for each file of a run: one message that names the file, exit code 1, and the run resumes from its last
//! checkpoint to the result of an uninterrupted one.
//!
//! A limit on the size of files stands for the full disk, since both fail in the same way.

use std::process::Command;

use crate::common::{ProcessOutput, WorkFolder, set};

/// Bytes of a block of `ulimit -f`.
const BLOCK: u64 = 512;
/// Checkpoints at steps 60 and 100, validations at 50 and 100.
const SETTINGS: &[&str] = &[
    "training.steps=100",
    "training.log_every=2",
    "training.checkpoint_every=60",
    "validation.every=50",
    "validation.samples=0",
];

/// Runs `train` with a limit of `blocks` for each file.
fn limited(place: &WorkFolder, blocks: u64, output: &str, arguments: &[&str]) -> ProcessOutput {
    let arguments = [&["--config", "tiny.toml", "--output", output, "--quiet"], arguments].concat();
    let command = place.command(&arguments);
    let mut shell = Command::new("sh");
    // Without its signal, exceeding the limit is an error of the write.
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().expect("a folder"));
    ProcessOutput::from(shell.output().expect("a shell"))
}

/// The maximum number of blocks that is too small for a file.
fn blocks_below(place: &WorkFolder, file: &str) -> u64 {
    (place.read(file).len() as u64 - 1) / BLOCK
}

#[test]
fn a_full_disk_leaves_no_run_folder() {
    let place = WorkFolder::new();
    let before = place.snapshot();
    limited(&place, 0, "run", &[]).assert_rejected(&["config.toml", "writing failed", "has room"]);
    assert!(before == place.snapshot(), "{:?}", place.names("."));
}

#[test]
fn a_full_disk_names_the_file_and_the_run_resumes() {
    let place = WorkFolder::new();
    let settings = set(SETTINGS);
    place.trained("whole", &[&settings[..], &["--quiet"]].concat());
    // A run that was killed after its checkpoint of step 60, before the next line of its metrics.
    place.copy("whole", "run");
    place.remove("run/checkpoints/step-100");
    let metrics: String = place
        .text("run/metrics.jsonl")
        .split_inclusive('\n')
        .take_while(|line| !line.contains("\"step\":62,"))
        .collect();
    place.write("run/metrics.jsonl", metrics);
    let checkpoint = place.names("run/checkpoints");
    let resumed = [&settings[..], &["--resume"]].concat();

    let weights = blocks_below(&place, "whole/model.safetensors");
    let moments = blocks_below(&place, "whole/checkpoints/step-100/optimizer.safetensors");
    // Times have a varying number of digits.
    let report = blocks_below(&place, "whole/report.html") - 4;
    // The metrics exceed it within a few lines, before the next weights are written.
    let metrics = 1 + place.read("run/metrics.jsonl").len() as u64 / BLOCK;
    assert!(metrics < weights && weights < report && report < moments);
    for (blocks, file) in [
        (metrics, "run/metrics.jsonl"),
        (weights, "run/.model.safetensors.partial"),
        (report, "run/.report.html.partial"),
        (moments, "run/checkpoints/.step-100.partial/optimizer.safetensors"),
    ] {
        for _ in 0..2 {
            let ran = limited(&place, blocks, "run", &resumed);
            ran.assert_rejected(&[&format!("{file}: writing failed"), "has room"]);
            assert_eq!(place.names("run/checkpoints"), checkpoint, "only the previous checkpoint");
            assert!(!place.names("run").iter().any(|name| name.starts_with('.')), "{:?}", place.names("run"));
        }
    }
    place.trained("run", &[&resumed[..], &["--quiet"]].concat());
    place.assert_same_run("whole", "run");
    assert_eq!(place.names("run"), place.names("whole"));
}
