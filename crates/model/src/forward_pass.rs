//! What one pass through the network carries besides tensors: the source of its dropout, and a recorder of attention.

use burn::tensor::Tensor;
use kernels::Dropout;

use crate::attention::KeysValues;
use crate::random;

/// Which of the three attentions of figure 1 a layer performs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// Encoder self-attention: source to source.
    Encoder,
    /// Masked decoder self-attention: target to earlier target.
    Decoder,
    /// Cross-attention: target to source.
    Cross,
}

/// Attention weights of every layer and head, before dropout: per kind one `[batch, head, query, key]` a layer.
#[derive(Clone, Debug, Default)]
pub struct AttentionMaps {
    pub encoder: Vec<Tensor<4>>,
    pub decoder: Vec<Tensor<4>>,
    pub cross: Vec<Tensor<4>>,
}

/// What those weights are made of, of every layer and head: per kind one entry a layer.
#[derive(Clone, Debug, Default)]
pub struct AttentionVectors {
    pub encoder: Vec<HeadVectors>,
    pub decoder: Vec<HeadVectors>,
    pub cross: Vec<HeadVectors>,
}

/// What one layer's heads compare and gather.
#[derive(Clone, Debug)]
pub struct HeadVectors {
    /// `[batch, head, query, head_size]`.
    pub queries: Tensor<4>,
    /// Keys and values, each `[batch, head, key, head_size]`.
    pub attended: KeysValues,
}

/// Where a pass leaves what it records.
#[derive(Debug)]
struct Recorder<'a> {
    maps: &'a mut AttentionMaps,
    vectors: Option<&'a mut AttentionVectors>,
}

/// One pass through the network.
///
/// Layers take it by mutable reference and are otherwise pure functions of their inputs, so nothing is hidden in them.
#[derive(Debug, Default)]
pub struct Pass<'a> {
    dropout_key: Option<u64>,
    /// Of the rates that the layers ask for.
    dropout_share: f64,
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
        Self { dropout_key: Some(random::key(&[seed, DROPOUT, step, part])), dropout_share: 1.0, ..Self::default() }
    }

    /// Drops less than the layers ask for: this share of their rates, from 0 to 1.
    pub fn with_dropout_share(self, share: f64) -> Self {
        Self { dropout_share: share, ..self }
    }

    /// As [`inference`](Self::inference), keeping every attention map in `maps`.
    pub fn recording(maps: &'a mut AttentionMaps) -> Self {
        Self { recorder: Some(Recorder { maps, vectors: None }), ..Self::default() }
    }

    /// As [`recording`](Self::recording), keeping in `vectors` what the maps are made of.
    pub fn recording_vectors(maps: &'a mut AttentionMaps, vectors: &'a mut AttentionVectors) -> Self {
        Self { recorder: Some(Recorder { maps, vectors: Some(vectors) }), ..Self::default() }
    }

    /// Zeroes each element with probability `rate` and scales the rest by 1 / (1 − rate), in training only
    /// (paper, section 5.4). Each call is a site of its own.
    pub fn dropout<const D: usize>(&mut self, x: Tensor<D>, rate: f64) -> Tensor<D> {
        match self.drawn(rate) {
            Some(drawn) => kernels::dropout::dropout(x, drawn),
            None => x,
        }
    }

    /// The dropout of one more site, for an operation that includes it; `None` where nothing is dropped.
    pub(crate) fn drawn(&mut self, rate: f64) -> Option<Dropout> {
        let rate = rate * self.dropout_share;
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
        attended: &KeysValues,
    ) {
        let Some(Recorder { maps, vectors }) = &mut self.recorder else { return };
        let layers = match kind {
            AttentionKind::Encoder => &mut maps.encoder,
            AttentionKind::Decoder => &mut maps.decoder,
            AttentionKind::Cross => &mut maps.cross,
        };
        layers.push(weights.clone());
        let Some(vectors) = vectors else { return };
        let layers = match kind {
            AttentionKind::Encoder => &mut vectors.encoder,
            AttentionKind::Decoder => &mut vectors.decoder,
            AttentionKind::Cross => &mut vectors.cross,
        };
        layers.push(HeadVectors { queries: queries.clone(), attended: attended.clone() });
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
        let drawn = |pass: Pass| { pass }.drawn(0.2);
        assert_eq!(drawn(Pass::training(1, 0, 0)).map(|drawn| drawn.rate), Some(0.2));
        let half = drawn(Pass::training(1, 0, 0).with_dropout_share(0.5)).expect("half is some");
        assert_eq!((half.rate, half.key), (0.1, drawn(Pass::training(1, 0, 0)).expect("all").key));
        assert!(drawn(Pass::training(1, 0, 0).with_dropout_share(0.0)).is_none());
        assert!(drawn(Pass::inference()).is_none());
    }

    #[test]
    fn a_mask_is_a_function_of_its_key() {
        assert_eq!(factors(3, 1000, 0.2), factors(3, 1000, 0.2));
        assert_ne!(factors(3, 1000, 0.2), factors(4, 1000, 0.2));
    }
}
