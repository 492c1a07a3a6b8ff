//! What one pass through the network carries besides tensors: the source of its dropout, and a recorder of attention.

use burn::tensor::Tensor;
use kernels::Dropout;

use crate::cache::KeyValue;
use crate::random;
use crate::recorder::{AttentionKind, ByAttention, HeadVectors, Recorder};

/// One pass through the network.
///
/// Layers take it by mutable reference and are otherwise pure functions of their inputs, so nothing is hidden in them.
#[derive(Debug, Default)]
pub struct Pass<'a> {
    dropout_key: Option<u64>,
    /// Of the rates that the layers ask for.
    dropout_scale: f64,
    sites: u64,
    recorder: Option<Recorder<'a>>,
}

impl<'a> Pass<'a> {
    /// No dropout, nothing recorded.
    pub fn inference() -> Self {
        Self::default()
    }

    /// Dropout drawn by (seed, step, part of the update), the place in the network and the element.
    pub fn training(seed: u64, step: u64, part: u64) -> Self {
        Self { dropout_key: Some(random::key(&[seed, DROPOUT, step, part])), dropout_scale: 1.0, ..Self::default() }
    }

    /// Drops less than the layers ask for: this share of their rates, from 0 to 1.
    pub fn with_dropout_scale(self, scale: f64) -> Self {
        Self { dropout_scale: scale, ..self }
    }

    /// As [`inference`](Self::inference), keeping every attention map in `maps`.
    pub fn recording(maps: &'a mut ByAttention<Vec<Tensor<4>>>) -> Self {
        Self { recorder: Some(Recorder { maps, vectors: None }), ..Self::default() }
    }

    /// As [`recording`](Self::recording), keeping in `vectors` what the maps are made of.
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
            Some(drawn) => kernels::dropout::dropout(x, drawn),
            None => x,
        }
    }

    /// The dropout of one more site, for an operation that includes it; `None` where nothing is dropped.
    pub(crate) fn next_dropout(&mut self, rate: f64) -> Option<Dropout> {
        let rate = rate * self.dropout_scale;
        let pass_key = self.dropout_key.filter(|_| rate > 0.0)?;
        self.sites += 1;
        Some(Dropout { key: random::key(&[pass_key, self.sites]), rate })
    }

    /// Whether attention weights are asked for, so that they must be computed as such.
    pub(crate) fn records(&self) -> bool {
        self.recorder.is_some()
    }

    /// Keeps the weights of one layer, `[batch, head, query, key]`, and what they were made of, where that is asked for.
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

/// Keeps the keys of dropout apart from those of weights and data under the same seed.
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
    fn the_keep_rate_is_as_asked_and_the_mean_is_preserved() {
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
    fn a_share_of_the_rates_is_dropped() {
        let drawn = |pass: Pass| { pass }.next_dropout(0.2);
        assert_eq!(drawn(Pass::training(1, 0, 0)).map(|drawn| drawn.rate), Some(0.2));
        let half = drawn(Pass::training(1, 0, 0).with_dropout_scale(0.5)).expect("half is some");
        assert_eq!((half.rate, half.key), (0.1, drawn(Pass::training(1, 0, 0)).expect("all").key));
        assert!(drawn(Pass::training(1, 0, 0).with_dropout_scale(0.0)).is_none());
        assert!(drawn(Pass::inference()).is_none());
    }

    #[test]
    fn a_mask_is_a_function_of_its_key() {
        assert_eq!(factors(3, 1000, 0.2), factors(3, 1000, 0.2));
        assert_ne!(factors(3, 1000, 0.2), factors(4, 1000, 0.2));
    }
}
