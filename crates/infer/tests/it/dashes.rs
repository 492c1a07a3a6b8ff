//! Texts and prefixes that begin with a dash, and options at odd places.

use testing::run::{Run, object};
use text::Tokenizer;

/// A run whose vocabulary has words with dashes, so that they are translated otherwise than unknown words.
fn run() -> Run {
    let run = Run::new();
    let words = ["-", "-5", "-Der", "--", "-荒原-", "a", "b", "c", "--beem", "-face"];
    run.write("source.tokenizer.json", Tokenizer::from_words(&words).to_json());
    run.write("target.tokenizer.json", Tokenizer::from_words(&words).to_json());
    run
}

/// Dialogue begins with a dash, as do negative numbers (pndurette/gTTS#419, ssut/py-googletrans#109).
#[test]
fn texts_may_begin_with_a_dash() {
    let run = run();
    for text in ["- a b", "-5", "-荒原-", "-- a", "-", "-5 a"] {
        let expected = run.translations(&[text], &[]);
        assert_eq!(run.infer(&["--quiet", text]).lines(), expected, "{text}");
        assert_eq!(run.infer(&["--quiet", "a", text, "b"]).lines()[1..2], expected, "{text} between others");
    }
    let sources: Vec<String> = run
        .infer(&["--quiet", "--format", "jsonl", "- a", "--", "-face", "- b", "--beem"])
        .lines()
        .iter()
        .map(|line| object(line)["source"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(sources, ["- a", "-face", "- b", "--beem"], "behind `--` all are texts");
    let attention = run.attend(&["-5", "--output", "-", "--quiet"]);
    assert_eq!(object(&attention.lines()[0])["source"]["text"], "-5");
}

#[test]
fn prefixes_and_targets_may_begin_with_a_dash() {
    let run = run();
    for prefix in ["-Der", "- a", "-5", "--beem"] {
        let expected = run.translations(&["a b"], &[&format!("--prefix={prefix}")]);
        assert!(expected[0].starts_with(prefix), "{expected:?}");
        assert_eq!(run.infer(&["--quiet", "--prefix", prefix, "a b"]).lines(), expected);
        let attention = run.attend(&["a", "--target", prefix, "--output", "-", "--quiet"]);
        assert_eq!(object(&attention.lines()[0])["target"]["text"], *prefix);
    }
}

#[test]
fn what_looks_like_an_option_is_one() {
    let run = run();
    for (arguments, parts) in [
        (&["--beem", "a"][..], &["unexpected argument '--beem'", "'--beam'"][..]),
        (&["--beem", "5", "- a"], &["unexpected argument '--beem'"]),
        (&["-beam", "5", "a"], &["unexpected argument '-beam'", "two dashes: '--beam'"]),
        (&["-face"], &["unexpected argument '-face'", "behind '--': '-- -face'"]),
        (&["--max-length", "-1", "a"], &["-1"]),
    ] {
        let ran = run.infer(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        ran.assert_stderr_contains(parts);
        assert!(!ran.stderr.contains('\0'), "{}", ran.stderr);
    }
    let ran = run.attend(&["a", "- b", "--output", "-"]);
    assert_eq!(ran.code, Some(2));
    ran.assert_stderr_contains(&["unexpected argument '- b'", "one text is expected"]);
    // A text that begins like the name of the program.
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new(testing::binary("infer"));
        command.arg0("infer").args(["attend", "--model", "run", "a", "inf", "--output", "-"]);
        let ran = testing::ProcessOutput::from(command.output().expect("the program"));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        ran.assert_stderr_contains(&["unexpected argument 'inf'", "quote a text of several words"]);
    }
    // The folder comes first here, so that the word is a text.
    let ran = run.infer(&["attend", "a", "--output", "-"]);
    assert_eq!(ran.code, Some(2));
    ran.assert_stderr_contains(&["'attend' is read as a text", "a command comes first: infer attend"]);
}
