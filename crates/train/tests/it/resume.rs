//! A resumed run gives the same bytes as an uninterrupted one, whatever ended it.
#![cfg(unix)] // signals

use crate::common::samples::corpus;
use crate::common::{WorkFolder, set};

/// Settings of a run that is long enough to interrupt; log lines and validations are at different steps, and no
/// checkpoint is due.
const LONG: &[&str] = &[
    "training.steps=300",
    "training.log_every=7",
    "training.checkpoint_every=1000",
    "validation.every=45",
    "validation.samples=0",
];
/// Checkpoints at steps 3, 6, … 18 and 20; log lines at 5, 10, 15 and 20.
const MANY_CHECKPOINTS: &[&str] = &["training.checkpoint_every=3", "training.keep_checkpoints=100"];
/// Options with which an update depends on more than weights and data.
const ALL_OPTIONS: &[&str] =
    &["task.kind=reverse", "model.dropout=0.2", "training.micro_batches=2", "training.clip_norm=0.5"];

/// Arguments with all of these settings.
fn with(settings: &[&[&'static str]], options: &[&'static str]) -> Vec<&'static str> {
    [&set(&settings.concat()), options].concat()
}

/// Interrupts a long run in its first tenth, resumes it, and compares it with an uninterrupted run.
fn assert_resumes_after_ctrl_c(settings: &[&'static str]) {
    let place = WorkFolder::new();
    let settings = &[LONG, settings];
    place.trained("whole", &with(settings, &["--quiet"]));

    let ran = place.train_until("step 14/", "INT", "interrupted", &with(settings, &[]));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    ran.assert_stderr_contains(&["interrupted at step", "checkpoint written", "--resume"]);
    let checkpoints = place.names("interrupted/checkpoints");
    assert_eq!(checkpoints.len(), 1, "{checkpoints:?}");

    let ran = place.trained("interrupted", &with(settings, &["--resume"]));
    ran.assert_stderr_contains(&[&format!("resuming from {}", checkpoints[0].replace('-', " "))]);
    place.assert_same_run("whole", "interrupted");
}

#[test]
fn ctrl_c_writes_a_checkpoint() {
    assert_resumes_after_ctrl_c(&[]);
}

#[test]
fn ctrl_c_with_micro_batches_dropout_and_clipping() {
    assert_resumes_after_ctrl_c(ALL_OPTIONS);
}

#[test]
fn sigterm_writes_a_checkpoint() {
    let place = WorkFolder::new();
    let ran = place.train_until("step 14/", "TERM", "run", &with(&[LONG], &[]));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(place.names("run/checkpoints").len(), 1);
}

/// A closed terminal, unless the process was started to outlive it.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_writes_a_checkpoint() {
    let place = WorkFolder::new();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let inherits_nohup = u64::from_str_radix(ignored, 16).unwrap() & 1 == 1;
    if !inherits_nohup {
        let ran = place.train_until("step 14/", "HUP", "run", &with(&[LONG], &[]));
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        assert_eq!(place.names("run/checkpoints").len(), 1);
    }

    let train = testing::binary("train");
    let settings =
        with(&[LONG, &["training.steps=60"]], &["--config", "tiny.toml", "--output", "outlives"]).join("' '");
    let script =
        format!("trap '' HUP; '{}' --device flex '{settings}' & sleep 0.3; kill -HUP $!; wait $!", train.display());
    let ran = std::process::Command::new("sh").args(["-c", &script]).current_dir(place.path(".")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn a_killed_run_resumes_from_its_last_checkpoint() {
    let place = WorkFolder::new();
    let settings = &[LONG, &["training.steps=200", "training.checkpoint_every=10"]];
    place.trained("whole", &with(settings, &["--quiet"]));
    let ran = place.train_until("step 28/", "KILL", "killed", &with(settings, &[]));
    assert_eq!(ran.code, None, "{}", ran.stderr);
    place.trained("killed", &with(settings, &["--quiet", "--resume"]));
    place.assert_same_run("whole", "killed");
    assert_eq!(place.names("killed"), place.names("whole"), "no temporary files");
    assert_eq!(place.names("killed/checkpoints"), place.names("whole/checkpoints"));
}

#[test]
fn every_checkpoint_leads_to_the_same_result() {
    let place = WorkFolder::new();
    let settings = &[MANY_CHECKPOINTS, ALL_OPTIONS];
    place.trained("whole", &with(settings, &["--quiet"]));
    for last in [3, 6, 12, 18] {
        let run = format!("from-{last}");
        place.copy("whole", &run);
        for newer in (last + 3..20).step_by(3).chain([20]) {
            place.remove(&format!("{run}/checkpoints/step-{newer}"));
        }
        place.trained(&run, &with(settings, &["--quiet", "--resume"]));
        place.assert_same_run("whole", &run);
    }
}

#[test]
fn translation_resumes_within_an_epoch() {
    let words = &["tokenizer.kind=word"][..];
    let byte_pairs = ["tokenizer.kind=bpe", "tokenizer.vocab_size=300", "tokenizer.dropout=0.2"];
    let streamed = [&byte_pairs[..], &["data.shuffle_buffer=16"]].concat();
    for kind in [words, &byte_pairs, &streamed] {
        let place = WorkFolder::translating();
        let settings = &[MANY_CHECKPOINTS, &["training.max_tokens=64"], kind];
        place.trained("whole", &with(settings, &["--quiet"]));
        place.copy("whole", "resumed");
        for newer in [6, 9, 12, 15, 18, 20] {
            place.remove(&format!("resumed/checkpoints/step-{newer}"));
        }
        place.trained("resumed", &with(settings, &["--quiet", "--resume"]));
        place.assert_same_run("whole", "resumed");
    }
}

#[test]
fn resume_without_a_checkpoint_starts_a_run() {
    let place = WorkFolder::new();
    place.trained("plain", &["--quiet"]);
    place.trained("resumed", &["--quiet", "--resume"]);
    place.assert_same_run("plain", "resumed");

    for step in place.names("resumed/checkpoints") {
        place.remove(&format!("resumed/checkpoints/{step}"));
    }
    place.trained("resumed", &["--quiet", "--resume"]);
    place.assert_same_run("plain", "resumed");
}

/// `infer` needs no checkpoints, so users may have removed them from a long run.
#[test]
fn a_run_without_checkpoints_is_not_restarted() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.remove("run/checkpoints");
    let before = place.snapshot();
    place.assert_rejects("run", &["--resume"], &["run/checkpoints is missing", "restore it", "--overwrite"]);
    assert!(before == place.snapshot());
}

#[test]
fn a_finished_run_is_reported_and_unchanged() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    let before = place.snapshot();
    place.trained("run", &["--resume"]).assert_stderr_contains(&["run is already finished (20 steps)"]);
    assert_eq!(place.trained("run", &["--resume", "--quiet"]).stderr, "");
    assert!(before == place.snapshot());
}

#[test]
fn another_configuration_is_rejected_with_both_values() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    for (setting, difference) in [
        ("training.seed=5", "training.seed: 1 there, 5 now"),
        ("model.max_length=12", "model.max_length: 16 there, 12 now"),
        ("task.max_length=3", "task.max_length: 4 there, 3 now"),
        ("task.kind=sort", "task.kind: \"copy\" there, \"sort\" now"),
        ("decoding.max_length=9", "decoding.max_length: not set there, 9 now"),
        ("training.optimizer=adamw", "training.optimizer: \"adam\" there, \"adamw\" now"),
        ("training.r_drop={ alpha = 1.0 }", "training.r_drop: not set there, "),
    ] {
        let message = [difference, "run was made with another configuration", "--overwrite"];
        place.assert_rejects("run", &["--resume", "--set", setting], &message);
    }
}

#[test]
fn a_run_keeps_settings_that_are_now_rejected() {
    let place = WorkFolder::new();
    let rate = ["training.schedule=cosine", "training.learning_rate=0.01"];
    place.trained("run", &[&set(&rate)[..], &set(&["training.warmup_steps=5"]), &["--quiet"]].concat());
    let config = place.text("run/config.toml").replace("warmup_steps = 5", "warmup_steps = 20");
    place.write("run/config.toml", config);
    let resumed = [&set(&rate)[..], &["--resume"]].concat();
    place.assert_rejects("new", &resumed, &["training.warmup_steps = 20"]);
    place.trained("run", &resumed).assert_stderr_contains(&["already finished"]);
}

#[test]
fn weights_newer_than_the_checkpoint_are_reported() {
    let place = WorkFolder::new();
    let settings = with(&[MANY_CHECKPOINTS], &[]);
    let ran = place.trained("run", &settings);
    assert!(!ran.stderr.contains("holds the weights"), "{}", ran.stderr);
    for newer in [12, 15, 18, 20] {
        place.remove(&format!("run/checkpoints/step-{newer}"));
    }
    let resumed = [&settings[..], &["--resume"]].concat();
    let message = "run/model.safetensors holds the weights of step 20, after the checkpoint, until";
    place.trained("run", &resumed).assert_stderr_contains(&["resuming from step 9", message]);
}

#[test]
fn another_corpus_is_rejected_with_its_split() {
    let place = WorkFolder::translating();
    place.write("test.tsv", corpus(10));
    let settings = set(&["task.test=test.tsv"]);
    place.trained("run", &[&settings[..], &["--quiet"]].concat());
    let resumed = [&settings[..], &["--resume"]].concat();
    for split in ["train", "validation", "test"] {
        let (file, message) = (format!("{split}.tsv"), format!("another {split} corpus than task.{split} holds now"));
        let text = place.text(&file);
        let swapped = text.lines().rev().map(|line| format!("{line}\n")).collect();
        for edited in [
            text.replace("cat", "hen"),                                          // other words
            text.replacen("cat", "cow", 1),                                      // the same words
            text.trim_end().rsplit_once('\n').expect("two lines").0.to_string(), // one pair fewer
            text.clone() + "the cat\tdie Katze\n",                               // one pair more
            swapped,                                                             // another order
        ] {
            assert_ne!(edited, text);
            place.write(&file, edited);
            place.assert_rejects(
                "run",
                &resumed,
                &[&message, "run was made with", "restore that corpus", "--overwrite"],
            );
        }
        place.write(&file, text);
    }
    place.trained("run", &resumed).assert_stderr_contains(&["already finished"]);
}

#[test]
fn line_ends_do_not_change_a_corpus() {
    let place = WorkFolder::translating();
    place.trained("run", &["--quiet"]);
    place.write("train.tsv", "\u{FEFF}".to_string() + &corpus(60).replace('\n', "\r\n"));
    place.trained("run", &["--resume"]).assert_stderr_contains(&["already finished"]);
}

#[test]
fn files_left_by_a_kill_are_removed() {
    let place = WorkFolder::new();
    let average = "training.average={ of = \"last\", count = 1 }";
    let settings = with(&[&["training.final_weights=average", average, "training.keep_checkpoints=1"]], &["--quiet"]);
    place.trained("run", &settings);
    let before = place.snapshot();
    place.copy("run/checkpoints/step-20", "run/checkpoints/step-15");
    place.copy("run/checkpoints/step-20", "run/checkpoints/.step-15.partial");
    place.write("run/snapshots/step-15.safetensors", "old");
    place.trained("run", &[&settings[..], &["--resume"]].concat());
    assert!(before == place.snapshot());
}
