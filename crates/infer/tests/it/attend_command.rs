//! `infer attend`: its formats, its output and its errors.

use std::process::Command;

use decode::TrainedModel;
use model::backend;
use serde_json::Value;
use testing::run::MAX_LENGTH;
use testing::{ProcessOutput, Run, binary};
use views::attend;

fn opened(run: &Run) -> TrainedModel {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    TrainedModel::open(run.path(), &device).expect("a run folder")
}

fn files(run: &Run) -> Vec<String> {
    let entries = run.path().read_dir().unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn each_extension_has_its_format() {
    let run = Run::new();
    let before = files(&run);
    let trained = opened(&run);
    let attention = attend(&trained, &trained.settings(), "3 1 4", Some("1 2")).unwrap();
    let given = ["3 1 4", "--target", "1 2", "--quiet"];
    let write = |arguments: &[&str], output: &str| {
        let ran = run.attend(&[&given[..], arguments, &["--output", output]].concat());
        assert_eq!(ran.lines(), [""; 0], "the file is the result");
        run.read(output)
    };
    run.write("a.json", "something older");
    let json = write(&[], "a.json");
    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap()["target"]["outputs"][1], "2");
    assert_eq!(String::from_utf8(json).unwrap(), attention.to_json());
    assert!(write(&[], "a.HTML").to_ascii_lowercase().starts_with(b"<!doctype html>"));
    let overview = write(&[], "a.svg");
    assert!(overview.starts_with(b"<svg"), "{}", String::from_utf8_lossy(&overview[..80]));
    let one = write(&["--attention", "decoder", "--layer", "1", "--head", "2"], "b.svg");
    assert_ne!(overview, one);
    assert_eq!(write(&["--format", "svg"], "picture"), overview, "any name will do where the form is given");
    let mut expected = vec!["a.HTML", "a.json", "a.svg", "b.svg", "picture"];
    if cfg!(feature = "pictures") {
        assert!(write(&["--attention", "encoder"], "a.png").starts_with(b"\x89PNG\r\n"));
        expected.push("a.png");
    }
    let mut after = files(&run);
    after.retain(|name| !before.contains(name));
    expected.sort_unstable();
    assert_eq!(after, expected, "nothing else is left");
}

#[test]
fn a_dash_is_standard_output() {
    let run = Run::new();
    let trained = opened(&run);
    let attention = attend(&trained, &trained.settings(), "3 1 4", None).unwrap();
    let output =
        |format: &[&str]| run.attend(&[&["3 1 4", "--quiet", "--output", "-"], format].concat()).lines().join("\n");
    assert_eq!(output(&[]), attention.to_json());
    assert!(output(&["--format", "svg"]).starts_with("<svg"));
    assert!(output(&["--format", "html"]).to_lowercase().starts_with("<!doctype html>"));
}

#[test]
fn unfinished_translations_are_shown() {
    let run = Run::new();
    let rules = ["--beam", "2", "--no-repeat-ngram", "1", "--min-length", "12", "--max-length", "12"];
    let ran = run.attend(&[&["3 1 4", "--quiet", "--output", "-"], &rules[..]].concat());
    let seen: Value = serde_json::from_str(&ran.lines().join("\n")).unwrap();
    assert_eq!(seen["target"]["outputs"].as_array().unwrap().len(), 11);
}

#[test]
fn the_translation_is_logged_unless_quiet() {
    let run = Run::new();
    let ran = run.attend(&["3 1 4", "--output", "a.json", "--beam", "2"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    let translation = &run.translations(&["3 1 4"], &["--beam", "2"])[0];
    ran.assert_stderr_contains(&[&format!("a.json: 3 1 4 → {translation}\n"), "parameters on flex"]);
}

/// A view of the beginning is marked as one.
#[test]
fn cropped_texts_are_noted() {
    let run = Run::new();
    let [text, target] = ["1 ".repeat(MAX_LENGTH), "2 ".repeat(MAX_LENGTH + 1)];
    let ran = run.attend(&[&text, "--target", &target, "--too-long", "crop", "--output", "-"]);
    let seen: Value = serde_json::from_str(&ran.stdout).unwrap();
    for (side, tokens, shown) in [("source", 25, "tokens"), ("target", 26, "outputs")] {
        assert_eq!(seen[side][shown].as_array().unwrap().len(), MAX_LENGTH);
        let problem = serde_json::json!({ "kind": "cropped", "side": side, "tokens": tokens, "limit": MAX_LENGTH });
        assert_eq!(seen[side]["problem"], problem);
        ran.assert_stderr_contains(&[&format!("note: {side} cropped from {tokens} to 24 tokens")]);
    }
    let whole = run.attend(&["1", "--target", "2", "--output", "-"]);
    assert!(!whole.stdout.contains("problem") && !whole.stderr.contains("note"));
}

/// The name of the command is not taken for a text.
#[test]
fn device_options_may_precede_the_command() {
    let run = Run::new();
    let model = run.path().to_str().unwrap();
    let output = |arguments: &[&str]| {
        let output = Command::new(binary("infer")).args(arguments).output().expect("a binary that starts");
        ProcessOutput::from(output)
    };
    let after = output(&["attend", "--quiet", "--device", "flex", "--model", model, "3 1 4", "--output", "-"]);
    let before = output(&["--quiet", "--device", "flex", "attend", "--model", model, "3 1 4", "--output", "-"]);
    assert_eq!(before.lines(), after.lines());
    // After other options, and after `--`, the word is a text.
    let text = run.translations(&["attend"], &[]);
    for arguments in [
        &["--device", "flex", "--model", model, "--quiet", "attend"][..],
        &["--quiet", "--device", "flex", "--model", model, "--", "attend"],
    ] {
        assert_eq!(output(arguments).lines(), text, "{arguments:?}");
    }
    let without_model = output(&["--quiet", "attend", "3 1 4", "--output", "-"]);
    assert_eq!(without_model.code, Some(2));
    without_model.assert_stderr_contains(&["--model <DIR>", "infer attend"]);
}

#[test]
fn bad_arguments_write_nothing() {
    let run = Run::new();
    run.write("kept.json", "kept");
    let before = files(&run);
    let usage = |arguments: &[&str], message: &[&str]| {
        let ran = run.attend(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
        ran.assert_stderr_contains(message);
    };
    let forms = [".json", ".html", ".svg", ".png"];
    usage(&["1 2", "--output", "a.txt"], &[&["a.txt", "Usage: infer attend"], &forms[..]].concat());
    usage(&["1 2", "--output", "a"], &forms);
    usage(&["1 2"], &["--output"]);
    usage(&["--output", "a.json"], &["TEXT"]);
    usage(&["1", "2", "--output", "a.json"], &["quote a text of several words", "Usage: infer attend"]);
    usage(&["1 2", "--output", "-", "--format", "png"], &["--format png", "json, html or svg"]);
    usage(&["1 2", "--output", "a.json", "--layer", "1"], &["--layer", ".svg, .png"]);
    usage(&["1 2", "--output", "a.html", "--attention", "cross"], &["--attention", ".svg, .png"]);
    usage(&["1 2", "--output", "a.svg", "--head", "0"], &["--head", "counted from 1"]);
    usage(&["1 2", "--output", "a.svg", "--target", "1", "--beam", "2"], &["--target", "--beam"]);
    usage(&["1 2", "--output", "a.svg", "--target", "1", "--no-repeat-ngram", "2"], &["--target", "--no-repeat-ngram"]);

    let rejects = |arguments: &[&str], message: &[&str]| run.attend(arguments).assert_rejected(message);
    rejects(&["1 2", "--output", "a.svg", "--head", "3"], &["--head = 3: expected 1 to 2"]);
    rejects(&["1 2", "--output", "a.svg", "--layer", "2"], &["--layer = 2: expected 1 to 1"]);
    rejects(&["", "--output", "kept.json"], &["the text has no tokens"]);
    rejects(&["1", "--target", " ", "--output", "kept.json"], &["the target has no tokens"]);
    rejects(&[&"1 ".repeat(30), "--output", "kept.json"], &["31 tokens", "positions for 24"]);
    rejects(&["1", "--output", "nowhere/a.json"], &["nowhere/a.json: found no such folder"]);
    rejects(
        &["1", "--output", "config.toml", "--format", "svg"],
        &["config.toml: found a file that this command reads"],
    );
    rejects(&["1", "--output", "kept.json", "--beam", "0"], &["decoding.beam = 0"]);
    assert_eq!(run.read("kept.json"), b"kept");
    assert_eq!(files(&run), before);
}
