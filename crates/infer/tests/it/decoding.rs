//! Translations do not depend on how texts arrive or how they are computed.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use testing::run::{Run, object, texts};

#[test]
fn the_test_model_has_varied_translations() {
    let run = Run::new();
    let lines = run.translate_stdin(texts(100).join("\n"), &["--format", "jsonl"]);
    let objects: Vec<_> = lines.iter().map(|line| object(line)).collect();
    let different: HashSet<&str> = objects.iter().map(|object| object["text"].as_str().unwrap()).collect();
    let finished = objects.iter().filter(|object| object["finished"] == true).count();
    assert!(different.len() > 50, "only {} different answers", different.len());
    assert!((10..90).contains(&finished), "{finished} of 100 end by themselves");
}

#[test]
fn arguments_and_stdin_get_equal_translations() {
    let run = Run::new();
    let texts = texts(40);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answers = run.translations(&texts, &[]);
    assert_eq!(answers.len(), texts.len());
    assert_eq!(run.translate_stdin(texts.join("\n") + "\n", &[]), answers);
    assert_eq!(run.translate_stdin(texts.join("\n"), &[]), answers, "without a last line end");
    assert_eq!(run.translate_stdin(texts.join("\r\n"), &[]), answers, "with the line ends of Windows");

    let backwards: Vec<&str> = texts.iter().rev().copied().collect();
    let mut answers_backwards = run.translations(&backwards, &[]);
    answers_backwards.reverse();
    assert_eq!(answers_backwards, answers, "each answer follows its text");
}

#[test]
fn translations_do_not_depend_on_other_texts() {
    let run = Run::new();
    let texts = texts(8);
    let together = run.translate_stdin(texts.join("\n"), &[]);
    for (text, answer) in texts.iter().zip(&together) {
        assert_eq!(&run.translations(&[text], &[])[0], answer, "{text}");
    }
}

#[test]
fn long_inputs_keep_their_order() {
    let run = Run::new();
    let texts = texts(2500);
    let lines = run.translate_stdin(texts.join("\n"), &["--format", "jsonl", "--max-length", "4"]);
    let sources: Vec<String> = lines.iter().map(|line| object(line)["source"].as_str().unwrap().to_string()).collect();
    assert_eq!(sources, texts);
}

#[test]
fn an_empty_line_gives_an_empty_line() {
    let run = Run::new();
    let answer = run.translations(&["1 2"], &[])[0].clone();
    assert!(!answer.is_empty());
    assert_eq!(run.translate_stdin("\n1 2\n\n   \n1 2\n", &[]), ["", &answer, "", "", &answer]);
    assert_eq!(run.translations(&["", "1 2"], &[]), ["", &answer]);
    assert_eq!(run.translate_stdin("", &[]), [""; 0], "and nothing gives nothing");
}

#[test]
fn a_text_with_line_breaks_gives_one_line() {
    let run = Run::new();
    assert_eq!(run.translations(&["1 2\n3\r\n4"], &[]).len(), 1);
}

#[test]
fn unknown_words_are_translated() {
    let run = Run::new();
    let answers = run.translations(&["eleven 💡", "1 eleven 2"], &[]);
    assert_eq!(answers.len(), 2);
}

#[test]
fn command_names_can_be_translated() {
    let run = Run::new();
    let unknown = run.translations(&["eleven"], &[]);
    for name in ["score", "serve", "help"] {
        let ran = run.infer(&[name, "--quiet"]);
        assert_eq!(ran.lines(), unknown, "{name}");
    }
    assert_eq!(run.infer(&["--quiet", "score", "serve"]).lines().len(), 2);
}

#[test]
fn jsonl_holds_source_text_tokens_and_finished() {
    let run = Run::new();
    let texts = texts(30);
    let plain = run.translate_stdin(texts.join("\n"), &[]);
    let lines = run.translate_stdin(texts.join("\n"), &["--format", "jsonl"]);
    assert_eq!(lines.len(), texts.len());
    for ((line, text), answer) in lines.iter().zip(&texts).zip(&plain) {
        let object = object(line);
        assert_eq!(object["source"], **text);
        assert_eq!(object["text"], **answer);
        let tokens: Vec<&str> = object["tokens"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        let shown: Vec<&str> = tokens.iter().copied().filter(|token| *token != "<unk>").collect();
        assert_eq!(shown.join(" "), *answer, "words are joined by spaces, and unknown ones leave no trace");
        let longest = (text.split(' ').count() + 1 + 50).min(testing::run::MAX_LENGTH);
        assert_eq!(object["finished"].as_bool().unwrap(), tokens.len() < longest, "{object}");
    }
    let empty = object(&run.translations(&[""], &["--format", "jsonl"])[0]);
    assert_eq!((&empty["source"], &empty["text"], &empty["finished"]), (&"".into(), &"".into(), &true.into()));
    assert_eq!(empty["tokens"].as_array().unwrap().len(), 0);
}

#[test]
fn translations_end_at_the_maximum_length() {
    let run = Run::new();
    let texts = texts(30);
    let whole = run.translate_stdin(texts.join("\n"), &["--format", "jsonl"]);
    let cut = run.translate_stdin(texts.join("\n"), &["--format", "jsonl", "--max-length", "3"]);
    let mut shorter = 0;
    for (whole, cut) in whole.iter().zip(&cut) {
        let tokens = |line: &str| object(line)["tokens"].as_array().unwrap().clone();
        let (whole_tokens, cut_tokens) = (tokens(whole), tokens(cut));
        assert_eq!(cut_tokens, whole_tokens[..whole_tokens.len().min(3)], "the beginning stays");
        shorter += usize::from(cut_tokens.len() < whole_tokens.len());
        assert_eq!(object(cut)["finished"], whole_tokens.len() < 3, "{cut}");
    }
    assert!(shorter > 0, "nothing to cut");

    run.configure("[decoding]", "[decoding]\nmax_length = 3");
    assert_eq!(run.translate_stdin(texts.join("\n"), &["--format", "jsonl"]), cut, "as in the run's own configuration");
}

#[test]
fn batch_size_changes_nothing() {
    let run = Run::new();
    let input = texts(100).join("\n");
    let answers = run.translate_stdin(&input, &[]);
    for tokens in ["1", "7", "100", "1000000"] {
        assert_eq!(run.translate_stdin(&input, &["--batch-tokens", tokens]), answers, "--batch-tokens {tokens}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let run = Run::new();
    let input = texts(100).join("\n");
    let answers = run.translate_stdin(&input, &["--threads", "1"]);
    for threads in ["2", "3"] {
        assert_eq!(run.translate_stdin(&input, &["--threads", threads]), answers, "--threads {threads}");
    }
}

#[test]
fn the_device_is_logged_unless_quiet() {
    let run = Run::new();
    let ran = run.infer(&["1 2"]);
    assert_eq!(ran.code, Some(0));
    ran.assert_stderr_contains(&["parameters on flex", "float32"]);
    assert_eq!(ran.stdout.lines().count(), 1, "only the answer goes to standard output");
    assert_eq!(run.infer(&["--quiet", "1 2"]).stderr, "");
}

#[test]
fn a_closed_stderr_is_no_error() {
    let run = Run::new();
    let mut child = run.start(&["1 2"]);
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}

#[test]
fn a_closed_stdout_ends_without_an_error() {
    let run = Run::new();
    let mut child = run.start(&["--quiet", "--max-length", "2"]);
    let mut stdin = child.stdin.take().unwrap();
    // More output than a pipe can hold.
    let writer = thread::spawn(move || drop(stdin.write_all("1 2 3\n".repeat(200_000).as_bytes())));
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    assert!(first.ends_with('\n'), "{first:?}");
    writer.join().unwrap();
}

#[test]
fn typed_lines_are_translated_one_by_one() {
    let run = Run::new();
    let answer = run.translations(&["1 2 3"], &[])[0].clone() + "\n";
    let mut child = run.start(&["--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, answers) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut line = String::new();
        while stdout.read_line(&mut line).unwrap() > 0 {
            sender.send(std::mem::take(&mut line)).unwrap();
        }
    });
    for _ in 0..2 {
        stdin.write_all(b"1 2 3\n").unwrap();
        stdin.flush().unwrap();
        let answered = answers.recv_timeout(Duration::from_secs(20)).expect("an answer while the input is open");
        assert_eq!(answered, answer);
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
}
