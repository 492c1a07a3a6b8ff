//! The charts of the report, and the points of their curves.

use runs::record::{Scores, Step};

use super::metrics::Metrics;

/// Maximum points per curve; a chart cannot show more.
const MAX_POINTS: usize = 1000;

/// Larger values are clamped, so that sums and differences stay finite.
const MAX_VALUE: f64 = 1e100;

/// A chart of the report.
pub struct Chart {
    pub title: &'static str,
    /// Whether the axis may be logarithmic, because some values may be far larger than most.
    pub wide: bool,
    /// The curves, at most one per colour of [`super::chart::COLOURS`].
    pub curves: &'static [Curve],
}

/// A curve over the steps of training.
pub struct Curve {
    pub name: &'static str,
    values: Values,
}

/// The source of a curve's values. Values that are not finite are not drawn.
enum Values {
    Training(fn(&Step) -> f64),
    Validation(fn(&Scores) -> f64),
}

/// In the order of the page.
pub const CHARTS: [Chart; 10] = [
    Chart {
        title: "Loss and NLL, nats per token",
        wide: true,
        curves: &[
            Curve { name: "training loss", values: Values::Training(|line| line.loss) },
            Curve { name: "training NLL", values: Values::Training(|line| line.nll) },
            Curve { name: "validation NLL", values: Values::Validation(|scores| scores.nll) },
        ],
    },
    Chart {
        title: "BLEU and chrF of validation",
        wide: false,
        curves: &[
            Curve { name: "BLEU", values: Values::Validation(|scores| scores.bleu) },
            Curve { name: "chrF", values: Values::Validation(|scores| scores.chrf) },
        ],
    },
    Chart {
        title: "Accuracy of validation, %",
        wide: false,
        curves: &[
            Curve { name: "exact match", values: Values::Validation(|scores| percent(scores.exact_match)) },
            Curve { name: "token accuracy", values: Values::Validation(|scores| percent(scores.token_accuracy)) },
        ],
    },
    Chart {
        title: "Error rates of validation, %",
        wide: false,
        curves: &[
            Curve { name: "words", values: Values::Validation(|scores| percent(1.0 - scores.exact_match)) },
            Curve { name: "tokens", values: Values::Validation(|scores| percent(scores.token_error_rate)) },
        ],
    },
    Chart {
        title: "Learning rate",
        wide: false,
        curves: &[Curve { name: "learning rate", values: Values::Training(|line| line.learning_rate) }],
    },
    Chart {
        title: "Gradient norm",
        wide: true,
        curves: &[Curve { name: "gradient norm", values: Values::Training(|line| line.gradient_norm) }],
    },
    Chart {
        title: "Speed, target tokens per second",
        wide: false,
        curves: &[Curve { name: "tokens per second", values: Values::Training(|line| line.timing.tokens_per_second) }],
    },
    Chart {
        title: "Time spent waiting for data, %",
        wide: false,
        curves: &[Curve { name: "waiting", values: Values::Training(|line| percent(line.timing.waiting_for_data)) }],
    },
    Chart {
        title: "Time spent exchanging gradients, %",
        wide: false,
        curves: &[Curve {
            name: "exchanging",
            values: Values::Training(|line| line.timing.exchanging.map_or(f64::NAN, percent)),
        }],
    },
    Chart {
        title: "Padding among target positions, %",
        wide: false,
        curves: &[Curve { name: "padding", values: Values::Training(|line| percent(line.padding)) }],
    },
];

fn percent(share: f64) -> f64 {
    100.0 * share
}

impl Curve {
    /// Returns the points (step, value), thinned to at most [`MAX_POINTS`].
    pub fn points(&self, metrics: &Metrics) -> Vec<(f64, f64)> {
        let point =
            |step: u64, value: f64| value.is_finite().then(|| (step as f64, value.clamp(-MAX_VALUE, MAX_VALUE)));
        let points = match self.values {
            Values::Training(value) => metrics.steps.iter().filter_map(|line| point(line.step, value(line))).collect(),
            Values::Validation(value) => {
                metrics.validations.iter().filter_map(|line| point(line.step, value(&line.scores))).collect()
            }
        };
        thinned(points)
    }
}

/// Keeps at most [`MAX_POINTS`]: both ends, and the minimum and maximum of every stretch, so that no peak is lost.
pub fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let [first, inner @ .., last] = &points[..] else { return points };
    if points.len() <= MAX_POINTS {
        return points;
    }
    let stretch = inner.len().div_ceil(MAX_POINTS / 2 - 1);
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
