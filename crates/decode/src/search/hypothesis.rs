//! What decoders take and give: ids in, ids out.

use std::cmp::Ordering;

/// A source sentence to decode.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Source ids, `</s>` included.
    pub ids: &'a [u32],
    /// Fewest target tokens before `</s>`.
    pub least: usize,
    /// Most target tokens, `</s>` included.
    pub limit: usize,
    /// Its place in the whole input: what is drawn at random for it depends on that, not on its batch.
    pub place: usize,
}

/// A target sentence as a decoder found it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// Target ids without `</s>`.
    pub ids: Vec<u32>,
    /// Whether the model ended the sentence itself, rather than the limit.
    pub finished: bool,
    /// The model's log-probability of each token in nats, that of `</s>` last if there is one.
    pub token_scores: Vec<f32>,
    /// What hypotheses are compared by: the sum of the log-probabilities (with a repetition penalty, of the penalised
    /// values), divided by the length penalty.
    pub score: f64,
}

impl Hypothesis {
    /// Orders by score, best first; of equal ones, by their ids, so that nothing depends on chance.
    pub fn best_first(a: &Self, b: &Self) -> Ordering {
        b.score.total_cmp(&a.score).then_with(|| a.ids.cmp(&b.ids))
    }

    /// The sum of the log-probabilities of all tokens.
    pub fn log_probability(&self) -> f64 {
        self.token_scores.iter().map(|&score| f64::from(score)).sum()
    }
}
