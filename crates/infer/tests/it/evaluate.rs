//! `infer evaluate`: the metrics of the translations of `infer`.

use std::fs;
#[cfg(target_os = "linux")]
use std::process::Command;

use testing::run::{Run, texts};
use text::metrics::{Bleu, BleuTokenization, Chrf};

/// A run with `source.txt`, and a `reference.txt` that equals some of its greedy translations.
fn run() -> (Run, Vec<String>, Vec<String>) {
    let run = Run::new();
    let sources = texts(40);
    let answers = run.translate_stdin(sources.join("\n"), &[]);
    let reference = |(at, answer): (usize, &String)| match at % 3 {
        0 => answer.clone(),
        1 => format!("{answer} 9"),
        _ => "Three. 2, 1!".to_string(),
    };
    let references: Vec<String> = answers.iter().enumerate().map(reference).collect();
    run.write("source.txt", sources.join("\n") + "\n");
    run.write("reference.txt", references.join("\n") + "\n");
    (run, answers, references)
}

const FILES: [&str; 4] = ["--source", "source.txt", "--reference", "reference.txt"];

#[test]
fn the_metrics_are_printed() {
    let (run, answers, references) = run();
    let ran = run.evaluate(&[&FILES[..], &["--quiet"]].concat());
    let bleu = Bleu::default();
    let mut expected = vec![bleu.score(&answers, &references).unwrap().with_signature(&bleu.signature())];
    for chrf in [Chrf::default(), Chrf::plus_plus()] {
        expected.push(chrf.score(&answers, &references).unwrap().with_signature(&chrf.signature()));
    }
    let equal = answers.iter().zip(&references).filter(|(answer, reference)| answer == reference).count();
    assert!((1..40).contains(&equal), "{equal}");
    expected.push(format!("exact match = {:.2} % of 40 sentences", 100.0 * equal as f64 / 40.0));
    let tokenizer = text::Tokenizer::load(&run.file("target.tokenizer.json")).unwrap();
    let encode = |texts: &[String]| texts.iter().map(|text| tokenizer.encode(text).unwrap()).collect::<Vec<_>>();
    let rate = text::token_error_rate(&encode(&answers), &encode(&references)).unwrap();
    expected
        .push(format!("word error rate = {:.2} %, if each sentence is a word", 100.0 - 100.0 * equal as f64 / 40.0));
    expected.push(format!("token error rate = {:.2} %, in tokens of the target's vocabulary", 100.0 * rate));
    assert_eq!(ran.lines(), expected);
}

#[test]
fn unknown_tokens_of_both_sides_are_counted() {
    let run = Run::new();
    run.write("source.txt", "1 2\n3 eleven\n");
    run.write("reference.txt", "1 twelve thirteen\n4\n");
    let ran = run.evaluate(&FILES);
    ran.assert_stderr_contains(&[
        "note: source tokens that are not in the vocabulary, read as <unk>: 1\n",
        "note: reference tokens that are not in the vocabulary, so in no output: 2\n",
    ]);
    let quiet = run.evaluate(&[&FILES[..], &["--quiet"]].concat());
    assert_eq!((quiet.lines().join("\n"), quiet.code), (ran.stdout.trim_end().to_string(), ran.code));
}

#[test]
fn tokenization_and_case_are_options() {
    let (run, answers, references) = run();
    let ran = run.evaluate(&[&FILES[..], &["--quiet", "--tokenize", "none", "--lowercase"]].concat());
    let bleu = Bleu { lowercase: true, tokenization: BleuTokenization::None, ..Bleu::default() };
    let line = bleu.score(&answers, &references).unwrap().with_signature(&bleu.signature());
    assert_eq!(ran.lines()[0], line);
    assert!(line.contains("case:lc") && line.contains("tok:none"), "{line}");
    assert!(ran.lines()[1].contains("chrF2|nrefs:1|case:lc"), "{:?}", ran.lines());
}

#[test]
fn lowercase_holds_for_exact_match() {
    let run = Run::new();
    let letters: Vec<String> = ('a'..='j').map(String::from).collect();
    run.write("target.tokenizer.json", text::Tokenizer::from_words(&letters).to_json());
    let sources = texts(4);
    let answers = run.translate_stdin(sources.join("\n"), &[]);
    assert!(answers.iter().all(|answer| answer.contains(char::is_alphabetic)), "{answers:?}");
    run.write("source.txt", sources.join("\n") + "\n");
    run.write("reference.txt", answers.join("\n").to_uppercase() + "\n");
    let last = |more: &[&str]| run.evaluate(&[&FILES[..], &["--quiet"], more].concat()).lines().split_off(3).join("; ");
    let cased = "exact match = 0.00 % of 4 sentences; word error rate = 100.00 %, if each sentence is a word; ";
    assert!(last(&[]).starts_with(cased), "{}", last(&[]));
    let lower = "exact match = 100.00 % of 4 sentences; word error rate = 0.00 %, if each sentence is a word; \
                 token error rate = 0.00 %, in tokens of the target's vocabulary";
    assert_eq!(last(&["--lowercase"]), lower);
}

/// As in the validations of `train`: only texts that differ after normalisation are errors.
#[test]
fn references_are_normalised_for_exact_match() {
    let run = Run::new();
    let sources = texts(4);
    let answers = run.translate_stdin(sources.join("\n"), &[]);
    run.write("source.txt", sources.join("\n") + "\n");
    let spaced: Vec<String> = answers.iter().map(|answer| format!(" {}\u{a0}", answer.replace(' ', "  "))).collect();
    run.write("reference.txt", spaced.join("\n") + "\n");
    let lines = run.evaluate(&[&FILES[..], &["--quiet"]].concat()).lines().split_off(3);
    assert_eq!(lines[0], "exact match = 100.00 % of 4 sentences");
    assert!(lines[1].contains("= 0.00 %") && lines[2].contains("= 0.00 %"), "{lines:?}");
}

#[test]
fn references_without_text_are_rejected() {
    let (run, ..) = run();
    run.write("reference.txt", "\n".repeat(40));
    run.evaluate(&FILES).assert_rejected(&["the references: found no text"]);
}

#[test]
fn the_file_of_a_shortlist_is_not_overwritten() {
    let (run, ..) = run();
    run.write("lex.bin", "a shortlist");
    let list = ["--shortlist", "lex.bin", "--output", "lex.bin"];
    run.evaluate(&[&FILES[..], &list].concat()).assert_rejected(&["lex.bin: found a file that this command reads"]);
    assert_eq!(run.read("lex.bin"), b"a shortlist");
}

#[test]
fn translations_are_written_to_a_file() {
    let (run, answers, _) = run();
    run.evaluate(&[&FILES[..], &["--output", "greedy.txt"]].concat());
    assert_eq!(String::from_utf8(run.read("greedy.txt")).unwrap(), answers.join("\n") + "\n");
    run.evaluate(&[&FILES[..], &["--output", "beam.txt", "--beam", "4", "--max-length", "5"]].concat());
    let beam = run.translate_stdin(run.read("source.txt"), &["--beam", "4", "--max-length", "5"]);
    assert_eq!(String::from_utf8(run.read("beam.txt")).unwrap(), beam.join("\n") + "\n");
}

#[test]
fn translations_follow_the_scores_on_stdout() {
    let (run, answers, _) = run();
    let scores = run.evaluate(&[&FILES[..], &["--quiet"]].concat()).lines();
    let both = run.evaluate(&[&FILES[..], &["--quiet", "--output", "-"]].concat()).lines();
    assert_eq!(both, [scores, answers].concat());
}

/// A file behind standard output keeps its contents, followed by scores and translations.
#[cfg(target_os = "linux")]
#[test]
fn the_target_of_stdout_is_not_replaced() {
    let (run, answers, _) = run();
    let scores = run.evaluate(&[&FILES[..], &["--quiet"]].concat()).lines();
    run.write("log.txt", "earlier\n");
    let log = fs::OpenOptions::new().append(true).open(run.file("log.txt")).unwrap();
    let mut command = Command::new(testing::binary("infer"));
    command.args(["evaluate", "--device", "flex", "--quiet", "--output", "/dev/stdout", "--model"]).arg(run.path());
    assert!(command.args(FILES).current_dir(run.path()).stdout(log).status().unwrap().success());
    let expected = [vec!["earlier".to_string()], scores, answers].concat();
    assert_eq!(String::from_utf8(run.read("log.txt")).unwrap().lines().collect::<Vec<_>>(), expected);
}

#[cfg(target_os = "linux")]
#[test]
fn scores_survive_a_full_disk() {
    let (run, ..) = run();
    let scores = run.evaluate(&[&FILES[..], &["--quiet"]].concat()).lines();
    let ran = run.evaluate(&[&FILES[..], &["--output", "/dev/full"]].concat());
    ran.assert_failed(&["/dev/full: writing failed: No space left", "check that the folder exists"]);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), scores);
}

/// Nothing is decoded for a file that cannot be written, and no file is replaced that the command reads.
#[test]
fn the_output_is_checked_first() {
    let (run, ..) = run();
    fs::create_dir(run.file("folder")).unwrap();
    let reads = "found a file that this command reads";
    for (output, message) in [
        ("nowhere/answers.txt", "nowhere/answers.txt: found no such folder"),
        ("folder", "folder: found a folder, expected a file"),
        ("reference.txt", reads),
        ("./source.txt", reads),
        ("model.safetensors", reads),
    ] {
        let before = run.file(output).is_file().then(|| run.read(output));
        run.evaluate(&[&FILES[..], &["--output", output]].concat()).assert_rejected(&[message]);
        assert!(before.is_none_or(|bytes| run.read(output) == bytes), "{output}");
    }
}

#[test]
fn files_of_different_lengths_are_rejected() {
    let (run, ..) = run();
    run.write("short.txt", "1 2\n");
    let rejects = |arguments: &[&str], message: &[&str]| run.evaluate(arguments).assert_rejected(message);
    rejects(&["--source", "short.txt", "--reference", "reference.txt"], &["short.txt has 1 lines", "has 40"]);
    rejects(&["--source", "nowhere.txt", "--reference", "reference.txt"], &["nowhere.txt: cannot be read"]);
    rejects(&[&FILES[..], &["--beam", "0"]].concat(), &["decoding.beam = 0"]);
    run.write("source.txt", b"1\n\xFF\n");
    rejects(&["--source", "source.txt", "--reference", "short.txt"], &["source.txt:2", "not UTF-8"]);
    let ran = run.evaluate(&["--source", "short.txt"]);
    assert_eq!(ran.code, Some(2));
    ran.assert_stderr_contains(&["--reference"]);
}
