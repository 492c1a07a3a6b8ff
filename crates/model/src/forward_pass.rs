//! The context of one pass through the network: its dropout, and a recorder of its attention.
//!
//! > "We apply dropout to the output of each sub-layer, before it is added to the sub-layer input and normalized."
//! > (paper, section 5.4)

use burn::tensor::Tensor;
use kernels::Dropout;

use crate::cache::KeyValue;
use crate::random;
use crate::recompute::Recomputation;
use crate::recorder::{AttentionKind, ByAttention, HeadVectors, Recorder};

/// One pass through the network.
///
/// Layers take it by mutable reference and are otherwise pure functions of their inputs; they hold no state.
#[derive(Debug, Default)]
pub struct Pass<'a> {
    dropout_key: Option<u64>,
    /// The factor of every rate.
    dropout_scale: f64,
    /// Dropout sites so far in this pass.
    sites: u64,
    recorder: Option<Recorder<'a>>,
    recomputation: Option<Recomputation>,
}

impl<'a> Pass<'a> {
    /// No dropout, nothing recorded.
    pub fn inference() -> Self {
        Self::default()
    }

    /// Dropout as a function of seed, step and micro-batch, the site in the network and the element.
    pub fn training(seed: u64, step: u64, micro_batch: u64) -> Self {
        Self {
            dropout_key: Some(random::key(&[seed, DROPOUT, step, micro_batch])),
            dropout_scale: 1.0,
            ..Self::default()
        }
    }

    /// Multiplies every dropout rate by `scale`, from 0 to 1.
    pub fn with_dropout_scale(self, scale: f64) -> Self {
        Self { dropout_scale: scale, ..self }
    }

    /// Computes layers again in the backward pass, which puts the gradients of their parameters into `recomputation`.
    pub fn recomputing(self, recomputation: Recomputation) -> Self {
        Self { recomputation: Some(recomputation), ..self }
    }

    /// As [`inference`](Self::inference), and records every attention map: per attention, one
    /// `[batch, head, query, key]` a layer, before dropout.
    pub fn recording(maps: &'a mut ByAttention<Vec<Tensor<4>>>) -> Self {
        Self { recorder: Some(Recorder { maps, vectors: None }), ..Self::default() }
    }

    /// As [`recording`](Self::recording), and records the queries, keys and values of every layer.
    pub fn recording_vectors(
        maps: &'a mut ByAttention<Vec<Tensor<4>>>,
        vectors: &'a mut ByAttention<Vec<HeadVectors>>,
    ) -> Self {
        Self { recorder: Some(Recorder { maps, vectors: Some(vectors) }), ..Self::default() }
    }

    /// Zeroes each element with probability `rate` and scales the rest by 1 / (1 − rate), in training only
    /// (paper, section 5.4). Each call is a site of its own.
    pub fn dropout<const D: usize>(&mut self, x: Tensor<D>, rate: f64) -> Tensor<D> {
        match self.next_dropout(rate) {
            Some(dropout) => kernels::dropout::dropout(x, dropout),
            None => x,
        }
    }

    /// The dropout of the next site, for an operation that includes it; `None` without dropout.
    pub(crate) fn next_dropout(&mut self, rate: f64) -> Option<Dropout> {
        let rate = rate * self.dropout_scale;
        let pass_key = self.dropout_key.filter(|_| rate > 0.0)?;
        self.sites += 1;
        Some(Dropout { key: random::key(&[pass_key, self.sites]), rate })
    }

    /// The gradients of recomputed layers, if this pass recomputes.
    pub(crate) fn recomputation(&self) -> Option<Recomputation> {
        self.recomputation.clone()
    }

    /// A pass whose next site of dropout is that of this pass; it records and recomputes nothing.
    pub(crate) fn at_this_site(&self) -> Pass<'static> {
        let Self { dropout_key, dropout_scale, sites, .. } = *self;
        Pass { dropout_key, dropout_scale, sites, recorder: None, recomputation: None }
    }

    /// Whether attention weights are recorded, and must be computed as a tensor.
    pub(crate) fn records(&self) -> bool {
        self.recorder.is_some()
    }

    /// Records the weights of one layer, `[batch, head, query, key]`, and its vectors, if this pass records.
    pub(crate) fn record(
        &mut self,
        kind: AttentionKind,
        weights: &Tensor<4>,
        queries: &Tensor<4>,
        attended: &KeyValue,
    ) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(kind, weights, queries, attended);
        }
    }
}

/// Separates the keys of dropout from those of weights and data under the same seed.
const DROPOUT: u64 = 0xD50;

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(key: u64, len: usize, rate: f64) -> Vec<f32> {
        Dropout { key, rate }.factors(len)
    }

    fn kept(mask: &[f32]) -> Vec<bool> {
        mask.iter().map(|&factor| factor != 0.0).collect()
    }

    #[test]
    fn dropout_keeps_its_rate_and_the_mean() {
        for rate in [0.1, 0.3, 0.5] {
            let mask = factors(random::key(&[5]), 1_000_000, rate);
            let mean = mask.iter().map(|&factor| f64::from(factor)).sum::<f64>() / mask.len() as f64;
            assert!((mean - 1.0).abs() < 0.004, "rate {rate}: mean {mean}");
            let share = kept(&mask).iter().filter(|&&k| k).count() as f64 / mask.len() as f64;
            assert!((share - (1.0 - rate)).abs() < 0.002, "rate {rate}: kept {share}");
        }
    }

    #[test]
    fn sites_and_neighbours_are_independent() {
        let n = 200_000;
        let a = kept(&factors(random::key(&[9, 1]), n, 0.5));
        let b = kept(&factors(random::key(&[9, 2]), n, 0.5));
        let agree = |pairs: usize| pairs as f64 / n as f64;
        let sites = agree(a.iter().zip(&b).filter(|(x, y)| x == y).count());
        assert!((sites - 0.5).abs() < 0.01, "two sites agree at {sites}");
        for lag in [1, 2, 8, 64, 128, 512] {
            let lagged = agree(a.iter().zip(&a[lag..]).filter(|(x, y)| x == y).count());
            assert!((lagged - 0.5).abs() < 0.01, "lag {lag} agrees at {lagged}");
        }
    }

    #[test]
    fn dropout_rates_are_scaled() {
        let next = |pass: Pass| { pass }.next_dropout(0.2);
        assert_eq!(next(Pass::training(1, 0, 0)).map(|dropout| dropout.rate), Some(0.2));
        let half = next(Pass::training(1, 0, 0).with_dropout_scale(0.5)).expect("half is some");
        assert_eq!((half.rate, half.key), (0.1, next(Pass::training(1, 0, 0)).expect("all").key));
        assert!(next(Pass::training(1, 0, 0).with_dropout_scale(0.0)).is_none());
        assert!(next(Pass::inference()).is_none());
    }

    #[test]
    fn a_mask_is_a_function_of_its_key() {
        assert_eq!(factors(3, 1000, 0.2), factors(3, 1000, 0.2));
        assert_ne!(factors(3, 1000, 0.2), factors(4, 1000, 0.2));
    }
}
