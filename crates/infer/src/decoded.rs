//! What decoders take and give: ids in, ids out.

use std::cmp::Ordering;

/// A source sentence to decode.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Source ids, `</s>` included.
    pub ids: &'a [u32],
    /// Most target tokens, `</s>` included.
    pub limit: usize,
}

/// One decoded sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Target ids without `</s>`.
    pub ids: Vec<u32>,
    /// Whether the model ended the sentence itself, rather than the limit.
    pub finished: bool,
}

/// A sentence as beam search found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    pub decoded: Decoded,
    /// Sum of the log-probabilities of all tokens in nats, that of `</s>` included if there is one.
    pub log_probability: f64,
    /// The same divided by the length penalty: what hypotheses are compared by.
    pub score: f64,
}

impl Hypothesis {
    /// Orders by score, best first; of equal ones, by their ids, so that nothing depends on chance.
    pub fn best_first(a: &Self, b: &Self) -> Ordering {
        b.score.total_cmp(&a.score).then_with(|| a.decoded.ids.cmp(&b.decoded.ids))
    }
}
