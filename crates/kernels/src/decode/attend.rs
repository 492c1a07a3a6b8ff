//! One position's multi-head attention over what stands in a cache.

use std::sync::Arc;

use super::packed::LANE;
use crate::vector::{NARROW, exp_and_sum, max, vectorised};

/// Positions that stand together: one in each lane of a register.
const BLOCK: usize = LANE;
/// Values that are added up together.
const GROUP: usize = 4;

/// Keys and values of a sequence that may grow.
///
/// They stand in blocks of 16 positions: the keys one dimension after the other, so that the scores of 16 positions are
/// computed at once, then the values row after row. A copy shares the blocks; of those, only the last is copied indeed,
/// when one of both grows. So the hypotheses of a beam, which mostly have their past in common, hold it once.
#[derive(Clone, Debug)]
pub struct AttentionCache {
    d_model: usize,
    len: usize,
    /// Each `[d_model, 16]` keys and `[16, d_model]` values.
    blocks: Vec<Arc<[f32]>>,
}

impl AttentionCache {
    /// Nothing yet, for keys and values of this width (all heads together).
    pub fn new(d_model: usize) -> Self {
        Self { d_model, len: 0, blocks: Vec::new() }
    }

    /// Positions that it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything, but not the room for it.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// One position more.
    ///
    /// # Panics
    /// A key or value that is not `[d_model]`.
    pub fn push(&mut self, key: &[f32], value: &[f32]) {
        let d_model = self.d_model;
        assert!(key.len() == d_model && value.len() == d_model, "keys and values are {d_model} wide");
        let (block, at) = (self.len / BLOCK, self.len % BLOCK);
        if block == self.blocks.len() {
            self.blocks.push(Arc::from(vec![0.0; 2 * BLOCK * d_model]));
        }
        let (keys, values) = Arc::make_mut(&mut self.blocks[block]).split_at_mut(BLOCK * d_model);
        keys.chunks_exact_mut(BLOCK).zip(key).for_each(|(lane, &key)| lane[at] = key);
        values[at * d_model..][..d_model].copy_from_slice(value);
        self.len += 1;
    }

    /// softmax(q·kᵀ / √d_k) · v of every head (paper, equation 1): `query` and `context` are `[d_model]`, one head after
    /// the other. `weights` is room for one weight a head and position.
    ///
    /// The blocks are read from front to back, first all keys, then all values: they mostly come from memory, which is fast
    /// that way only.
    ///
    /// # Panics
    /// A query or context that is not `[d_model]`.
    pub fn attend(&self, query: &[f32], n_heads: usize, weights: &mut Vec<f32>, context: &mut [f32]) {
        let Self { d_model, len, ref blocks } = *self;
        assert!(query.len() == d_model && context.len() == d_model, "queries and contexts are {d_model} wide");
        let blocks = &blocks[..len.div_ceil(BLOCK)];
        let head_size = d_model / n_heads;
        let scale = 1.0 / (head_size as f32).sqrt();
        let room = blocks.len() * BLOCK; // weights of a head
        weights.resize(n_heads * (room + 1), 0.0);
        let (weights, totals) = weights.split_at_mut(n_heads * room);
        vectorised!({
            for (block, first) in blocks.iter().zip((0..).step_by(BLOCK)) {
                let heads = query.chunks_exact(head_size).zip(block.chunks_exact(head_size * BLOCK));
                for ((query, keys), weights) in heads.zip(weights.chunks_exact_mut(room)) {
                    let mut sums = [0f32; BLOCK];
                    for (&q, key) in query.iter().zip(keys.chunks_exact(BLOCK)) {
                        sums.iter_mut().zip(key).for_each(|(sum, k)| *sum += q * k);
                    }
                    weights[first..first + BLOCK].iter_mut().zip(sums).for_each(|(score, sum)| *score = scale * sum);
                }
            }
            for (weights, total) in weights.chunks_exact_mut(room).zip(totals.iter_mut()) {
                let weights = &mut weights[..len];
                *total = exp_and_sum::<NARROW>(weights, max::<NARROW>(weights));
            }
            context.fill(0.0);
            for (block, first) in blocks.iter().zip((0..len).step_by(BLOCK)) {
                let values = &block[BLOCK * d_model..][..d_model * BLOCK.min(len - first)];
                for (values, first) in values.chunks(GROUP * d_model).zip((first..).step_by(GROUP)) {
                    let heads = context.chunks_exact_mut(head_size).zip(weights.chunks_exact(room));
                    for ((context, weights), head) in heads.zip((0..).step_by(head_size)) {
                        let value = |at: usize| &values[at * d_model + head..][..head_size];
                        if values.len() == GROUP * d_model {
                            let (a, b, c, d) = (value(0), value(1), value(2), value(3));
                            let weights = &weights[first..first + GROUP];
                            for (i, x) in context.iter_mut().enumerate() {
                                // One after the other, as the single ones below.
                                *x = *x + weights[0] * a[i] + weights[1] * b[i] + weights[2] * c[i] + weights[3] * d[i];
                            }
                        } else {
                            for (at, &weight) in weights[first..len].iter().enumerate() {
                                context.iter_mut().zip(value(at)).for_each(|(x, v)| *x += weight * v);
                            }
                        }
                    }
                }
            }
            for (context, &total) in context.chunks_exact_mut(head_size).zip(totals.iter()) {
                context.iter_mut().for_each(|x| *x /= total);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attention as equation 1 has it, in float64.
    fn plainly(query: &[f32], keys: &[Vec<f32>], values: &[Vec<f32>], n_heads: usize) -> Vec<f64> {
        let head_size = query.len() / n_heads;
        let head = |at: usize| {
            let from = at / head_size * head_size;
            let dot = |key: &Vec<f32>| -> f64 {
                (from..from + head_size).map(|i| f64::from(query[i]) * f64::from(key[i])).sum()
            };
            let exps: Vec<f64> = keys.iter().map(|key| (dot(key) / (head_size as f64).sqrt()).exp()).collect();
            let sum: f64 = exps.iter().zip(values).map(|(exp, value)| exp * f64::from(value[at])).sum();
            sum / exps.iter().sum::<f64>()
        };
        (0..query.len()).map(head).collect()
    }

    #[test]
    fn every_head_weighs_by_its_own_scores() {
        let number = |i: usize| ((i * 37) % 41) as f32 / 20.0 - 1.0;
        for (d_model, n_heads, len) in [(64, 2, 1), (64, 2, 16), (64, 4, 40), (36, 3, 21), (8, 4, 33), (20, 1, 17)] {
            let row = |seed: usize| (0..d_model).map(|i| number(seed * 101 + i)).collect::<Vec<f32>>();
            let keys: Vec<Vec<f32>> = (0..len).map(row).collect();
            let values: Vec<Vec<f32>> = (len..2 * len).map(row).collect();
            let mut cache = AttentionCache::new(d_model);
            // What was there before leaves no trace, nor does what becomes of a copy.
            (0..3).for_each(|seed| cache.push(&row(seed), &row(seed)));
            cache.clear();
            for (key, value) in keys.iter().zip(&values) {
                let mut copy = cache.clone();
                copy.push(value, key);
                cache.push(key, value);
                copy.push(key, key);
            }
            assert_eq!((cache.len(), cache.is_empty()), (len, false));
            let (query, mut context) = (row(999), vec![f32::NAN; d_model]);
            cache.attend(&query, n_heads, &mut Vec::new(), &mut context);
            for (found, expected) in context.iter().zip(plainly(&query, &keys, &values, n_heads)) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{found}, not {expected}");
            }
        }
    }
}
