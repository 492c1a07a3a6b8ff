//! `--precision` and `infer quantise`.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use model::weights;
use testing::run::{Run, texts};

fn quantise(arguments: &[&str]) -> Output {
    Command::new(testing::binary("infer")).arg("quantise").args(arguments).output().expect("the program")
}

fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A quantised copy of a run, which is at `int8` inside it.
fn quantised(run: &Run) -> String {
    let output = run.file("int8").to_str().expect("text").to_string();
    let ran = quantise(&[run.path().to_str().expect("text"), "--output", &output]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(String::from_utf8(ran.stderr).expect("text").contains("written: "));
    output
}

/// The lines that `infer` prints for the input with a folder.
fn translate(folder: &str, input: &str, options: &[&str]) -> Vec<String> {
    let mut command = Command::new(testing::binary("infer"));
    command.args(["--device", "flex", "--quiet", "--model", folder]).args(options);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a binary that starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("an open pipe");
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "{options:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_string).collect()
}

#[test]
fn a_quantised_folder_decodes_as_on_the_fly() {
    let run = Run::new();
    let input = texts(40).join("\n");
    let folder = quantised(&run);
    for name in ["config.toml", "source.tokenizer.json", "target.tokenizer.json"] {
        assert_eq!(fs::read(run.file(&format!("int8/{name}"))).expect("a copy"), run.read(name), "{name}");
    }
    let float32 = run.translate_stdin(&input, &["--scores"]);
    for options in [&["--scores"][..], &["--scores", "--beam", "3"], &["--scores", "--batch-tokens", "1"]] {
        let on_the_fly = run.translate_stdin(&input, &[&["--precision", "int8"], options].concat());
        let stored = translate(&folder, &input, options);
        assert_eq!(stored, on_the_fly, "{options:?}");
        assert_ne!(on_the_fly, float32, "--precision has an effect");
    }
    let float32_of_int8 = translate(&folder, &input, &["--precision", "float32"]);
    assert_eq!(float32_of_int8.len(), 40);
}

#[test]
fn int8_depends_on_neither_batches_nor_threads() {
    let run = Run::new();
    let input = texts(60).join("\n");
    let translate =
        |options: &[&str]| run.translate_stdin(&input, &[&["--precision", "int8", "--scores"], options].concat());
    for beam in ["1", "3"] {
        let expected = translate(&["--beam", beam]);
        for options in [["--batch-tokens", "1"], ["--batch-tokens", "100000"], ["--threads", "1"], ["--threads", "3"]] {
            assert_eq!(translate(&[&["--beam", beam], &options[..]].concat()), expected, "{options:?}");
        }
    }
}

#[test]
fn the_log_names_the_precision() {
    let run = Run::new();
    for (options, precision) in [(&[][..], "float32"), (&["--precision", "int8"], "int8")] {
        let ran = run.infer(&[options, &["1 2"]].concat());
        assert!(ran.stderr.contains(&format!("parameters on flex, {precision}")), "{}", ran.stderr);
    }
    let ran = run.infer(&["--precision", "int4", "1 2"]);
    assert!(ran.stderr.contains("float32, bfloat16, int8"), "{}", ran.stderr);
}

#[test]
fn weights_that_are_not_numbers_are_not_written() {
    let run = Run::new();
    let (mut tensors, note) = weights::from_safetensors(&run.read("model.safetensors")).unwrap();
    tensors[0].values[3] = f32::NAN;
    run.write("model.safetensors", weights::to_safetensors(&tensors, &note.unwrap()).unwrap());
    let out = run.file("out").to_str().expect("text").to_string();
    let folder = run.path().to_str().expect("text");
    let message = error(&quantise(&[folder, "--output", &out]));
    assert!(message.contains(&format!("tensor `{}` has a value that is not a number", tensors[0].name)), "{message}");
    #[cfg(feature = "marian")]
    {
        let arguments = ["export", "--model", folder, "--format", "marian", &out];
        let message = error(&Command::new(testing::binary("infer")).args(arguments).output().expect("the program"));
        assert!(message.contains("is not a number (NaN)"), "{message}");
    }
    assert!(!run.file("out").exists(), "nothing half-written");
}

#[test]
fn commands_that_need_float32_reject_int8() {
    let run = Run::new();
    let folder = quantised(&run);
    let out = run.file("out").to_str().expect("text").to_string();
    let message = error(&quantise(&[&folder, "--output", &out]));
    assert!(message.contains("model.safetensors: tensor `") && message.contains("quantised to int8"), "{message}");
    let occupied = error(&quantise(&[run.path().to_str().expect("text"), "--output", &folder]));
    assert!(occupied.contains("expected nothing or an empty folder"), "{occupied}");
    let missing = error(&quantise(&["no-such-run", "--output", &out]));
    assert!(missing.contains("no-such-run"), "{missing}");
    #[cfg(feature = "marian")]
    {
        let arguments = ["export", "--model", &folder, "--format", "marian", &out];
        let ran = Command::new(testing::binary("infer")).args(arguments).output().expect("the program");
        let message = error(&ran);
        assert!(message.contains("quantised to int8: expected float32"), "{message}");
    }
    assert!(!run.file("out").exists(), "nothing half-written");
}
