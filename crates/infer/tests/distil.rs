//! `infer distil`: of a text's hypotheses the one closest to its reference.

mod common;

use common::{Run, texts};
use text::metrics::{Bleu, BleuTokenization};

const FILES: [&str; 4] = ["--source", "source.txt", "--reference", "reference.txt"];

/// A run with `source.txt`, and `reference.txt` that some hypothesis of a beam of four meets, now the first, now a later
/// one; the hypotheses of each text, and the references.
fn run() -> (Run, Vec<Vec<String>>, Vec<String>) {
    let run = Run::new();
    let sources = texts(12);
    let hypotheses = n_best(&run, &sources, &["--beam", "4"]);
    let references: Vec<String> =
        hypotheses.iter().enumerate().map(|(at, all)| format!("{} 9", all[at % all.len()])).collect();
    run.write("source.txt", sources.join("\n") + "\n");
    run.write("reference.txt", references.join("\n") + "\n");
    (run, hypotheses, references)
}

/// All hypotheses, text by text.
fn n_best(run: &Run, sources: &[String], options: &[&str]) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new(); sources.len()];
    for line in run.answers_on(sources.join("\n"), &[options, &["--n-best", "4"]].concat()) {
        let parts: Vec<&str> = line.split(" ||| ").collect();
        all[parts[0].parse::<usize>().expect("a place")].push(parts[1].to_string());
    }
    all
}

fn closest<'a>(hypotheses: &'a [String], reference: &str, bleu: &Bleu) -> &'a String {
    let score = |text: &String| bleu.score(&[text], &[reference]).expect("a score").score;
    // Of equals `max_by` takes the last.
    hypotheses.iter().rev().max_by(|a, b| score(a).total_cmp(&score(b))).expect("a hypothesis")
}

#[test]
fn it_writes_the_hypothesis_closest_to_the_reference() {
    let (run, hypotheses, references) = run();
    let chosen = run.distil(&[&FILES[..], &["--beam", "4", "--quiet"]].concat()).lines();
    let bleu = Bleu::default();
    let expected: Vec<&String> =
        hypotheses.iter().zip(&references).map(|(all, reference)| closest(all, reference, &bleu)).collect();
    assert_eq!(chosen.iter().collect::<Vec<_>>(), expected);
    let moved = chosen.iter().zip(&hypotheses).filter(|(chosen, all)| **chosen != all[0]).count();
    assert!((3..12).contains(&moved), "{moved} of 12 are not the first");
}

#[test]
fn it_tells_how_close_they_are() {
    let (run, hypotheses, references) = run();
    let ran = run.distil(&[&FILES[..], &["--beam", "4", "--tokenize", "none"]].concat());
    let bleu = Bleu { tokenization: BleuTokenization::None, ..Bleu::default() };
    let firsts: Vec<&String> = hypotheses.iter().map(|all| &all[0]).collect();
    let chosen: Vec<&str> = ran.stdout.lines().collect();
    let [first, closest] =
        [bleu.score(&firsts, &references), bleu.score(&chosen, &references)].map(|found| found.expect("a score").score);
    assert!(closest > first, "{closest} {first}");
    ran.tells(&[&format!("BLEU {closest:.2}; {first:.2} of each text's first hypothesis")]);
}

#[test]
fn it_chooses_among_samples_too() {
    let (run, _, references) = run();
    let sampled = ["--sample", "--temperature", "0.9", "--seed", "3"];
    let sources: Vec<String> = texts(12);
    let drawn = n_best(&run, &sources, &sampled);
    let chosen = run.distil(&[&FILES[..], &sampled, &["--n-best", "4", "--quiet"]].concat()).lines();
    let bleu = Bleu::default();
    let expected: Vec<&String> =
        drawn.iter().zip(&references).map(|(all, reference)| closest(all, reference, &bleu)).collect();
    assert_eq!(chosen.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_leaves_no_choice_is_refused() {
    let (run, ..) = run();
    let refuses = |more: &[&str], told: &[&str]| run.distil(&[&FILES[..], more].concat()).refused_telling(told);
    refuses(&["--quiet"], &["--n-best = 1", "at least 2"]);
    refuses(&["--quiet", "--beam", "4", "--n-best", "5"], &["--n-best = 5", "1 to 4"]);
    let ran = run.distil(&[&FILES[..], &["--sample"]].concat());
    assert_eq!(ran.code, Some(2));
    ran.tells(&["--n-best"]);
    run.write("source.txt", "1 2\n");
    refuses(&["--beam", "4"], &["source.txt has 1 lines", "has 12"]);
}
