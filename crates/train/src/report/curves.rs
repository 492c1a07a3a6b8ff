//! Which charts the report has, and the points of their curves.

use super::metrics::{Logged, Metrics, Scores};

/// More cannot be told apart in a chart, and would only make the page heavy.
const MOST_POINTS: usize = 1000;

/// Beyond this, nothing is worth drawing to scale, and sums and differences must stay finite.
const LARGEST: f64 = 1e100;

/// A chart of the report.
pub struct Chart {
    pub title: &'static str,
    /// Whether some values may be so much larger than most that a logarithm is needed to see these.
    pub wide: bool,
    /// At most as many as there are [`super::chart::COLOURS`].
    pub curves: &'static [Curve],
}

/// A curve over the steps of training.
pub struct Curve {
    pub name: &'static str,
    of: Of,
}

/// Where a curve's numbers come from.
enum Of {
    Training(fn(&Logged) -> Option<f64>),
    Validation(fn(&Scores) -> Option<f64>),
}

/// In the order of the page.
pub const CHARTS: [Chart; 8] = [
    Chart {
        title: "Loss and NLL, nats per token",
        wide: true,
        curves: &[
            Curve { name: "training loss", of: Of::Training(|line| Some(line.loss)) },
            Curve { name: "training NLL", of: Of::Training(|line| line.nll) },
            Curve { name: "validation NLL", of: Of::Validation(|scores| scores.nll) },
        ],
    },
    Chart {
        title: "BLEU and chrF of validation",
        wide: false,
        curves: &[
            Curve { name: "BLEU", of: Of::Validation(|scores| scores.bleu) },
            Curve { name: "chrF", of: Of::Validation(|scores| scores.chrf) },
        ],
    },
    Chart {
        title: "Accuracy of validation, %",
        wide: false,
        curves: &[
            Curve { name: "exact match", of: Of::Validation(|scores| percent(scores.exact_match)) },
            Curve { name: "token accuracy", of: Of::Validation(|scores| percent(scores.token_accuracy)) },
        ],
    },
    Chart {
        title: "Learning rate",
        wide: false,
        curves: &[Curve { name: "learning rate", of: Of::Training(|line| line.learning_rate) }],
    },
    Chart {
        title: "Gradient norm",
        wide: true,
        curves: &[Curve { name: "gradient norm", of: Of::Training(|line| line.gradient_norm) }],
    },
    Chart {
        title: "Speed, target tokens per second",
        wide: false,
        curves: &[Curve { name: "tokens per second", of: Of::Training(|line| line.timing.tokens_per_second) }],
    },
    Chart {
        title: "Time spent waiting for data, %",
        wide: false,
        curves: &[Curve { name: "waiting", of: Of::Training(|line| percent(line.timing.waiting_for_data)) }],
    },
    Chart {
        title: "Padding among target positions, %",
        wide: false,
        curves: &[Curve { name: "padding", of: Of::Training(|line| percent(line.padding)) }],
    },
];

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| 100.0 * share)
}

impl Curve {
    /// (step, value) of all lines that have it, thinned to what a chart can show.
    pub fn points(&self, metrics: &Metrics) -> Vec<(f64, f64)> {
        let point = |step: u64, value: Option<f64>| {
            value.filter(|value| value.is_finite()).map(|value| (step as f64, value.clamp(-LARGEST, LARGEST)))
        };
        let points = match self.of {
            Of::Training(value) => metrics.steps.iter().filter_map(|line| point(line.step, value(line))).collect(),
            Of::Validation(value) => {
                metrics.validations.iter().filter_map(|line| point(line.step, value(&line.scores))).collect()
            }
        };
        thinned(points)
    }
}

/// At most [`MOST_POINTS`]: the lowest and the highest of every stretch, so that no peak is lost, and both ends.
pub fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let [first, inner @ .., last] = &points[..] else { return points };
    if points.len() <= MOST_POINTS {
        return points;
    }
    let stretch = inner.len().div_ceil(MOST_POINTS / 2 - 1);
    let mut kept = vec![*first];
    for stretch in inner.chunks(stretch) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let mut ends: Vec<(f64, f64)> =
            stretch.iter().min_by(by_value).into_iter().chain(stretch.iter().max_by(by_value)).copied().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.dedup();
        kept.extend(ends);
    }
    kept.push(*last);
    kept
}
