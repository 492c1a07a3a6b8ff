//! Training ends where nothing got better for as many validations as there is patience, though it did get better before.

mod common;

use common::{Workplace, set};

/// A rate that rises with each update: slow enough to learn at first, then so fast that it spoils what was learned.
const RISING: &[&str] = &[
    "training.steps=400",
    "training.schedule=constant",
    "training.learning_rate=0.8",
    "training.warmup_steps=200",
    "training.checkpoint_every=1000",
    "validation.every=4",
    "validation.metric=nll",
];

/// Steps of the validations with what they found.
fn validations(place: &Workplace, run: &str) -> Vec<(u64, f64)> {
    let lines = place.metrics(run);
    let validations = lines.iter().filter(|line| line.get("best").is_some());
    let number = |line: &serde_json::Value| line["validation"]["nll"].as_f64().expect("a number");
    validations.map(|line| (line["step"].as_u64().expect("a step"), number(line))).collect()
}

/// The step of the lowest so far, and that of the first validation with so many after the lowest.
fn best_and_end(validations: &[(u64, f64)], patience: usize) -> (u64, Option<u64>) {
    let (mut lowest, mut best, mut since) = (f64::INFINITY, 0, 0);
    for &(step, nll) in validations {
        (lowest, best, since) = if nll < lowest { (nll, step, 0) } else { (lowest, best, since + 1) };
        if since == patience {
            return (best, Some(step));
        }
    }
    (best, None)
}

#[test]
fn patience_is_counted_from_the_best_validation_where_lower_is_better() {
    let place = Workplace::new();
    for patience in [1, 4] {
        let setting = format!("validation.patience={patience}");
        let settings = set(&[RISING, &[setting.as_str()]].concat());
        let ran = place.trained("run", &[&settings[..], &["--overwrite"]].concat());
        ran.tells(&[format!("nothing better in {patience} validations: done early").as_str()]);

        let validations = validations(&place, "run");
        let (best, end) = best_and_end(&validations, patience);
        assert!(best > validations[0].0, "it shall get better before it gets worse: {validations:?}");
        let last = place.metrics("run").pop().expect("a line")["step"].as_u64();
        assert!(last.is_some_and(|last| last < 400), "it shall not end by itself: {validations:?}");
        assert_eq!(last, end, "patience {patience}: {validations:?}");
    }
}
