//! A disk that is full, at whatever file: one message that names it, exit code 1, and once there is room again the run
//! goes on from its last checkpoint to the end that it would have had.
//!
//! No file may grow beyond a limit here, which is an error to the program like that of a full disk.

use std::process::Command;

use crate::common::{ProcessOutput, WorkFolder, set};

/// What `ulimit -f` counts in.
const BLOCK: u64 = 512;
/// One checkpoint, at the end; the first validation comes before it.
const SETTINGS: &[&str] = &[
    "training.steps=100",
    "training.log_every=1",
    "training.checkpoint_every=1000",
    "validation.every=45",
    "validation.samples=0",
];

/// Runs `train` where no file can hold more than `blocks` of 512 bytes.
fn limited(place: &WorkFolder, blocks: u64, output: &str, arguments: &[&str]) -> ProcessOutput {
    let arguments = [&["--config", "tiny.toml", "--output", output, "--quiet"], arguments].concat();
    let command = place.command(&arguments);
    let mut shell = Command::new("sh");
    // Without the signal that goes with it, reaching the limit is an ordinary error.
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().expect("a folder"));
    ProcessOutput::from(shell.output().expect("a shell"))
}

/// The most blocks that do not hold a file.
fn too_few_for(place: &WorkFolder, file: &str) -> u64 {
    (place.read(file).len() as u64 - 1) / BLOCK
}

#[test]
fn without_room_for_a_run_folder_nothing_is_left() {
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
    place.train_until("step 14/", "INT", "run", &settings);
    let checkpoint = place.names("run/checkpoints");
    let resumed = [&settings[..], &["--resume"]].concat();

    let weights = too_few_for(&place, "whole/model.safetensors");
    let moments = too_few_for(&place, "whole/checkpoints/step-100/optimizer.safetensors");
    // The clock's numbers have more digits in one run than in another.
    let report = too_few_for(&place, "whole/report.html") - 4;
    // Line after line is written to the metrics, long before the first weights.
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
            assert_eq!(place.names("run/checkpoints"), checkpoint, "nothing but what was there before");
            assert!(!place.names("run").iter().any(|name| name.starts_with('.')), "{:?}", place.names("run"));
        }
    }
    place.trained("run", &[&resumed[..], &["--quiet"]].concat());
    place.assert_same_run("whole", "run");
    assert_eq!(place.names("run"), place.names("whole"));
}
