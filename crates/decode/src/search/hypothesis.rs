//! The input and output of search: ids in, ids out.

use std::cmp::Ordering;

/// A source sentence to decode.
#[derive(Clone, Copy, Debug)]
pub struct DecodeInput<'a> {
    /// Source ids, `</s>` included.
    pub ids: &'a [u32],
    /// Minimum number of target tokens before `</s>`.
    pub min_len: usize,
    /// Maximum number of target tokens, `</s>` included.
    pub max_len: usize,
    /// The number of the sentence in the whole input, from 1. Random draws depend on it, not on the batch.
    pub index: usize,
}

/// A target sentence that a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// Target ids without `</s>`.
    pub ids: Vec<u32>,
    /// Whether the model generated `</s>` before the length limit.
    pub finished: bool,
    /// The model's log-probability of each token in nats, that of `</s>` last if there is one.
    pub token_scores: Vec<f32>,
    /// The value by which hypotheses compare: the sum of the log-probabilities (with a repetition penalty, of the penalised
    /// values), divided by the length penalty.
    pub score: f64,
    /// With alignment, the source position of each of `ids`; `None` for a source without tokens.
    pub aligned: Vec<Option<usize>>,
}

impl Hypothesis {
    /// Orders by score, best first; ties by ids, so that the order is the same in every run.
    pub fn best_first(a: &Self, b: &Self) -> Ordering {
        b.score.total_cmp(&a.score).then_with(|| a.ids.cmp(&b.ids))
    }

    /// The sum of the log-probabilities of all tokens.
    pub fn log_probability(&self) -> f64 {
        self.token_scores.iter().map(|&score| f64::from(score)).sum()
    }

    /// Pairs of source and target position, both counted from 0.
    pub fn alignment(&self) -> Vec<[usize; 2]> {
        let pairs = self.aligned.iter().zip(0..);
        pairs.filter_map(|(source, target)| Some([(*source)?, target])).collect()
    }
}
