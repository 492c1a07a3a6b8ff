//! Fused attention for the CPU.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::Scoring;
use super::layout::{Bias, Heads, readable};
use super::visible_keys::VisibleKeys;
use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::blocks::{add_to, added_in_order};
use crate::dropout::Dropout;
use crate::matmul::{Accumulate, Factor, Finish, Matrix, MatrixMut, multiply, product};
use crate::simd::{NARROW, exp, exp_and_sum, max, sum_pairs, vectorised};

/// Queries per block of scores.
const BLOCK: usize = 64;

/// Length of a row of scores: the keys, rounded up to whole registers of [`NARROW`] lanes; lanes beyond the
/// keys are hidden. Columns of rows a multiple of 1 KiB apart would evict each other from the first-level cache.
fn padded(keys: usize) -> usize {
    match keys.next_multiple_of(NARROW) {
        length if length > 0 && length.is_multiple_of(16 * NARROW) => length + NARROW,
        length => length,
    }
}

pub fn attention(
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    scoring: Scoring,
    visible: VisibleKeys,
    dropout: Option<Dropout>,
) -> Tensor<4> {
    let operation = Attention { divisor: scoring.divisor as f32, visible, dropout };
    match scoring.bias {
        Some(bias) => {
            let ([_, heads, query_len, _], [_, _, key_len, _]) = (queries.dims(), keys.dims());
            assert_eq!(bias.dims(), [heads, (query_len + key_len).saturating_sub(1)], "a bias by head and distance");
            autodiff::four(queries, keys, values, bias, operation)
        }
        None => autodiff::three(queries, keys, values, operation),
    }
}

#[derive(Debug)]
struct Attention {
    divisor: f32,
    visible: VisibleKeys,
    dropout: Option<Dropout>,
}

/// A block of queries of one head.
#[derive(Clone, Copy)]
struct Place {
    batch: usize,
    head: usize,
    first: usize,
}

impl Attention {
    /// Writes the scores of one head's queries, from query `first` on, over the first `n` of the keys, `[head_size, key]`:
    /// rows of `padded` length, −∞ at hidden keys.
    fn scores(&self, scores: &mut [f32], place: Place, queries: Matrix, keys: &Factor, n: usize, bias: Option<Bias>) {
        let Place { batch, head, first } = place;
        let length = padded(n);
        let target = MatrixMut::strided(scores, queries.rows, n, length);
        product(target, Finish::new(Accumulate::Overwrite, 1.0 / self.divisor), queries, &keys.first_columns(n), 1);
        if let Some(bias) = bias {
            vectorised!({
                for (i, scores) in scores.chunks_exact_mut(length).enumerate() {
                    add_to(&mut scores[..n], &bias.values[bias.start(head, first + i)..][..n], 1.0);
                }
            });
        }
        for (i, scores) in scores.chunks_exact_mut(length).enumerate() {
            scores[self.visible.count(batch, first + i)..].fill(f32::NEG_INFINITY);
        }
    }

    /// The number of keys visible to any of the queries `first..first + rows`.
    fn visible_keys(&self, batch: usize, first: usize, rows: usize) -> usize {
        (first..first + rows).map(|query| self.visible.count(batch, query)).max().unwrap_or(0)
    }
}

impl autodiff::Operation for Attention {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let mut inputs = inputs.into_iter();
        let (Some(queries), Some(keys), Some(values)) = (inputs.next(), inputs.next(), inputs.next()) else {
            unreachable!("attention has queries, keys and values")
        };
        let [queries, keys, values] = [queries, keys, values].map(readable);
        let bias = inputs.next().map(Array::row_major);
        let [batch, heads, query_len, head_size] = queries.dims();
        let [_, _, key_len, _] = keys.dims();
        let mut context = vec![0.0; batch * query_len * heads * head_size]; // [batch, query, head, head_size]
        let mut normalisers = vec![0.0; batch * heads * query_len]; // log Σ exp of each query's scores
        {
            let (q, k, v) = (Heads::of(&queries), Heads::of(&keys), Heads::of(&values));
            let bias = bias.as_ref().map(|bias| Bias::of(bias, query_len));
            let width = heads * head_size;
            let sentences = context.par_chunks_mut((query_len * width).max(1)).enumerate();
            sentences.zip(normalisers.par_chunks_mut((heads * query_len).max(1))).for_each(
                |((b, context), normalisers)| {
                    let mut weights = vec![0.0; BLOCK.min(query_len) * padded(key_len)];
                    for head in 0..heads {
                        let keys = transposed(k.rows(b, head, 0, key_len), query_len);
                        for first in (0..query_len).step_by(BLOCK) {
                            let rows = BLOCK.min(query_len - first);
                            let n = self.visible_keys(b, first, rows);
                            if n == 0 {
                                continue;
                            }
                            let length = padded(n);
                            let weights = &mut weights[..rows * length];
                            let normalisers = &mut normalisers[head * query_len + first..][..rows];
                            let place = Place { batch: b, head, first };
                            self.scores(weights, place, q.rows(b, head, first, rows), &keys, n, bias);
                            vectorised!({
                                for (scores, normaliser) in weights.chunks_exact_mut(length).zip(normalisers.iter_mut())
                                {
                                    *normaliser = softmax(scores);
                                }
                            });
                            self.drop(weights, (b * heads + head) * query_len + first, length, key_len);
                            let target = &mut context[first * width + head * head_size..];
                            let target = MatrixMut::strided(target, rows, head_size, width);
                            let weights = Matrix::strided(weights, rows, n, length);
                            multiply(target, Accumulate::Overwrite, 1.0, weights, v.rows(b, head, 0, n));
                        }
                    }
                },
            );
        }
        let context = Array::new(context, [batch, query_len, heads, head_size]).transposed(1, 2);
        let normalisers = Array::new(normalisers, [batch, heads, query_len]);
        let kept = match tracked {
            true => [queries, keys, values, normalisers].into_iter().chain(bias).collect(),
            false => vec![],
        };
        (context, kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        let gradient = readable(gradient);
        let [queries, keys, values, normalisers, bias @ ..] = &kept[..] else {
            unreachable!("kept by the forward pass")
        };
        let [batch, heads, query_len, head_size] = queries.dims();
        let [_, _, key_len, _] = keys.dims();
        let width = heads * head_size;
        let zeros = |len: usize| vec![0.0; batch * len * width]; // [batch, len, head, head_size]
        let (mut d_queries, mut d_keys, mut d_values) = (zeros(query_len), zeros(key_len), zeros(key_len));
        let (q, k, v, d) = (Heads::of(queries), Heads::of(keys), Heads::of(values), Heads::of(&gradient));
        let bias = bias.first().map(|bias| Bias::of(bias, query_len));
        let scale = 1.0 / self.divisor;

        let sentences = d_queries.par_chunks_mut((query_len * width).max(1)).enumerate();
        let of_keys = d_keys.par_chunks_mut((key_len * width).max(1));
        let of_values = d_values.par_chunks_mut((key_len * width).max(1));
        let each = sentences.zip(of_keys).zip(of_values).map(|(((b, d_queries), d_keys), d_values)| {
            let mut d_bias = vec![0.0; bias.map_or(0, |bias| bias.values.len())];
            let block = || vec![0.0; BLOCK.min(query_len) * padded(key_len)];
            let (mut weights, mut d_weights) = (block(), block());
            let mut dropped = if self.dropout.is_some() { block() } else { vec![] };
            for head in 0..heads {
                let keys = transposed(k.rows(b, head, 0, key_len), query_len);
                let values = transposed(v.rows(b, head, 0, key_len), query_len);
                for first in (0..query_len).step_by(BLOCK) {
                    let rows = BLOCK.min(query_len - first);
                    let n = self.visible_keys(b, first, rows);
                    if n == 0 {
                        continue;
                    }
                    let length = padded(n);
                    let (weights, d_weights) = (&mut weights[..rows * length], &mut d_weights[..rows * length]);
                    let normalisers = &normalisers.values()[(b * heads + head) * query_len + first..];
                    let (q, k) = (q.rows(b, head, first, rows), k.rows(b, head, 0, n));
                    let d = d.rows(b, head, first, rows);
                    self.scores(weights, Place { batch: b, head, first }, q, &keys, n, bias);
                    vectorised!({
                        for (scores, normaliser) in weights.chunks_exact_mut(length).zip(normalisers) {
                            scores.iter_mut().for_each(|x| *x = exp(*x - normaliser));
                        }
                    });
                    let dropped = match self.dropout {
                        Some(_) => {
                            let dropped = &mut dropped[..rows * length];
                            dropped.copy_from_slice(weights);
                            self.drop(dropped, (b * heads + head) * query_len + first, length, key_len);
                            &*dropped
                        }
                        None => &*weights,
                    };
                    let target = MatrixMut::strided(&mut d_values[head * head_size..], n, head_size, width);
                    multiply(target, Accumulate::Add, 1.0, Matrix::strided(dropped, rows, n, length).transposed(), d);
                    let target = MatrixMut::strided(d_weights, rows, n, length);
                    product(target, Finish::new(Accumulate::Overwrite, 1.0), d, &values.first_columns(n), 1);
                    vectorised!({
                        let both = weights.chunks_exact(length).zip(dropped.chunks_exact(length));
                        for (d_scores, (weights, dropped)) in d_weights.chunks_exact_mut(length).zip(both) {
                            d_scores[n..].fill(0.0);
                            let mean = sum_pairs::<NARROW>(dropped, d_scores, |w, d| w * d);
                            for ((d, w), dropped) in d_scores.iter_mut().zip(weights).zip(dropped) {
                                *d = (dropped * *d - w * mean) * scale;
                            }
                        }
                    });
                    if let Some(bias) = bias {
                        vectorised!({
                            for (i, d_scores) in d_weights.chunks_exact(length).enumerate() {
                                let start = bias.start(head, first + i);
                                add_to(&mut d_bias[start..start + n], &d_scores[..n], self.divisor);
                            }
                        });
                    }
                    let d_scores = Matrix::strided(d_weights, rows, n, length);
                    let target = &mut d_queries[first * width + head * head_size..];
                    multiply(
                        MatrixMut::strided(target, rows, head_size, width),
                        Accumulate::Overwrite,
                        1.0,
                        d_scores,
                        k,
                    );
                    let target = MatrixMut::strided(&mut d_keys[head * head_size..], n, head_size, width);
                    multiply(target, Accumulate::Add, 1.0, d_scores.transposed(), q);
                }
            }
            d_bias
        });
        let d_bias: Vec<Vec<f32>> = each.collect();
        let d_bias = bias.map(|bias| {
            let sum = added_in_order(d_bias, bias.values.len());
            Some(Array::new(sum, [heads, bias.width]))
        });
        let others = [(d_queries, query_len), (d_keys, key_len), (d_values, key_len)]
            .map(|(values, len)| Some(Array::new(values, [batch, len, heads, head_size]).transposed(1, 2)));
        others.into_iter().chain(d_bias).collect()
    }
}

impl Attention {
    /// Applies dropout to rows of weights, `length` apart, from row `first_row` of `[batch, head, query]` on.
    fn drop(&self, weights: &mut [f32], first_row: usize, length: usize, key_len: usize) {
        let Some(dropout) = self.dropout else { return };
        let drawn = dropout.prepare();
        vectorised!({
            for (i, row) in weights.chunks_exact_mut(length).enumerate() {
                drawn.apply_in_place(row, (first_row + i) * key_len);
            }
        });
    }
}

/// One head's keys or values, transposed, as a factor for the blocks of its queries: packed if there are several.
fn transposed(rows: Matrix, query_len: usize) -> Factor {
    if query_len > BLOCK { Factor::packed(rows.transposed()) } else { Factor::in_place(rows.transposed()) }
}

/// Replaces scores by weights and returns log Σ exp(score); zeros and +∞ where every key is hidden.
#[inline(always)]
fn softmax(scores: &mut [f32]) -> f32 {
    let peak = max::<NARROW>(scores);
    if peak == f32::NEG_INFINITY {
        scores.fill(0.0);
        return f32::INFINITY; // exp(score − ∞) is zero again in the backward pass
    }
    let total = exp_and_sum::<NARROW>(scores, peak);
    let share = 1.0 / total;
    scores.iter_mut().for_each(|x| *x *= share);
    peak + total.ln()
}
