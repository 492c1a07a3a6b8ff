//! `infer import` and `infer export`.

use std::fs;
use std::process::{Command, Output};

use decode::TrainedModel;
use model::backend;
use model::config::Tie;
use serde_json::json as value;
use testing::marian_fixture::{MarianFolder as Copy, huggingface_fixture, json, marian_nmt_fixture};

fn infer(arguments: &[&str]) -> Output {
    Command::new(testing::binary("infer")).args(arguments).output().expect("the program")
}

/// An import sets the network and the decoding options, and the command prints what it skips.
#[test]
fn import_reads_the_settings() {
    let copy = Copy::new("relu-separate");
    copy.edit("generation_config.json", |file| {
        file["early_stopping"] = true.into();
        file["length_penalty"] = 0.5.into();
        file["min_length"] = 3.into();
        file["min_new_tokens"] = 2.into();
        file["forced_eos_token_id"] = 5.into();
        // Values that disable their setting.
        file["num_beam_groups"] = 1.into();
        file["diversity_penalty"] = 0.0.into();
        file["encoder_no_repeat_ngram_size"] = 0.into();
    });
    let run = copy.path("run");
    let (input, output) = (copy.marian(), run.to_str().unwrap().to_owned());
    let ran = infer(&["import", input.to_str().unwrap(), "--output", &output]);
    let log = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{log}");
    let skipped =
        log.lines().filter_map(|line| line.strip_prefix("skipped: ")?.strip_suffix(", which has no counterpart"));
    let expected = ["early_stopping = true", "min_new_tokens = 2", "forced_eos_token_id = 5"];
    assert_eq!(skipped.collect::<Vec<_>>(), expected, "{log}");
    assert!(log.contains("note: a beam of 4 with min_length: "), "{log}");

    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let trained = TrainedModel::open(&run, &device).unwrap();
    assert_eq!((trained.config.encoder_layers, trained.config.decoder_layers), (1, 2));
    assert_eq!((trained.config.tie, trained.config.output_bias), (Tie::Decoder, true));
    assert_eq!((trained.decoding.beam, trained.decoding.max_length), (4, Some(59)));
    assert_eq!(trained.decoding.length_penalty.alpha, 0.5);
}

/// Exports a folder that the command imported.
#[test]
fn export_and_import_keep_the_model() {
    let copy = Copy::new("gelu-bytes");
    let [marian, run, out] = ["marian", "run", "out"].map(|name| copy.path(name).to_str().unwrap().to_owned());
    let ran = infer(&["import", &marian, "--output", &run, "--quiet"]);
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    let ran = infer(&["export", "--model", &run, "--format", "marian", &out, "--beam", "2"]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(String::from_utf8(ran.stderr).unwrap().ends_with(&format!("written: {out}\n")));
    assert_eq!(json(&copy.path("out").join("generation_config.json"))["num_beams"], 2);
    for (beam, noted) in [("2", true), ("1", false)] {
        let ruled = copy.path(&format!("ruled-{beam}")).to_str().unwrap().to_owned();
        let rules = ["--beam", beam, "--no-repeat-ngram", "2", "--repetition-penalty", "1.5"];
        let ran = infer(&[&["export", "--model", &run, "--format", "marian", &ruled], &rules[..]].concat());
        let log = String::from_utf8(ran.stderr).unwrap();
        let note = "note: a beam of 2 with no_repeat_ngram, repetition_penalty: ";
        assert_eq!(log.contains(note), noted, "{log}");
        assert!(noted || !log.contains("note: "), "{log}");
    }
    let again = infer(&["export", "--model", &run, "--format", "marian", &out]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("expected nothing or an empty folder"));
}

/// A shortlist and the prefixes of tasks have a place elsewhere.
#[test]
fn skipped_settings_with_a_counterpart_name_it() {
    let student = Copy::copy_of(&marian_nmt_fixture("quantised"));
    let t5 = Copy::copy_of(&huggingface_fixture("t5"));
    t5.edit("config.json", |file| {
        file["task_specific_params"] =
            value!({ "summarization": {"prefix": "summarize: ", "num_beams": 4}, "other": {} });
    });
    for (folder, line) in [
        (&student, "skipped: shortlist = lex.bin false; decode with --shortlist FILE"),
        (
            &t5,
            "skipped: task_specific_params.summarization.prefix = \"summarize: \"; for this task, set decoding.source_prefix",
        ),
    ] {
        let [input, run] = [folder.marian(), folder.path("run")].map(|path| path.to_str().unwrap().to_owned());
        let log = String::from_utf8(infer(&["import", &input, "--output", &run]).stderr).unwrap();
        assert_eq!(log.matches("skipped: ").count(), 1, "{log}");
        assert!(log.contains(line), "{log}");
    }
}

#[test]
fn an_export_has_no_precision() {
    let copy = Copy::new("gelu-bytes");
    let [marian, run, out] = ["marian", "run", "out"].map(|name| copy.path(name).to_str().unwrap().to_owned());
    assert!(infer(&["import", &marian, "--output", &run]).status.success());
    let ran = infer(&["export", "--model", &run, "--format", "marian", "--precision", "int8", &out]);
    let message = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{message}");
    assert!(message.contains("--precision: expected no type"), "{message}");
    assert!(!copy.path("out").exists());
}

/// Replacing the working folder would break relative paths.
#[test]
fn the_working_folder_stays_unchanged() {
    let copy = Copy::new("gelu-bytes");
    let (marian, empty) = (copy.path("marian"), copy.path("empty"));
    fs::create_dir(&empty).unwrap();
    let mut command = Command::new(testing::binary("infer"));
    command.arg("import").arg(&marian).args(["--output", "."]).current_dir(&empty);
    let ran = command.output().unwrap();
    let log = String::from_utf8(ran.stderr).unwrap();
    assert!(log.contains(". cannot be replaced by another folder: it is the working folder"), "{log}");
    assert_eq!((ran.status.code(), fs::read_dir(&empty).unwrap().count()), (Some(1), 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_stderr_is_no_error_for_exchange() {
    let copy = Copy::new("gelu-bytes");
    let [marian, run, out] = ["marian", "run", "out"].map(|name| copy.path(name).to_str().unwrap().to_owned());
    let import = ["import", &marian, "--output", &run];
    let export = ["export", "--model", &run, "--format", "marian", &out];
    for arguments in [&import[..], &export] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(testing::binary("infer"));
        assert_eq!(command.args(arguments).stderr(full).status().unwrap().code(), Some(0), "{arguments:?}");
    }
}
