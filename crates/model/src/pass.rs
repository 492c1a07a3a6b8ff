//! What one pass through the network carries besides tensors: the source of its dropout, and a recorder of attention.

use burn::tensor::{Tensor, TensorData};

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

/// One pass through the network.
///
/// Layers take it by mutable reference and are otherwise pure functions of their inputs, so nothing is hidden in them.
#[derive(Debug, Default)]
pub struct Pass<'a> {
    dropout_key: Option<u64>,
    sites: u64,
    recorder: Option<&'a mut AttentionMaps>,
}

impl<'a> Pass<'a> {
    /// No dropout, nothing recorded.
    pub fn inference() -> Self {
        Self::default()
    }

    /// Dropout drawn by (seed, step, part of the update), the place in the network and the element.
    pub fn training(seed: u64, step: u64, part: u64) -> Self {
        Self { dropout_key: Some(random::key(&[seed, DROPOUT, step, part])), ..Self::default() }
    }

    /// As [`inference`](Self::inference), keeping every attention map in `maps`.
    pub fn recording(maps: &'a mut AttentionMaps) -> Self {
        Self { recorder: Some(maps), ..Self::default() }
    }

    /// Zeroes each element with probability `rate` and scales the rest by 1 / (1 − rate), in training only
    /// (paper, section 5.4). Each call is a site of its own.
    pub fn dropout<const D: usize>(&mut self, x: Tensor<D>, rate: f64) -> Tensor<D> {
        let Some(pass_key) = self.dropout_key else { return x };
        if rate == 0.0 {
            return x;
        }
        self.sites += 1;
        let shape = x.dims();
        let mask = keep_mask(random::key(&[pass_key, self.sites]), shape.iter().product(), rate);
        let plain = x.device().without_autodiff();
        x * Tensor::from_data(TensorData::new(mask, shape), &plain)
    }

    pub(crate) fn record(&mut self, kind: AttentionKind, weights: &Tensor<4>) {
        if let Some(maps) = &mut self.recorder {
            match kind {
                AttentionKind::Encoder => maps.encoder.push(weights.clone()),
                AttentionKind::Decoder => maps.decoder.push(weights.clone()),
                AttentionKind::Cross => maps.cross.push(weights.clone()),
            }
        }
    }
}

/// Keeps the keys of dropout apart from those of weights and data under the same seed.
const DROPOUT: u64 = 0xD50;

/// `len` factors, each 0 with probability `rate` and 1 / (1 − rate) otherwise: a function of `key` and the index.
fn keep_mask(key: u64, len: usize, rate: f64) -> Vec<f32> {
    let (low, high) = (key as u32, (key >> 32) as u32);
    let threshold = (rate * (1u64 << 32) as f64) as u32;
    let scale = (1.0 / (1.0 - rate)) as f32;
    let factor = |i: usize| if hash(hash(i as u32 ^ low).wrapping_add(high)) >= threshold { scale } else { 0.0 };
    (0..len).map(factor).collect()
}

/// A 32-bit mixer (Wellons 2018): a bijection without visible bias, of operations that vectorise.
fn hash(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x21F0_AAAD);
    x ^= x >> 15;
    x = x.wrapping_mul(0x735A_2D97);
    x ^ (x >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(mask: &[f32]) -> Vec<bool> {
        mask.iter().map(|&factor| factor != 0.0).collect()
    }

    #[test]
    fn the_keep_rate_is_as_asked_and_the_mean_is_preserved() {
        for rate in [0.1, 0.3, 0.5] {
            let mask = keep_mask(random::key(&[5]), 1_000_000, rate);
            let mean = mask.iter().map(|&factor| f64::from(factor)).sum::<f64>() / mask.len() as f64;
            assert!((mean - 1.0).abs() < 0.004, "rate {rate}: mean {mean}");
            let share = kept(&mask).iter().filter(|&&k| k).count() as f64 / mask.len() as f64;
            assert!((share - (1.0 - rate)).abs() < 0.002, "rate {rate}: kept {share}");
        }
    }

    #[test]
    fn sites_and_neighbours_are_independent() {
        let n = 200_000;
        let a = kept(&keep_mask(random::key(&[9, 1]), n, 0.5));
        let b = kept(&keep_mask(random::key(&[9, 2]), n, 0.5));
        let agree = |pairs: usize| pairs as f64 / n as f64;
        let sites = agree(a.iter().zip(&b).filter(|(x, y)| x == y).count());
        assert!((sites - 0.5).abs() < 0.01, "two sites agree at {sites}");
        for lag in [1, 2, 8, 64, 128, 512] {
            let lagged = agree(a.iter().zip(&a[lag..]).filter(|(x, y)| x == y).count());
            assert!((lagged - 0.5).abs() < 0.01, "lag {lag} agrees at {lagged}");
        }
    }

    #[test]
    fn a_mask_is_a_function_of_its_key() {
        assert_eq!(keep_mask(3, 1000, 0.2), keep_mask(3, 1000, 0.2));
        assert_ne!(keep_mask(3, 1000, 0.2), keep_mask(4, 1000, 0.2));
    }
}
