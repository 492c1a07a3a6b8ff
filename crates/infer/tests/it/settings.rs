//! Decoding settings: the effect of each, and errors of invalid ones.

use std::collections::HashSet;

use serde_json::Value;
use testing::run::{Run, object, texts};

fn objects(run: &Run, input: &str, options: &[&str]) -> Vec<Value> {
    let lines = run.translate_stdin(input, &[&["--format", "jsonl"], options].concat());
    lines.iter().map(|line| object(line)).collect()
}

fn tokens(target: &Value) -> Vec<String> {
    let tokens = target["tokens"].as_array().expect("tokens");
    tokens.iter().map(|token| token.as_str().expect("a token").to_string()).collect()
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().expect("numbers").iter().map(|value| value.as_f64().expect("a number")).collect()
}

#[test]
fn scores_add_up_from_tokens() {
    let run = Run::new();
    let input = texts(40).join("\n");
    for options in [&["--beam", "1"][..], &["--beam", "3"], &["--length-penalty", "wu:0.6"]] {
        let scored = run.translate_stdin(&input, &[options, &["--scores"]].concat());
        for (target, line) in objects(&run, &input, options).iter().zip(scored) {
            let scores = numbers(&target["token_scores"]);
            let finished = target["finished"] == true;
            assert_eq!(scores.len(), tokens(target).len() + usize::from(finished), "{target}");
            assert!(scores.iter().all(|&score| score <= 0.0));
            let (sum, length) = (scores.iter().sum::<f64>(), scores.len() as f64);
            let penalty = if options[0] == "--beam" { length } else { ((5.0 + length) / 6.0).powf(0.6) };
            let score = target["score"].as_f64().expect("a score");
            assert!((score - sum / penalty).abs() < 1e-5, "{target}");
            assert_eq!(line, format!("{score:.4}\t{}", target["text"].as_str().expect("text")));
        }
    }
}

#[test]
fn n_best_translations_are_sorted() {
    let run = Run::new();
    let input = texts(20).join("\n");
    let best = run.translate_stdin(&input, &["--beam", "4"]);
    let found = objects(&run, &input, &["--beam", "4", "--n-best", "3"]);
    let lines = run.translate_stdin(&input, &["--beam", "4", "--n-best", "3"]);
    let mut lines = lines.iter();
    for (at, (object, best)) in found.iter().zip(&best).enumerate() {
        assert_eq!(object["text"], best.as_str());
        let alternatives = object["alternatives"].as_array().expect("alternatives");
        assert_eq!(alternatives.len(), 2);
        let all: Vec<&Value> = std::iter::once(object).chain(alternatives).collect();
        let scores: Vec<f64> = all.iter().map(|target| target["score"].as_f64().expect("a score")).collect();
        assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]), "{scores:?}");
        let different: HashSet<Vec<String>> = all.iter().map(|target| tokens(target)).collect();
        assert_eq!(different.len(), 3);
        for target in all {
            let (text, score) = (target["text"].as_str().expect("text"), target["score"].as_f64().expect("a score"));
            assert_eq!(lines.next().map(String::as_str), Some(&*format!("{at} ||| {text} ||| {score:.4}")));
        }
    }
    assert_eq!(lines.next(), None);
    run.assert_rejects(&["--n-best", "2", "1 2"], &["--n-best = 2", "1 to 1", "the beam"]);
    run.assert_rejects(&["--n-best", "0", "1 2"], &["--n-best = 0"]);
}

#[test]
fn samples_depend_on_seed_and_index_only() {
    let run = Run::new();
    let input = texts(40).join("\n");
    let drawn = |options: &[&str]| run.translate_stdin(&input, &[&["--sample"], options].concat());
    let first = drawn(&[]);
    assert_eq!(drawn(&["--seed", "1"]), first);
    assert_ne!(drawn(&["--seed", "2"]), first);
    assert_ne!(run.translate_stdin(&input, &[]), first);
    for options in [["--batch-tokens", "1"], ["--batch-tokens", "100000"], ["--threads", "1"], ["--threads", "3"]] {
        assert_eq!(drawn(&options), first, "{options:?}");
    }
    let same = vec!["1 2 3"; 30].join("\n");
    let different: HashSet<String> = run.translate_stdin(&same, &["--sample"]).into_iter().collect();
    assert!(different.len() > 5, "one text in many places: {different:?}");
    let samples = objects(&run, "1 2 3", &["--sample", "--n-best", "30"]);
    assert_eq!(samples[0]["alternatives"].as_array().expect("alternatives").len(), 29);
}

#[test]
fn top_k_one_is_greedy() {
    let run = Run::new();
    let input = texts(40).join("\n");
    let greedy = run.translate_stdin(&input, &[]);
    for options in [["--top-k", "1"], ["--top-p", "1e-9"], ["--temperature", "1e-4"]] {
        assert_eq!(run.translate_stdin(&input, &[&["--sample"], &options[..]].concat()), greedy, "{options:?}");
    }
    assert_ne!(run.translate_stdin(&input, &["--sample", "--top-k", "3"]), greedy);
    assert_ne!(run.translate_stdin(&input, &["--sample", "--top-p", "0.9"]), greedy);
    run.configure("[decoding]", "[decoding]\nbeam = 4");
    assert_eq!(run.translate_stdin(&input, &["--sample", "--top-k", "1"]), greedy, "the run's beam has no effect");
}

#[test]
fn bad_sampling_options_are_rejected() {
    let run = Run::new();
    for (option, value) in [("--top-p", "0"), ("--top-p", "1.5"), ("--top-p", "nan"), ("--temperature", "0")] {
        run.assert_rejects(&["--sample", &format!("{option}={value}"), "1"], &[&format!("{option} = "), "expected"]);
    }
    for arguments in [&["--top-k", "3", "1"][..], &["--seed", "3", "1"], &["--sample", "--beam", "2", "1"]] {
        assert_eq!(run.infer(arguments).code, Some(2), "{arguments:?}");
    }
    for option in ["--top-k", "--top-p", "--temperature", "--seed"] {
        let ran = run.infer(&["--beam", "2", option, "1", "1"]);
        assert_eq!(ran.code, Some(2), "{option}");
        ran.assert_stderr_contains(&[option, "cannot be used with", "--beam"]);
    }
}

/// The number of tokens of each translation, and whether `</s>` ended it.
fn lengths_of(run: &Run, input: &str, options: &[&str]) -> Vec<(usize, bool)> {
    let found = objects(run, input, options);
    found.iter().map(|object| (tokens(object).len(), object["finished"] == true)).collect()
}

#[test]
fn the_default_maximum_exceeds_the_minimum() {
    let run = Run::new();
    run.configure("max_length = 24", "max_length = 200");
    for options in [["--min-length", "70"], ["--min-length-ratio", "23.1"]] {
        let lengths = lengths_of(&run, "1 2", &options);
        assert!(lengths[0].0 >= 70, "{options:?}: {lengths:?}, more than the usual limit, 3 source tokens + 50");
    }
}

#[test]
fn lengths_respect_absolute_and_relative_limits() {
    let run = Run::new();
    let input = texts(40).join("\n");
    let sources: Vec<usize> = texts(40).iter().map(|text| text.split(' ').count() + 1).collect();
    for beam in ["1", "3"] {
        let lengths = |options: &[&str]| lengths_of(&run, &input, &[&["--beam", beam], options].concat());
        let free = lengths(&[]);
        assert!(free.iter().any(|(length, _)| *length < 5));
        assert!(lengths(&["--min-length", "5"]).iter().all(|(length, _)| *length >= 5));
        let limited = lengths(&["--max-length", "6"]);
        assert!(limited.iter().all(|&(length, finished)| length + usize::from(finished) <= 6));
        for ((length, finished), source) in lengths(&["--max-length-ratio", "0.5"]).into_iter().zip(&sources) {
            assert!(length + usize::from(finished) <= source.div_ceil(2), "{length} of {source}");
        }
        for ((length, _), source) in lengths(&["--min-length-ratio", "0.7"]).into_iter().zip(&sources) {
            assert!(10 * length >= 7 * source, "{length} of {source}");
        }
    }
    // Equal limits give exactly as many tokens, without `</s>`.
    assert!(lengths_of(&run, &input, &["--min-length", "6", "--max-length", "6"]).iter().all(|one| *one == (6, false)));
    run.assert_rejects(
        &["--min-length", "25", "1"],
        &["decoding.min_length = 25", "--min-length", "maximum target length, 24"],
    );
    run.assert_rejects(&["--max-length-ratio=-1", "1"], &["decoding.max_length_ratio = -1", "--max-length-ratio"]);
    run.assert_rejects(&["--min-length-ratio", "nan", "1"], &["decoding.min_length_ratio = NaN", "--min-length-ratio"]);
    run.assert_rejects(
        &["--max-length-ratio", "1", "--min-length-ratio", "2", "1"],
        &["decoding.min_length_ratio = 2", "at most decoding.max_length_ratio = 1"],
    );
}

/// Whether an n-gram of order `n` occurs twice.
fn repeats(tokens: &[String], n: usize) -> bool {
    let mut seen = HashSet::new();
    !tokens.windows(n).all(|window| seen.insert(window))
}

#[test]
fn repetition_rules_hold() {
    let run = Run::new();
    let input = texts(40).join("\n");
    for beam in ["1", "3"] {
        let generated = |options: &[&str]| -> Vec<Vec<String>> {
            objects(&run, &input, &[&["--beam", beam], options].concat()).iter().map(tokens).collect()
        };
        let free = generated(&[]);
        assert!(free.iter().any(|tokens| repeats(tokens, 2)), "expected a repetition");
        assert!(!generated(&["--no-repeat-ngram", "2"]).iter().any(|tokens| repeats(tokens, 2)));
        assert!(!generated(&["--no-repeat-ngram", "1"]).iter().any(|tokens| repeats(tokens, 1)), "no token twice");
        let repeated = |all: &[Vec<String>]| all.iter().filter(|tokens| repeats(tokens, 1)).count();
        assert!(repeated(&generated(&["--repetition-penalty", "5"])) < repeated(&free));
        assert_eq!(generated(&["--repetition-penalty", "1", "--no-repeat-ngram", "0"]), free);
    }
    run.assert_rejects(
        &["--repetition-penalty", "0.5", "1"],
        &["decoding.repetition_penalty = 0.5", "--repetition-penalty"],
    );
    let penalised = objects(&run, &input, &["--repetition-penalty", "5"]);
    assert!(penalised.iter().all(|target| numbers(&target["token_scores"]).iter().all(|score| score.is_finite())));
}

/// After `</s>` and eleven words no token is allowed, at the limit or before it.
#[test]
fn decoding_ends_when_no_token_is_allowed() {
    let run = Run::new();
    for beam in ["1", "2"] {
        for limit in ["12", "20"] {
            let rules = ["--beam", beam, "--no-repeat-ngram", "1", "--min-length", "12", "--max-length", limit];
            let answer = objects(&run, "3 1 4", &rules).remove(0);
            let scores = numbers(&answer["token_scores"]);
            assert_eq!((tokens(&answer).len(), scores.len()), (11, 11), "{answer}");
            assert_eq!(answer["finished"], false);
            let (score, mean) = (answer["score"].as_f64().expect("a score"), scores.iter().sum::<f64>() / 11.0);
            assert!((score - mean).abs() < 1e-4, "{score} is not {mean}");
        }
    }
}

#[test]
fn every_translation_begins_with_the_prefix() {
    let run = Run::new();
    let input = texts(20).join("\n");
    for options in [&["--beam", "1"][..], &["--beam", "3"], &["--sample"]] {
        // The rule applies to the tokens after the prefix.
        for rule in [&[][..], &["--no-repeat-ngram", "1"]] {
            for answer in objects(&run, &input, &[options, rule, &["--prefix", "7 7 3"]].concat()) {
                let generated = tokens(&answer);
                assert!(generated.starts_with(&["7", "7", "3"].map(String::from)), "{answer}");
                assert!(
                    rule.is_empty() || !generated[3..].iter().any(|token| ["7", "3"].contains(&&**token)),
                    "{answer}"
                );
            }
        }
    }
    let long = vec!["1"; 24].join(" ");
    run.assert_rejects(&["--prefix", &long, "1"], &["--prefix: 25 tokens", "24"]);
    run.assert_rejects(
        &["--prefix", "7 seven", "1"],
        &["--prefix = 7 seven: expected text that the target's vocabulary has"],
    );
    // Also if the prefix exceeds the maximum length.
    assert!(run.translations(&["1 2"], &["--prefix", "7 7 3", "--max-length", "2"])[0].starts_with("7 7 3"));
}

#[test]
fn alignments_hold_a_source_token_per_target_token() {
    let run = Run::new();
    let input = texts(20).join("\n");
    let aligned = |options: &[&str]| objects(&run, &input, &[&["--alignment"], options].concat());
    let mean = aligned(&[]);
    for object in &mean {
        let (source, target) = (object["source"].as_str().expect("a text"), tokens(object));
        let pairs: Vec<Vec<f64>> = object["alignment"].as_array().expect("pairs").iter().map(numbers).collect();
        assert_eq!(pairs.len(), target.len(), "one for each target token");
        for (at, pair) in pairs.iter().enumerate() {
            assert_eq!(pair[1], at as f64);
            assert!(pair[0] < source.split(' ').count() as f64, "{object}");
        }
    }
    let heads = [aligned(&["--alignment-head", "1"]), aligned(&["--alignment-head", "2", "--alignment-layer", "1"])];
    assert_ne!(heads[0], heads[1], "heads differ");
    assert_eq!(objects(&run, "\n", &["--alignment"])[0]["alignment"], Value::Array(vec![]));
    assert!(objects(&run, "1", &[])[0].get("alignment").is_none());
    let jsonl = ["--format", "jsonl", "--alignment", "1"];
    run.assert_rejects(&[&jsonl[..], &["--alignment-head", "3"]].concat(), &["--alignment-head = 3", "1 to 2"]);
    run.assert_rejects(&[&jsonl[..], &["--alignment-layer", "2"]].concat(), &["--alignment-layer = 2", "1 to 1"]);
}

#[test]
fn the_runs_settings_are_the_defaults() {
    let run = Run::new();
    let input = texts(20).join("\n");
    let free = run.translate_stdin(&input, &[]);
    let ruled =
        run.translate_stdin(&input, &["--min-length", "4", "--no-repeat-ngram", "2", "--repetition-penalty", "2"]);
    assert_ne!(ruled, free);
    run.configure("[decoding]", "[decoding]\nmin_length = 4\nno_repeat_ngram = 2\nrepetition_penalty = 2.0");
    assert_eq!(run.translate_stdin(&input, &[]), ruled);
    let back = ["--min-length", "0", "--no-repeat-ngram", "0", "--repetition-penalty", "1"];
    assert_eq!(run.translate_stdin(&input, &back), free);
}

/// An option that contradicts the run's settings is valid together with another one.
#[test]
fn options_are_checked_together() {
    let run = Run::new();
    run.configure("[decoding]", "[decoding]\nmin_length = 20\nmax_length_ratio = 3.0\nmin_length_ratio = 2.0");
    let options = ["--max-length", "10", "--min-length", "5", "--min-length-ratio", "0.5", "--max-length-ratio", "1.5"];
    assert_eq!(run.translations(&["1 2 3"], &options).len(), 1);
    // The message begins with the given option, whichever setting of the run it contradicts.
    let message = ["--max-length: decoding.min_length = 20", "expected at most the maximum target length, 10"];
    run.assert_rejects(&["--max-length", "10", "1"], &message);
    run.assert_rejects(
        &["--beam", "2", "--max-length", "10", "1"],
        &["--beam, --max-length: decoding.min_length = 20"],
    );
    run.assert_rejects(&["--max-length", "10", "--min-length", "11", "1"], &["--min-length: decoding.min_length = 11"]);
    let message = ["--max-length-ratio: decoding.min_length_ratio = 2", "at most decoding.max_length_ratio = 1.5"];
    run.assert_rejects(&["--max-length-ratio", "1.5", "1"], &message);
}
