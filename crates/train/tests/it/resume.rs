//! Going on after an end of any kind: the result is that of a run that was never interrupted, byte for byte.
#![cfg(unix)] // signals

use crate::common::samples::corpus;
use crate::common::{WorkFolder, set};

/// Long enough to be interrupted; lines and validations fall on different steps, and checkpoints on none.
const LONG: &[&str] = &[
    "training.steps=300",
    "training.log_every=7",
    "training.checkpoint_every=1000",
    "validation.every=45",
    "validation.samples=0",
];
/// Checkpoints at 3, 6, … 18 and 20, where no line is logged but at 15 and 20.
const MANY_CHECKPOINTS: &[&str] = &["training.checkpoint_every=3", "training.keep_checkpoints=100"];
/// Whatever makes an update depend on more than weights and data.
const ELABORATE: &[&str] =
    &["task.kind=reverse", "model.dropout=0.2", "training.micro_batches=2", "training.clip_norm=0.5"];

/// Arguments with all of these settings.
fn with(settings: &[&[&'static str]], options: &[&'static str]) -> Vec<&'static str> {
    [&set(&settings.concat()), options].concat()
}

/// Interrupts a long run in its first tenth, resumes it and compares it with one that ran through.
fn interrupted_and_resumed_is_the_same(settings: &[&'static str]) {
    let place = WorkFolder::new();
    let settings = &[LONG, settings];
    place.trained("whole", &with(settings, &["--quiet"]));

    let ran = place.train_until("step 14/", "INT", "broken", &with(settings, &[]));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    ran.assert_stderr_contains(&["interrupted at step", "checkpoint written", "--resume"]);
    let checkpoints = place.names("broken/checkpoints");
    assert_eq!(checkpoints.len(), 1, "{checkpoints:?}");

    let ran = place.trained("broken", &with(settings, &["--resume"]));
    ran.assert_stderr_contains(&[&format!("resuming from {}", checkpoints[0].replace('-', " "))]);
    place.assert_same_run("whole", "broken");
}

#[test]
fn ctrl_c_leaves_a_checkpoint_to_resume_from() {
    interrupted_and_resumed_is_the_same(&[]);
}

#[test]
fn so_it_does_with_accumulation_dropout_and_clipping() {
    interrupted_and_resumed_is_the_same(ELABORATE);
}

#[test]
fn a_request_to_terminate_is_taken_like_ctrl_c() {
    let place = WorkFolder::new();
    let ran = place.train_until("step 14/", "TERM", "run", &with(&[LONG], &[]));
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert_eq!(place.names("run/checkpoints").len(), 1);
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let place = WorkFolder::new();
    let settings = &[LONG, &["training.steps=200", "training.checkpoint_every=10"]];
    place.trained("whole", &with(settings, &["--quiet"]));
    let ran = place.train_until("step 28/", "KILL", "killed", &with(settings, &[]));
    assert_eq!(ran.code, None, "{}", ran.stderr);
    place.trained("killed", &with(settings, &["--quiet", "--resume"]));
    place.assert_same_run("whole", "killed");
    assert_eq!(place.names("killed"), place.names("whole"), "no scraps");
    assert_eq!(place.names("killed/checkpoints"), place.names("whole/checkpoints"));
}

#[test]
fn every_checkpoint_leads_to_the_same_end() {
    let place = WorkFolder::new();
    let settings = &[MANY_CHECKPOINTS, ELABORATE];
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
fn translation_goes_on_in_the_middle_of_an_epoch_too() {
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
fn resuming_nothing_starts_from_the_beginning() {
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

/// `infer` does without them, so they may have been removed from a run that took hours.
#[test]
fn a_run_whose_checkpoints_are_gone_is_not_begun_anew() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.remove("run/checkpoints");
    let before = place.snapshot();
    place.assert_rejects("run", &["--resume"], &["run/checkpoints is missing", "restore it", "--overwrite"]);
    assert!(before == place.snapshot());
}

#[test]
fn a_finished_run_says_so_and_stays_as_it_is() {
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
fn a_run_made_with_what_a_new_one_is_refused_goes_on() {
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
fn a_damaged_checkpoint_is_named_and_the_remedy_helps() {
    let place = WorkFolder::new();
    let settings = set(&["training.final_weights=ema", "training.ema=0.9"]);
    let [quiet, resumed] = [&["--quiet"][..], &["--resume"]].map(|option| [&settings[..], option].concat());
    place.trained("whole", &quiet);
    let half = |name: &str| {
        let bytes = place.read(name);
        bytes[..bytes.len() / 2].to_vec()
    };
    let newest = "broken/checkpoints/step-20";
    let damages: [(&str, Option<Vec<u8>>); 9] = [
        ("state.json", Some(half("whole/checkpoints/step-20/state.json"))),
        ("state.json", None),
        ("model.safetensors", Some(half("whole/checkpoints/step-20/model.safetensors"))),
        ("model.safetensors", None),
        ("optimizer.safetensors", Some(half("whole/checkpoints/step-20/optimizer.safetensors"))),
        ("optimizer.safetensors", None),
        ("ema.safetensors", Some(half("whole/checkpoints/step-20/ema.safetensors"))),
        ("ema.safetensors", None),
        // Sound by itself, but not what belongs there.
        ("optimizer.safetensors", Some(place.read("whole/checkpoints/step-20/model.safetensors"))),
    ];
    for (file, damage) in damages {
        place.copy("whole", "broken");
        match &damage {
            Some(bytes) => place.write(&format!("{newest}/{file}"), bytes),
            None => place.remove(&format!("{newest}/{file}")),
        }
        let message = ["broken/checkpoints/step-20", "remove that folder to resume from the one before it"];
        place.assert_rejects("broken", &resumed, &message);
        place.remove(newest);
        place.trained("broken", &[&resumed[..], &["--quiet"]].concat());
        place.assert_same_run("whole", "broken");
        place.remove("broken");
    }
    place.copy("whole", "broken");
    place.names("broken/checkpoints").iter().filter(|name| *name != "step-20").for_each(|name| {
        place.remove(&format!("broken/checkpoints/{name}"));
    });
    place.remove(&format!("{newest}/state.json"));
    place.assert_rejects(
        "broken",
        &resumed,
        &["broken/checkpoints/step-20", "restore it, or start a new run with --overwrite"],
    );
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
fn truncated_metrics_are_rejected() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.write("run/metrics.jsonl", "");
    let ran = place.train("run", &["--resume"]);
    ran.assert_rejected(&["metrics.jsonl", "0 bytes", "--overwrite"]);
    assert!(!ran.stderr.contains("remove that folder"), "{}", ran.stderr);
}

#[test]
fn a_damaged_configuration_in_the_folder_is_named() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.write("run/config.toml", "[model]\nd_model = \"big\"\n");
    place.assert_rejects("run", &["--resume"], &["run/config.toml: TOML parse error at line 2", "string \"big\""]);
}

#[test]
fn another_corpus_is_refused_naming_the_split() {
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
fn the_same_corpus_in_other_files_is_no_other_corpus() {
    let place = WorkFolder::translating();
    place.trained("run", &["--quiet"]);
    place.write("train.tsv", "\u{FEFF}".to_string() + &corpus(60).replace('\n', "\r\n"));
    place.trained("run", &["--resume"]).assert_stderr_contains(&["already finished"]);
}

#[test]
fn a_damaged_record_of_the_corpora_is_named() {
    let place = WorkFolder::translating();
    place.trained("run", &["--quiet"]);
    place.write("run/corpora.json", "{\"train\": ");
    place.assert_rejects("run", &["--resume"], &["run/corpora.json", "EOF", "hash for each corpus", "--overwrite"]);
    place.remove("run/corpora.json");
    place.assert_rejects("run", &["--resume"], &["run/corpora.json", "No such file", "--overwrite"]);
}

#[test]
fn a_missing_snapshot_is_named() {
    let place = WorkFolder::new();
    let average = "training.average={ of = \"last\", count = 2 }";
    let settings = with(&[&["training.final_weights=average"], &[average]], &[]);
    place.trained("run", &[&settings[..], &["--quiet"]].concat());
    place.remove("run/checkpoints/step-20");
    place.remove("run/snapshots/step-10.safetensors");
    let ran = place.train("run", &[&settings[..], &["--resume"]].concat());
    ran.assert_rejected(&["run/snapshots/step-10.safetensors", "No such file", "--overwrite"]);
}

#[test]
fn remains_of_a_kill_are_removed() {
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
