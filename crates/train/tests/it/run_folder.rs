//! The run folder: its files, what its bytes depend on, and existing folders.

use crate::common::samples::COPY;
use crate::common::{ProcessOutput, WorkFolder, decode, set};
use serde_json::Value;

const FILES: [&str; 8] = [
    "checkpoints",
    "config.toml",
    "corpora.json",
    "metrics.jsonl",
    "model.safetensors",
    "report.html",
    "source.tokenizer.json",
    "target.tokenizer.json",
];

fn resolved(place: &WorkFolder, run: &str) -> toml::Table {
    place.text(&format!("{run}/config.toml")).parse().expect("TOML")
}

#[test]
fn a_run_writes_its_folder_alone() {
    let place = WorkFolder::new();
    let ran = place.trained("run", &[]);
    assert_eq!(place.names("run"), FILES);
    assert_eq!(place.names("run/checkpoints/step-20"), ["model.safetensors", "optimizer.safetensors", "state.json"]);
    assert_eq!(place.names("."), ["run", "tiny.toml"]);
    assert_eq!(ran.stdout, "", "standard output is for results");
    ran.assert_stderr_contains(&[
        "total",
        "parameters",
        "flex",
        "float32",
        "step 20/20",
        "validation at step 10",
        "test of the final weights",
    ]);
}

/// The last line is a command as the program itself was started: by cargo, or installed.
#[test]
fn the_next_command_is_one_that_works() {
    for (by_cargo, command) in [(true, "done: cargo run -p infer -- --model run"), (false, "done: infer --model run")] {
        let place = WorkFolder::new();
        let mut train = place.command(&["--config", "tiny.toml", "--output", "run"]);
        let train = if by_cargo { train.env("CARGO", "cargo") } else { train.env_remove("CARGO") };
        ProcessOutput::from(train.output().expect("a binary that starts")).assert_stderr_contains(&[command]);
    }
}

#[test]
fn quiet_prints_nothing() {
    let ran = WorkFolder::new().trained("run", &["--quiet"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn training_survives_a_closed_standard_error() {
    let place = WorkFolder::new();
    assert_eq!(place.train_with_closed_stderr("unheard", &["--set", "training.steps=60"]), Some(0));
    place.trained("heard", &["--quiet", "--set", "training.steps=60"]);
    place.assert_same_run("unheard", "heard");
}

#[test]
fn the_default_folder_has_the_name_of_its_config() {
    let place = WorkFolder::new();
    assert_eq!(place.call(&["--config", "tiny.toml", "--quiet"]).code, Some(0));
    assert_eq!(place.names("runs"), ["tiny"]);
    place.trained("deep/er/run/", &["--quiet"]);
    assert_eq!(place.names("deep/er"), ["run"]);
    assert_eq!(place.names("deep/er/run"), FILES);
}

#[test]
fn an_empty_folder_is_used() {
    let place = WorkFolder::new();
    std::fs::create_dir(place.path("run")).unwrap();
    place.trained("run", &["--quiet"]);
    assert_eq!(place.names("run"), FILES);
}

#[cfg(unix)]
#[test]
fn an_empty_folder_behind_a_link_is_used() {
    let place = WorkFolder::new();
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("run")).unwrap();
    place.trained("run", &["--quiet"]);
    assert_eq!(place.names("elsewhere"), FILES);
    assert!(place.path("run").is_symlink());
}

#[test]
fn the_working_folder_can_only_be_resumed() {
    let place = WorkFolder::new();
    std::fs::create_dir(place.path("here")).unwrap();
    let before = place.snapshot();
    let here = |output: &str, option: &str| {
        let mut command = place.command(&["--config", "../tiny.toml", "--output", output, option]);
        ProcessOutput::from(command.current_dir(place.path("here")).output().unwrap())
    };
    let message = ["it is the working folder", "choose another --output, such as a folder inside it"];
    let whole = place.path("here").to_string_lossy().into_owned();
    for output in [".", &whole] {
        here(output, "--quiet").assert_rejected(&message);
    }
    assert!(before == place.snapshot(), "{:?}", place.names("."));

    place.trained("here", &["--quiet"]);
    here(".", "--overwrite").assert_rejected(&message);
    place.remove("here/checkpoints/step-20");
    assert_eq!(here(".", "--resume").code, Some(0));
    assert_eq!(place.names("here/checkpoints"), ["step-10", "step-20"]);
}

#[test]
fn the_saved_configuration_repeats_the_run() {
    let place = WorkFolder::new();
    place.trained("run", &["--seed", "7"]);
    let config = resolved(&place, "run");
    assert_eq!(config["training"]["seed"].as_integer(), Some(7), "overrides are in");
    assert_eq!(config["training"]["label_smoothing"].as_float(), Some(0.1), "defaults are in");
    assert_eq!(config["training"]["schedule"].as_str(), Some("noam"));
    assert_eq!(config["model"]["norm"].as_str(), Some("post"));
    assert_eq!(config["model"]["tie"].as_str(), Some("all"));
    assert_eq!(config["task"]["min_length"].as_integer(), Some(1));
    assert_eq!(config["validation"]["metric"].as_str(), Some("exact"));

    assert_eq!(place.call(&["--config", "run/config.toml", "--output", "again", "--quiet"]).code, Some(0));
    assert_eq!(place.text("again/config.toml"), place.text("run/config.toml"));
    place.assert_same_run("run", "again");
}

#[test]
fn the_last_override_of_a_key_applies() {
    let place = WorkFolder::new();
    let settings = set(&[
        "training.steps=30",
        "training.steps=2",
        "model.dropout=0.25",
        "model.bias=false",
        "model.norm=pre",
        "model.activation=\"swiglu\"",
        "training.learning_rate = 0.5",
        "task.kind=reverse",
        "decoding.max_length=9",
    ]);
    place.trained("run", &settings);
    let config = resolved(&place, "run");
    assert_eq!(config["training"]["steps"].as_integer(), Some(2));
    assert_eq!(config["training"]["learning_rate"].as_float(), Some(0.5));
    assert_eq!(config["model"]["dropout"].as_float(), Some(0.25));
    assert_eq!(config["model"]["bias"].as_bool(), Some(false));
    assert_eq!(config["model"]["norm"].as_str(), Some("pre"), "a bare word is a string");
    assert_eq!(config["model"]["activation"].as_str(), Some("swiglu"), "and so is a quoted one");
    assert_eq!(config["task"]["kind"].as_str(), Some("reverse"));
    assert_eq!(config["decoding"]["max_length"].as_integer(), Some(9), "a table that the file does not have");
    assert_eq!(config["model"]["d_model"].as_integer(), Some(16), "the file's own values stay");
}

#[test]
fn threads_do_not_change_the_bytes() {
    let place = WorkFolder::new();
    let settings = set(&["model.dropout=0.1", "training.micro_batches=2"]);
    for (run, threads) in [("one", "1"), ("two", "2"), ("three", "3")] {
        place.trained(run, &[&settings[..], &["--quiet", "--threads", threads]].concat());
    }
    place.assert_same_run("one", "two");
    place.assert_same_run("one", "three");
}

#[test]
fn threads_do_not_change_the_bytes_of_a_wide_network() {
    let place = WorkFolder::new();
    let wide = ["model.d_model=64", "model.d_ff=256", "training.max_tokens=2048", "training.steps=3"];
    let settings = set(&[&wide[..], &["training.micro_batches=1", "validation.sentences=200"]].concat());
    for (run, threads) in [("one", "1"), ("two", "2"), ("three", "3")] {
        place.trained(run, &[&settings[..], &["--quiet", "--threads", threads]].concat());
    }
    place.assert_same_run("one", "two");
    place.assert_same_run("one", "three");
}

#[test]
fn results_depend_on_the_seed() {
    let place = WorkFolder::new();
    place.trained("default", &["--quiet"]);
    place.trained("one", &["--quiet", "--seed", "1"]);
    place.trained("two", &["--quiet", "--seed", "2"]);
    place.trained("also-two", &["--quiet", "--set", "training.seed=2"]);
    place.assert_same_run("default", "one");
    place.assert_same_run("two", "also-two");
    assert!(place.weights("one") != place.weights("two"));
    assert_ne!(place.metrics_without_timing("one"), place.metrics_without_timing("two"));
}

#[test]
fn the_newest_checkpoints_are_kept() {
    let place = WorkFolder::new();
    place.trained("two", &set(&["training.checkpoint_every=4"]));
    assert_eq!(place.names("two/checkpoints"), ["step-16", "step-20"]);
    place.trained("all", &set(&["training.checkpoint_every=4", "training.keep_checkpoints=9"]));
    assert_eq!(place.names("all/checkpoints"), ["step-12", "step-16", "step-20", "step-4", "step-8"]);
}

#[test]
fn a_finished_run_keeps_its_checkpoints() {
    let place = WorkFolder::new();
    place.trained("run", &set(&["training.checkpoint_every=4", "training.keep_checkpoints=9"]));
    let before = place.snapshot();
    place.trained("run", &[&set(&["training.keep_checkpoints=1"])[..], &["--resume"]].concat());
    assert!(before == place.snapshot(), "{:?}", place.names("run/checkpoints"));
}

#[test]
fn an_existing_run_is_rejected_with_both_remedies() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    place.assert_rejects("run", &[], &["run already holds a run", "--resume", "--overwrite"]);
}

#[test]
fn overwriting_backs_up_the_old_run() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    let first = place.weights("run");
    // Shells complete folder names with a slash.
    for (output, seed) in [("run", "2"), ("run/", "3")] {
        place.trained(output, &["--quiet", "--overwrite", "--seed", seed]);
    }
    assert_eq!(place.names("."), ["run", "run.old-1", "run.old-2", "tiny.toml"]);
    assert!(place.weights("run.old-1") == first, "the oldest is what it was");
    assert_eq!(resolved(&place, "run.old-2")["training"]["seed"].as_integer(), Some(2));
    assert_eq!(resolved(&place, "run")["training"]["seed"].as_integer(), Some(3));
    assert_eq!(place.names("run.old-1"), FILES);
}

#[cfg(unix)]
#[test]
fn overwriting_behind_a_link_keeps_the_link() {
    let place = WorkFolder::new();
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("run")).unwrap();
    for output in ["run", "run", "run/"] {
        place.trained(output, &["--quiet", "--overwrite"]);
        assert!(place.path("run").is_symlink());
    }
    assert_eq!(place.names("."), ["elsewhere", "elsewhere.old-1", "elsewhere.old-2", "run", "tiny.toml"]);
    assert_eq!((place.names("elsewhere"), place.names("elsewhere.old-1")), (place.names("run"), place.names("run")));
}

#[test]
fn overwrite_without_a_run_has_no_effect() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet", "--overwrite"]);
    assert_eq!(place.names("."), ["run", "tiny.toml"]);
}

#[test]
fn a_run_decodes_to_the_outputs_of_its_test() {
    let config = COPY.replace("steps = 20", "steps = 60").replace("sentences = 20", "sentences = 20\nsamples = 20");
    let place = WorkFolder::with(&config);
    place.trained("run", &["--quiet"]);
    let last = place.metrics("run").pop().unwrap();
    let samples = last["test"]["samples"].as_array().unwrap();
    let column = |key: &str| -> Vec<&str> { samples.iter().filter_map(|sample| sample[key].as_str()).collect() };
    assert_eq!(samples.len(), 20);
    assert_eq!(decode(&place.path("run"), &column("source")), column("output"));
    assert_eq!(column("source"), column("reference"), "the task is to copy");
}

#[test]
fn the_weights_of_the_best_validation_are_kept() {
    for (metric, key, sign) in [
        ("nll", "nll", -1.0),
        ("exact", "exact_match", 1.0),
        ("bleu", "bleu", 1.0),
        ("chrf", "chrf", 1.0),
        ("word_error_rate", "exact_match", 1.0),
        ("token_error_rate", "token_error_rate", -1.0),
    ] {
        let place = WorkFolder::new();
        place.trained("run", &set(&["validation.every=4", &format!("validation.metric={metric}")]));
        let validations: Vec<Value> =
            place.metrics("run").into_iter().filter(|line| line.get("validation").is_some()).collect();
        let score = |line: &Value| sign * line["validation"][key].as_f64().unwrap();
        let best = validations.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
        let kept = validations.iter().rfind(|line| line["best"] == true).unwrap();
        assert_eq!(score(kept), best, "{metric}");
        let weights = place.weights("run");
        let header = String::from_utf8_lossy(&weights[8..200]).into_owned();
        assert!(header.contains(&format!(r#"{{\"step\":{}}}"#, kept["step"])), "{header}");
    }
}
