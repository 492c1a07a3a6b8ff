//! `infer distil`: the hypothesis closest to the reference.

use testing::run::{Run, texts};
use text::Tokenizer;
use text::metrics::{Bleu, BleuTokenization};

use crate::ensemble::other;

const FILES: [&str; 4] = ["--source", "source.txt", "--reference", "reference.txt"];
/// BLEU of single sentences, as the command computes it.
const SENTENCES: Bleu = Bleu { lowercase: false, tokenization: BleuTokenization::V13a, effective_order: true };

/// A run whose words depend on case and tokenization; with `source.txt`, and a `reference.txt` close to the last of up to
/// four hypotheses. Also returns hypotheses and references.
fn run() -> (Run, Vec<Vec<String>>, Vec<String>) {
    let run = Run::new();
    let words = ["a", "A", "b", "B", "c.", "c", "d", "D", "e.", "f"].map(String::from);
    run.write("target.tokenizer.json", Tokenizer::from_words(&words).to_json());
    let sources = texts(24);
    let hypotheses = n_best(&run, &sources, &["--beam", "4", "--n-best", "4"]);
    let reference = |(at, all): (usize, &Vec<String>)| match at % 3 {
        0 => format!("{} f", last(all)),
        1 => last(all).to_uppercase(),
        _ => last(all).replace('.', " ."),
    };
    let references: Vec<String> = hypotheses.iter().enumerate().map(reference).collect();
    run.write("source.txt", sources.join("\n") + "\n");
    run.write("reference.txt", references.join("\n") + "\n");
    (run, hypotheses, references)
}

/// The hypotheses of `infer` for each text: those that are finished and not empty, or all if there are none.
fn n_best(run: &Run, sources: &[String], options: &[&str]) -> Vec<Vec<String>> {
    let lines = run.translate_stdin(sources.join("\n"), &[options, &["--format", "jsonl"]].concat());
    let all = lines.iter().map(|line| {
        let translation = testing::run::object(line);
        let mut all = vec![translation.clone()];
        all.extend(translation["alternatives"].as_array().into_iter().flatten().cloned());
        let sentence = |target: &serde_json::Value| target["finished"] == true && target["text"] != "";
        all.sort_by_key(|target| !sentence(target));
        let ended = all.iter().filter(|target| sentence(target)).count();
        all.truncate(if ended == 0 { all.len() } else { ended });
        all.iter().map(|target| target["text"].as_str().expect("a text").to_string()).collect()
    });
    all.collect()
}

fn last(hypotheses: &[String]) -> &String {
    hypotheses.last().expect("a hypothesis")
}

fn closest(hypotheses: &[Vec<String>], references: &[String], bleu: &Bleu) -> Vec<String> {
    let closest = hypotheses.iter().zip(references).map(|(hypotheses, reference)| {
        let score = |text: &String| bleu.score(&[text], &[reference]).expect("a score").score;
        // `max_by` returns the last of equal ones.
        hypotheses.iter().rev().max_by(|a, b| score(a).total_cmp(&score(b))).expect("a hypothesis").clone()
    });
    closest.collect()
}

#[test]
fn the_closest_hypothesis_is_written() {
    let (run, hypotheses, references) = run();
    let chosen = run.distil(&[&FILES[..], &["--beam", "4", "--quiet"]].concat()).lines();
    assert_eq!(chosen, closest(&hypotheses, &references, &SENTENCES));
    let moved = chosen.iter().zip(&hypotheses).filter(|(chosen, all)| **chosen != all[0]).count();
    assert!((3..24).contains(&moved), "{moved} of 24 are not the first");
}

#[test]
fn case_and_tokenization_are_options() {
    let (run, hypotheses, references) = run();
    let plain = closest(&hypotheses, &references, &SENTENCES);
    for (option, bleu) in [
        (&["--lowercase"][..], Bleu { lowercase: true, ..SENTENCES }),
        (&["--tokenize", "none"], Bleu { tokenization: BleuTokenization::None, ..SENTENCES }),
    ] {
        let expected = closest(&hypotheses, &references, &bleu);
        assert_ne!(expected, plain, "{option:?} makes no difference to these texts");
        let chosen = run.distil(&[&FILES[..], option, &["--beam", "4", "--quiet"]].concat()).lines();
        assert_eq!(chosen, expected, "{option:?}");
    }
}

#[test]
fn bleu_is_logged() {
    let (run, ..) = run();
    let ran = run.distil(&[&FILES[..], &["--beam", "4", "--tokenize", "none"]].concat());
    let chosen: Vec<&str> = ran.stdout.lines().collect();
    let references = String::from_utf8(run.read("reference.txt")).unwrap();
    let references: Vec<&str> = references.lines().collect();
    let firsts = run.translate_stdin(run.read("source.txt"), &["--beam", "4"]);
    let bleu = Bleu { tokenization: BleuTokenization::None, ..Bleu::default() };
    let [first, closest] =
        [bleu.score(&firsts, &references), bleu.score(&chosen, &references)].map(|found| found.expect("a score"));
    assert!(closest.score > first.score, "{closest} {first}");
    let line =
        |what: &str, score: &text::metrics::BleuScore| format!("{what}: {}", score.with_signature(&bleu.signature()));
    ran.assert_stderr_contains(&[&line("first hypotheses", &first), &line("closest to the reference", &closest)]);
}

#[test]
fn options_override_the_runs_settings() {
    let (run, _, references) = run();
    let sources: Vec<String> = texts(24);
    let expect = |asked: &[&str], options: &[&str]| {
        let chosen = run.distil(&[&FILES[..], asked, &["--quiet"]].concat()).lines();
        assert_eq!(chosen, closest(&n_best(&run, &sources, options), &references, &SENTENCES), "{asked:?}");
    };
    expect(&["--beam", "4", "--n-best", "2"], &["--beam", "4", "--n-best", "2"]);
    expect(&["--beam", "3", "--length-penalty", "2"], &["--beam", "3", "--length-penalty", "2", "--n-best", "3"]);
    expect(&["--beam", "3", "--threads", "1", "--batch-tokens", "9"], &["--beam", "3", "--n-best", "3"]);
    expect(&["--beam", "3", "--max-length", "6"], &["--beam", "3", "--n-best", "3", "--max-length", "6"]);
    run.configure("[decoding]", "[decoding]\nbeam = 3");
    expect(&[], &["--n-best", "3"]);
}

#[test]
fn hypotheses_are_those_of_an_ensemble() {
    let (run, alone, references) = run();
    let other = other();
    other.write("target.tokenizer.json", run.read("target.tokenizer.json"));
    let both = ["--model", other.path().to_str().unwrap(), "--beam", "4"];
    let hypotheses = n_best(&run, &texts(24), &[&both[..], &["--n-best", "4"]].concat());
    assert_ne!(hypotheses, alone);
    let chosen = run.distil(&[&FILES[..], &both, &["--quiet"]].concat()).lines();
    assert_eq!(chosen, closest(&hypotheses, &references, &SENTENCES));
}

#[test]
fn samples_are_candidates_too() {
    let run = Run::new();
    let mut sources = texts(1100); // more than are decoded together
    sources[7].clear();
    run.write("source.txt", sources.join("\n") + "\n");
    let references: Vec<String> = texts(1103)[3..].to_vec();
    run.write("reference.txt", references.join("\n") + "\n");
    let sampled = ["--sample", "--temperature", "0.9", "--seed", "3", "--n-best", "3"];
    let chosen = run.distil(&[&FILES[..], &sampled, &["--quiet"]].concat()).lines();
    assert_eq!(chosen, closest(&n_best(&run, &sources, &sampled), &references, &SENTENCES));
    assert_eq!(chosen[7], "");
}

#[test]
fn references_are_normalized() {
    let (run, ..) = run();
    let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(String::from);
    let plain = Tokenizer::from_words(&letters).to_json();
    let mut lowering: serde_json::Value = serde_json::from_str(&plain).expect("JSON");
    lowering["normalizer"] = serde_json::json!({"type": "Lowercase"});
    run.write("target.tokenizer.json", lowering.to_string());
    let hypotheses = n_best(&run, &texts(24), &["--beam", "4", "--n-best", "4"]);
    let references: Vec<String> = hypotheses.iter().map(|all| last(all).clone()).collect();
    run.write("reference.txt", references.join("\n").to_uppercase() + "\n");
    let ran = run.distil(&[&FILES[..], &["--beam", "4"]].concat());
    let chosen: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(chosen, closest(&hypotheses, &references, &SENTENCES));
    // Scores are computed on the unchanged files.
    ran.assert_stderr_contains(&[
        "first hypotheses: BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 0.00",
    ]);
}

#[test]
fn too_long_texts_give_empty_lines() {
    let (run, hypotheses, references) = run();
    let mut sources: Vec<String> = texts(24);
    sources[5] = "1 ".repeat(testing::run::MAX_LENGTH);
    run.write("source.txt", sources.join("\n") + "\n");
    let ran = run.distil(&[&FILES[..], &["--beam", "4"]].concat());
    let mut expected = closest(&hypotheses, &references, &SENTENCES);
    expected[5].clear();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
    ran.assert_stderr_contains(&["note: line 6: source skipped: 25 tokens", "note: 1 of 24 lines skipped"]);
}

#[test]
fn fewer_than_two_hypotheses_are_rejected() {
    let (run, ..) = run();
    let rejects = |more: &[&str], message: &[&str]| run.distil(&[&FILES[..], more].concat()).assert_rejected(message);
    rejects(&["--quiet"], &["a beam of 1 leaves nothing to choose from", "--beam 10"]);
    rejects(&["--quiet", "--beam", "4", "--n-best", "1"], &["--n-best 1 leaves nothing to choose from"]);
    rejects(&["--quiet", "--beam", "4", "--n-best", "5"], &["--n-best = 5", "1 to 4"]);
    let ran = run.distil(&[&FILES[..], &["--sample"]].concat());
    assert_eq!(ran.code, Some(2));
    ran.assert_stderr_contains(&["--n-best"]);
    let ran = run.distil(&[&FILES[..], &["--beam", "4", "--top-k", "5"]].concat());
    assert_eq!(ran.code, Some(2));
    ran.assert_stderr_contains(&["--top-k", "cannot be used with", "--beam"]);
    run.write("source.txt", "1 2\n");
    rejects(&["--beam", "4"], &["source.txt has 1 lines", "has 24"]);
}
