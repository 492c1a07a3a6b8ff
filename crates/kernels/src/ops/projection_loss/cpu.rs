//! The fused projection loss for the CPU.

use rayon::prelude::*;

use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::blocks::{add_to, column_sums};
use crate::matmul::{Accumulate, Matrix, MatrixMut, multiply_on_all_threads};
use crate::ops::projection_loss::fused::{
    Inputs, Projector, gradient_arrays, loss_sums, real_rows, scaled_by, token_ids,
};
use crate::projection_loss::{LabelSmoothing, LossSums, Projection, Targets};
use crate::simd::{WIDE, exp_and_sum, max, sum_pairs, vectorised};

pub fn projection_loss(projection: Projection, targets: Targets) -> LossSums {
    loss_sums(projection, ProjectionLoss { targets: token_ids(targets.ids), smoothing: targets.smoothing })
}

/// Rows per block of logits: enough for full speed of the matrix products, few enough for the cache.
const BLOCK: usize = 256;

#[derive(Debug)]
struct ProjectionLoss {
    targets: Vec<i32>,
    smoothing: LabelSmoothing,
}

/// Let p be the softmax of a row's logits, t its target, ε the smoothing and V the size of the vocabulary. The gradient of
/// the row is pᵥ − ε/V − (1 − ε)[v = t]. Only p needs a matrix product. The other terms are a sum of all rows and a single
/// row of the other factor.
impl autodiff::Operation for ProjectionLoss {
    /// Returns both sums, `[2]`. The gradients are computed here, while the logits are in cache.
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let inputs = Inputs::new(inputs);
        let [rows, width, vocabulary] = inputs.sizes();
        let (projector, Inputs { hidden, matrix, bias }) = (Projector::new(&inputs, tracked), &inputs);
        let real = real_rows(&self.targets, self.smoothing.pad_id);
        let targets: Vec<usize> = real.iter().map(|&row| self.targets[row] as usize).collect();
        let mut states: Vec<f32> = Vec::with_capacity(real.len() * width); // of the real rows alone
        real.iter().for_each(|&row| states.extend_from_slice(&hidden.values()[row * width..][..width]));

        let (spread, rest) = (self.smoothing.epsilon as f32 / vocabulary as f32, 1.0 - self.smoothing.epsilon as f32);
        let matrix_sum = column_sums(matrix.values(), width);
        let bias_sum: f32 = bias.iter().flat_map(|bias| bias.values()).sum();
        let matrix_row = |target: usize| &matrix.values()[target * width..][..width];

        let mut d_hidden = vec![0.0; if tracked { rows * width } else { 0 }];
        let mut d_matrix = match tracked {
            true => self.one_row_terms(&states, &targets, [vocabulary, width]),
            false => vec![],
        };
        let mut d_bias = vec![0.0; if tracked && bias.is_some() { vocabulary } else { 0 }];
        let (mut logits, mut d_states) = (Vec::new(), Vec::new()); // of one block
        let (mut smoothed, mut nll) = (0.0f64, 0.0f64);
        let blocks = real.chunks(BLOCK).zip(targets.chunks(BLOCK)).zip(states.chunks_mut((BLOCK * width).max(1)));
        for ((real, targets), states) in blocks {
            let n = real.len();
            projector.logits(Matrix::new(states, n, width), &mut logits);

            let rows = logits.par_chunks_exact_mut(vocabulary).zip(states.par_chunks_exact(width)).zip(targets);
            let found: Vec<Row> = rows
                .map(|((logits, state), &target)| {
                    let at_target = logits[target];
                    let (peak, total, dot) = vectorised!({
                        let peak = max::<WIDE>(logits);
                        (peak, exp_and_sum::<WIDE>(logits, peak), sum_pairs::<WIDE>(state, &matrix_sum, |x, y| x * y))
                    });
                    let (normaliser, average) = (peak + total.ln(), (dot + bias_sum) / vocabulary as f32);
                    let epsilon = self.smoothing.epsilon as f32;
                    Row {
                        share: 1.0 / total,
                        smoothed: normaliser - rest * at_target - epsilon * average,
                        nll: normaliser - at_target,
                    }
                })
                .collect();
            for row in &found {
                (smoothed, nll) = (smoothed + f64::from(row.smoothed), nll + f64::from(row.nll));
            }
            if !tracked {
                continue;
            }
            let powers = Matrix::new(&logits, n, vocabulary);
            projector.gradients(powers, &mut d_states);
            for (i, (d_state, state)) in d_states.chunks_exact(width).zip(states.chunks_exact_mut(width)).enumerate() {
                let (share, row) = (found[i].share, matrix_row(targets[i]));
                let d_hidden = &mut d_hidden[real[i] * width..][..width];
                vectorised!({
                    for j in 0..width {
                        d_hidden[j] = d_state[j] * share - matrix_sum[j] * spread - row[j] * rest;
                        state[j] *= share;
                    }
                });
            }
            let scaled = Matrix::new(states, n, width);
            let target = MatrixMut::new(&mut d_matrix, vocabulary, width);
            multiply_on_all_threads(target, Accumulate::Add, 1.0, powers.transposed(), scaled);
            if bias.is_some() {
                for ((logits, row), &target) in logits.chunks_exact(vocabulary).zip(&found).zip(targets) {
                    d_bias.iter_mut().zip(logits).for_each(|(total, power)| *total += power * row.share - spread);
                    d_bias[target] -= rest;
                }
            }
        }
        let kept = match tracked {
            true => gradient_arrays(d_hidden, d_matrix, bias.as_ref().map(|_| d_bias), width),
            false => vec![],
        };
        (Array::new(vec![smoothed as f32, nll as f32], [2]), kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        scaled_by(gradient, kept)
    }
}

/// The results of one row.
struct Row {
    /// 1 / Σ exp(logit − peak)
    share: f32,
    smoothed: f32,
    nll: f32,
}

impl ProjectionLoss {
    /// The terms −ε/V and −(1 − ε)[v = t] of the matrix's gradient.
    fn one_row_terms(&self, states: &[f32], targets: &[usize], [vocabulary, width]: [usize; 2]) -> Vec<f32> {
        let epsilon = self.smoothing.epsilon as f32;
        let mut everywhere = column_sums(states, width);
        everywhere.iter_mut().for_each(|x| *x *= -epsilon / vocabulary as f32);
        let mut terms = everywhere.repeat(vocabulary);
        vectorised!({
            for (state, target) in states.chunks_exact(width).zip(targets) {
                add_to(&mut terms[target * width..][..width], state, epsilon - 1.0);
            }
        });
        terms
    }
}
