//! Training ends after `validation.patience` validations without an improvement.

use crate::common::{WorkFolder, set};

/// A rising learning rate: scores improve at first and then get worse.
const RISING_RATE: &[&str] = &[
    "training.steps=400",
    "training.schedule=constant",
    "training.learning_rate=0.8",
    "training.warmup_steps=200",
    "training.checkpoint_every=1000",
    "validation.every=4",
];

/// The step and score of each validation; higher is better.
fn validations(place: &WorkFolder, run: &str, metric: &str) -> Vec<(u64, f64)> {
    let lines = place.metrics(run);
    let validations = lines.iter().filter(|line| line.get("best").is_some());
    let sign = if metric == "nll" { -1.0 } else { 1.0 };
    let score = |line: &serde_json::Value| sign * line["validation"][metric].as_f64().expect("a number");
    validations.map(|line| (line["step"].as_u64().expect("a step"), score(line))).collect()
}

/// The step of the best validation, and of the first with `patience` validations since the best.
fn best_and_end(validations: &[(u64, f64)], patience: usize) -> (u64, Option<u64>) {
    let (mut highest, mut best, mut since) = (f64::NEG_INFINITY, 0, 0);
    for &(step, score) in validations {
        (highest, best, since) = if score > highest { (score, step, 0) } else { (highest, best, since + 1) };
        if since == patience {
            return (best, Some(step));
        }
    }
    (best, None)
}

#[test]
fn patience_counts_from_the_best_validation() {
    let place = WorkFolder::new();
    for (metric, patience) in [("nll", 1), ("nll", 4), ("bleu", 10), ("chrf", 10)] {
        let options = [format!("validation.metric={metric}"), format!("validation.patience={patience}")];
        let settings = set(&[RISING_RATE, &[options[0].as_str(), options[1].as_str()]].concat());
        let ran = place.trained("run", &[&settings[..], &["--overwrite"]].concat());
        ran.assert_stderr_contains(&[format!("no improvement in {patience} validations: stopping early").as_str()]);

        let validations = validations(&place, "run", metric);
        let (best, end) = best_and_end(&validations, patience);
        assert!(best > validations[0].0, "expected an improvement first: {validations:?}");
        let last = place.metrics("run").pop().expect("a line")["step"].as_u64();
        assert!(last.is_some_and(|last| last < 400), "expected an early end: {validations:?}");
        assert_eq!(last, end, "{metric}, patience {patience}: {validations:?}");
    }
}
