//! Multi-head attention of one position over cached keys and values.

use std::sync::Arc;

use super::packed::LANE;
use crate::simd::{NARROW, exp_and_sum, max, vectorised};

/// Positions per block: one in each lane of a register.
const BLOCK: usize = LANE;

/// The scores of one query: its heads, the factor of q·kᵀ, and a bias.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// Heads that share the query equally.
    pub n_heads: usize,
    /// The factor of q·kᵀ: 1/√d_k in equation 1.
    pub scale: f32,
    /// A bias by distance, and the position of the query among the keys.
    pub bias: Option<(&'a DistanceBias, usize)>,
}

/// A term of each score by head and distance, constant beyond a maximum distance.
#[derive(Clone, Debug)]
pub struct DistanceBias {
    /// `[n_heads, 2 · reach + 1]`, from distance −reach (an earlier key) to +reach.
    values: Vec<f32>,
    reach: usize,
}

impl DistanceBias {
    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.values[..])
    }

    /// A bias from values `[n_heads, 2 · reach + 1]`, by distance from −reach (an earlier key) to +reach.
    ///
    /// # Panics
    /// Another number of values.
    pub fn new(values: Vec<f32>, n_heads: usize, reach: usize) -> Self {
        assert_eq!(values.len(), n_heads * (2 * reach + 1), "a value per head and distance");
        Self { values, reach }
    }

    /// Adds the terms of a query at `position` to its scores of keys 0, 1, ….
    #[inline(always)]
    fn add(&self, head: usize, position: usize, scores: &mut [f32]) {
        let Self { reach, ref values } = *self;
        let row = &values[head * (2 * reach + 1)..][..2 * reach + 1];
        let near = position.saturating_sub(reach).min(scores.len());
        let far = (position + reach + 1).min(scores.len()).max(near);
        scores[..near].iter_mut().for_each(|score| *score += row[0]);
        let within = &row[(near + reach).saturating_sub(position).min(row.len())..];
        scores[near..far].iter_mut().zip(within).for_each(|(score, bias)| *score += bias);
        scores[far..].iter_mut().for_each(|score| *score += row[2 * reach]);
    }
}

/// Keys and values of a growing sequence.
///
/// A block has 16 positions: first the keys, dimension by dimension, so that 16 scores are computed at once, then the values,
/// row by row. Clones share blocks and copy only the last one when they grow, so that the hypotheses of a beam hold their
/// common past once.
#[derive(Clone, Debug)]
pub struct AttentionCache {
    width: usize,
    len: usize,
    /// Each `[width, 16]` keys and `[16, width]` values. They are vectors because an `Arc` of a slice would be a copy of one.
    blocks: Vec<Arc<Vec<f32>>>,
}

impl AttentionCache {
    /// An empty cache for keys and values of `width` numbers (all heads together).
    pub fn new(width: usize) -> Self {
        Self { width, len: 0, blocks: Vec::new() }
    }

    /// Number of cached positions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no position is cached.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes all positions and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends one position.
    ///
    /// # Panics
    /// A key or value that is not `[width]`.
    pub fn push(&mut self, key: &[f32], value: &[f32]) {
        let width = self.width;
        assert!(key.len() == width && value.len() == width, "keys and values are {width} wide");
        let (block, at) = (self.len / BLOCK, self.len % BLOCK);
        if block == self.blocks.len() {
            self.blocks.push(Arc::new(vec![0.0; 2 * BLOCK * width]));
        }
        let (keys, values) = Arc::make_mut(&mut self.blocks[block]).split_at_mut(BLOCK * width);
        keys.chunks_exact_mut(BLOCK).zip(key).for_each(|(lane, &key)| lane[at] = key);
        values[at * width..][..width].copy_from_slice(value);
        self.len += 1;
    }

    /// softmax(scores) · v of every head (paper, equation 1): `query` and `context` have the width of the cache, head by
    /// head. `weights` is scratch space.
    ///
    /// # Panics
    /// A query or context of another width, heads that do not share it equally, or an empty cache.
    pub fn attend(&self, query: &[f32], scoring: Scoring, weights: &mut Vec<f32>, context: &mut [f32]) {
        self.attend_and_record(query, scoring, weights, context, None);
    }

    /// As [`attend`](Self::attend), and records the weights of every head, `[n_heads, len]`, each row summing to one.
    ///
    /// # Panics
    /// As [`attend`](Self::attend).
    pub fn attend_and_record(
        &self,
        query: &[f32],
        scoring: Scoring,
        weights: &mut Vec<f32>,
        context: &mut [f32],
        mut record: Option<&mut Vec<f32>>,
    ) {
        let Self { width, len, ref blocks } = *self;
        let Scoring { n_heads, scale, bias } = scoring;
        assert!(query.len() == width && context.len() == width, "queries and contexts are {width} wide");
        assert!(n_heads > 0 && width.is_multiple_of(n_heads), "{n_heads} heads share {width}");
        assert!(len > 0, "a position to look at");
        let blocks = &blocks[..len.div_ceil(BLOCK)];
        let head_size = width / n_heads;
        weights.resize(blocks.len() * BLOCK, 0.0);
        if let Some(record) = &mut record {
            record.clear();
            record.resize(n_heads * len, 0.0);
        }
        vectorised!({
            let heads = query.chunks_exact(head_size).zip(context.chunks_exact_mut(head_size));
            for (head, (query, context)) in heads.enumerate() {
                let from = head * head_size;
                for (scores, block) in weights.chunks_exact_mut(BLOCK).zip(blocks) {
                    let mut sums = [0f32; BLOCK];
                    let keys = block[from * BLOCK..(from + head_size) * BLOCK].chunks_exact(BLOCK);
                    for (&q, key) in query.iter().zip(keys) {
                        sums.iter_mut().zip(key).for_each(|(sum, k)| *sum += q * k);
                    }
                    scores.iter_mut().zip(sums).for_each(|(score, sum)| *score = scale * sum);
                }
                let weights = &mut weights[..len];
                if let Some((bias, position)) = bias {
                    bias.add(head, position, weights);
                }
                let peak = max::<NARROW>(weights);
                let total = exp_and_sum::<NARROW>(weights, peak);
                if let Some(record) = &mut record {
                    let record = &mut record[head * len..(head + 1) * len];
                    record.iter_mut().zip(&*weights).for_each(|(record, weight)| *record = weight / total);
                }
                let mut parts = context.chunks_exact_mut(LANE);
                let mut at = from;
                for part in &mut parts {
                    let mut sums = [0f32; LANE];
                    for (weights, block) in weights.chunks(BLOCK).zip(blocks) {
                        let values = block[BLOCK * width..].chunks_exact(width);
                        for (&weight, row) in weights.iter().zip(values) {
                            sums.iter_mut().zip(&row[at..at + LANE]).for_each(|(sum, v)| *sum += weight * v);
                        }
                    }
                    part.iter_mut().zip(sums).for_each(|(c, sum)| *c = sum / total);
                    at += LANE;
                }
                for c in parts.into_remainder() {
                    let mut sum = 0.0;
                    for (weights, block) in weights.chunks(BLOCK).zip(blocks) {
                        let values = block[BLOCK * width..].chunks_exact(width);
                        weights.iter().zip(values).for_each(|(&weight, row)| sum += weight * row[at]);
                    }
                    *c = sum / total;
                    at += 1;
                }
            }
        });
    }

    /// The keys, one `[width]` per position.
    pub fn keys(&self) -> Vec<Vec<f32>> {
        let key = |at: usize| {
            let lanes = self.blocks[at / BLOCK][..BLOCK * self.width].chunks_exact(BLOCK);
            lanes.map(|lane| lane[at % BLOCK]).collect()
        };
        (0..self.len).map(key).collect()
    }

    /// The values, one `[width]` per position.
    pub fn values(&self) -> Vec<Vec<f32>> {
        let value = |at: usize| {
            let first = (BLOCK + at % BLOCK) * self.width;
            self.blocks[at / BLOCK][first..first + self.width].to_vec()
        };
        (0..self.len).map(value).collect()
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
    fn heads_weigh_by_their_own_scores() {
        let number = |i: usize| ((i * 37) % 41) as f32 / 20.0 - 1.0;
        for (d_model, n_heads, len) in [(64, 2, 1), (64, 2, 16), (64, 4, 40), (36, 3, 21), (8, 4, 33), (20, 1, 17)] {
            let row = |seed: usize| (0..d_model).map(|i| number(seed * 101 + i)).collect::<Vec<f32>>();
            let keys: Vec<Vec<f32>> = (0..len).map(row).collect();
            let values: Vec<Vec<f32>> = (len..2 * len).map(row).collect();
            let mut cache = AttentionCache::new(d_model);
            // Earlier contents and changes of a copy leave no trace.
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
            let mut record = Vec::new();
            let scoring = Scoring { n_heads, scale: 1.0 / ((d_model / n_heads) as f32).sqrt(), bias: None };
            cache.attend_and_record(&query, scoring, &mut Vec::new(), &mut context, Some(&mut record));
            assert_eq!((cache.keys(), cache.values()), (keys.clone(), values.clone()));
            let sums = record.chunks_exact(len).map(|weights| weights.iter().sum::<f32>());
            assert_eq!(sums.filter(|sum| (sum - 1.0).abs() < 1e-5).count(), n_heads, "a row of weights per head");
            for (found, expected) in context.iter().zip(plainly(&query, &keys, &values, n_heads)) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn a_bias_moves_the_weights_by_distance() {
        let (len, reach) = (40, 3);
        let bias = DistanceBias::new((0..2 * (2 * reach + 1)).map(|i| i as f32 * 0.3).collect(), 2, reach);
        let mut cache = AttentionCache::new(4);
        (0..len).for_each(|_| cache.push(&[0.0; 4], &[1.0; 4])); // every score is its bias
        for position in [0, 1, 20, 38, 39, 60] {
            let scoring = Scoring { n_heads: 2, scale: 1.0, bias: Some((&bias, position)) };
            let mut record = Vec::new();
            cache.attend_and_record(&[0.0; 4], scoring, &mut Vec::new(), &mut [0.0; 4], Some(&mut record));
            for (head, weights) in record.chunks_exact(len).enumerate() {
                let score = |key: usize| {
                    let distance = (key as isize - position as isize).clamp(-(reach as isize), reach as isize);
                    0.3 * (head as f64 * 7.0 + distance as f64 + 3.0)
                };
                let total: f64 = (0..len).map(|key| score(key).exp()).sum();
                for (key, weight) in weights.iter().enumerate() {
                    assert!((f64::from(*weight) - score(key).exp() / total).abs() < 1e-5, "{position}, {head}, {key}");
                }
            }
        }
    }
}
