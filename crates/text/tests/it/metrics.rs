//! BLEU, chrF and chrF++ against sacreBLEU. `scripts/fixtures/metrics.py` wrote the fixtures.

use serde::Deserialize;
use std::collections::BTreeMap;
use text::metrics::{Bleu, BleuTokenization, Chrf, SACREBLEU_VERSION, exact_match};

#[derive(Deserialize)]
struct Fixtures {
    sacrebleu: String,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<String>,
    scores: BTreeMap<String, Score>,
}

#[derive(Deserialize)]
struct Score {
    score: f64,
    line: String,
    line_with_signature: String,
}

/// This crate's score, line, and line with signature for a metric of the fixtures.
fn ours(metric: &str, set: &Set) -> (f64, String, String) {
    let lowercase = metric.ends_with("-lc");
    match metric.trim_end_matches("-lc") {
        "bleu" | "bleu-none" => {
            let bleu = Bleu {
                lowercase,
                tokenization: match metric.contains("none") {
                    true => BleuTokenization::None,
                    false => BleuTokenization::V13a,
                },
                effective_order: false,
            };
            let score = bleu.score(&set.hypotheses, &set.references).unwrap();
            let line = score.with_signature(&bleu.signature());
            (score.score, score.to_string(), line)
        }
        chrf => {
            let chrf = Chrf {
                lowercase,
                ..match chrf {
                    "chrf" => Chrf::default(),
                    "chrf++" => Chrf::plus_plus(),
                    other => panic!("unknown metric {other}"),
                }
            };
            let score = chrf.score(&set.hypotheses, &set.references).unwrap();
            let line = score.with_signature(&chrf.signature());
            (score.score, score.to_string(), line)
        }
    }
}

#[test]
fn every_printed_digit_is_sacrebleus() {
    let fixtures: Fixtures = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    assert_eq!(fixtures.sacrebleu, SACREBLEU_VERSION);
    let mut compared = 0;
    for set in &fixtures.sets {
        for (metric, expected) in &set.scores {
            let (score, line, line_with_signature) = ours(metric, set);
            assert_eq!(line, expected.line, "{} {metric}", set.name);
            assert_eq!(line_with_signature, expected.line_with_signature, "{} {metric}", set.name);
            assert!((score - expected.score).abs() < 1e-9, "{} {metric}: {score}", set.name);
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn counts_must_agree() {
    let (one, none): ([&str; 1], [&str; 0]) = (["a"], []);
    for message in [
        Bleu::default().score(&one, &none).unwrap_err().to_string(),
        Chrf::default().score(&one, &none).unwrap_err().to_string(),
        exact_match(&one, &none).unwrap_err().to_string(),
    ] {
        assert!(message.starts_with("found 1 hypotheses and 0 references"), "{message}");
    }
    assert!(Bleu::default().score(&none, &none).is_err());
    assert!(exact_match(&none, &none).is_err());
}

#[test]
fn single_sentences_can_be_scored_as_sacrebleu_does() {
    let bleu = Bleu { effective_order: true, ..Bleu::default() };
    assert_eq!(bleu.signature(), "nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|version:2.6.0");
    // `BLEU(effective_order=True).sentence_score` of sacreBLEU 2.6.0.
    for (hypothesis, reference, expected) in [
        ("ein Hund läuft", "ein Hund läuft", 100.0),
        ("Hund läuft", "ein Hund läuft", 60.653065971263366),
        ("ein Hund läuft jetzt", "ein Hund läuft", 59.460355750136046),
        ("ein Haus", "ein Hund läuft", 30.326532985631665),
        ("der Hund läuft schnell durch das Gras", "ein Hund läuft schnell durch Gras", 43.47208719449914),
        ("Nein", "ein Hund", 0.0),
        ("", "ein", 0.0),
    ] {
        let score = bleu.score(&[hypothesis], &[reference]).unwrap().score;
        assert!((score - expected).abs() < 1e-9, "{hypothesis:?}: {score}, not {expected}");
    }
}
