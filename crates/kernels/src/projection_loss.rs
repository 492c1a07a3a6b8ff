//! Output projection and label-smoothed cross-entropy (paper, sections 3.4 and 5.4) in one operation.
//!
//! **Why fused:** the logits are by far the largest tensor of a training step (rows times vocabulary), and a composed loss
//! writes and reads it a dozen times. Here they exist for a block of rows at a time, and the gradients of both factors are
//! taken while the block is there. Rows of padding are never multiplied at all.

use burn::tensor::{Int, Tensor, module};

/// What is asked of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// Share ε of the target distribution that is spread evenly over the whole vocabulary.
    pub epsilon: f64,
    /// Rows with this target count nothing.
    pub pad_id: usize,
}

/// Sums over the real rows, each `[1]`.
#[derive(Clone, Debug)]
pub struct LossSums {
    /// Label-smoothed cross-entropy in nats; differentiable.
    pub smoothed: Tensor<1>,
    /// Negative log-likelihood in nats, without smoothing; not differentiable.
    pub nll: Tensor<1>,
}

/// The loss of `hidden · matrixᵀ + bias` against `targets`: `[rows, d_model]`, `[vocabulary, d_model]`, `[vocabulary]`
/// and `[rows]`.
pub fn projection_loss(
    hidden: Tensor<2>,
    matrix: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
    smoothing: Smoothing,
) -> LossSums {
    #[cfg(feature = "flex")]
    if fused::applies(&hidden) {
        let targets = targets.into_data().iter::<i32>().collect();
        let loss = ProjectionLoss { targets, smoothing };
        let sums: Tensor<1> = match bias {
            Some(bias) => fused::three(hidden, matrix, bias, loss),
            None => fused::two(hidden, matrix, loss),
        };
        return LossSums { smoothed: sums.clone().slice([0..1]), nll: sums.without_autodiff().slice([1..2]) };
    }
    portable(hidden, matrix, bias, targets, smoothing)
}

/// The definition.
pub fn portable(
    hidden: Tensor<2>,
    matrix: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
    smoothing: Smoothing,
) -> LossSums {
    cross_entropy(module::linear(hidden, matrix.transpose(), bias), targets, smoothing)
}

/// Cross-entropy of `logits` (`[rows, vocabulary]`) against `targets` (`[rows]`), where the target distribution gives
/// 1 − ε to the target and spreads ε evenly over the whole vocabulary.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>, smoothing: Smoothing) -> LossSums {
    let Smoothing { epsilon, pad_id } = smoothing;
    let targets: Tensor<2, Int> = targets.unsqueeze_dim(1);
    let real = targets.clone().not_equal_scalar(pad_id as i64).float();
    let at_target = logits.clone().gather(1, targets);
    let average = logits.clone().mean_dim(1);
    let normaliser = log_sum_exp(logits);
    let smoothed = normaliser.clone() - at_target.clone().mul_scalar(1.0 - epsilon) - average.mul_scalar(epsilon);
    let nll = normaliser.without_autodiff() - at_target.without_autodiff();
    LossSums { smoothed: (smoothed * real.clone()).sum(), nll: (nll * real).sum() }
}

/// log Σ exp of each row, `[rows, 1]`.
fn log_sum_exp(logits: Tensor<2>) -> Tensor<2> {
    let peak = logits.clone().without_autodiff().max_dim(1);
    (logits - peak.clone()).exp().sum_dim(1).log() + peak
}

#[cfg(feature = "flex")]
use {
    crate::array::Array,
    crate::fused::{self, Kept},
    crate::matrix::{Before, Matrix, Target, multiply_on_all_threads},
    crate::vector::{exp_and_sum, max, sum, vectorised},
    rayon::prelude::*,
};

/// Rows whose logits exist at a time: enough for the matrix products to run at full speed, few enough for the cache.
#[cfg(feature = "flex")]
const BLOCK: usize = 256;

#[cfg(feature = "flex")]
#[derive(Debug)]
struct ProjectionLoss {
    targets: Vec<i32>,
    smoothing: Smoothing,
}

#[cfg(feature = "flex")]
impl fused::Operation for ProjectionLoss {
    /// Both sums, `[2]`; the gradients are taken right here, while the logits are there.
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let mut inputs = inputs.into_iter().map(Array::row_major);
        let (Some(hidden), Some(matrix), bias) = (inputs.next(), inputs.next(), inputs.next()) else {
            unreachable!("a projection has an input and a matrix")
        };
        let ([rows, width], [vocabulary, _]) = (hidden.dims(), matrix.dims());
        let real: Vec<usize> = (0..rows).filter(|&row| self.targets[row] as usize != self.smoothing.pad_id).collect();
        let project = Matrix::new(matrix.values(), vocabulary, width);

        let gradients = |len: usize| vec![0.0f32; if tracked { len } else { 0 }];
        let (mut d_hidden, mut d_matrix) = (gradients(rows * width), gradients(vocabulary * width));
        let mut d_bias = gradients(if bias.is_some() { vocabulary } else { 0 });
        let block = BLOCK.min(real.len());
        let mut states = vec![0.0; block * width];
        let mut logits = vec![0.0; block * vocabulary];
        let mut d_states = gradients(block * width);
        let mut sums = (0.0f64, 0.0f64);
        for real in real.chunks(BLOCK) {
            let block = real.len();
            let (states, logits) = (&mut states[..block * width], &mut logits[..block * vocabulary]);
            for (state, &row) in states.chunks_exact_mut(width).zip(real) {
                state.copy_from_slice(&hidden.values()[row * width..][..width]);
            }
            let before = match &bias {
                Some(bias) => {
                    logits.chunks_exact_mut(vocabulary).for_each(|row| row.copy_from_slice(bias.values()));
                    Before::Kept
                }
                None => Before::Forgotten,
            };
            let input = Matrix::new(states, block, width);
            multiply_on_all_threads(Target::new(logits, block, vocabulary), before, 1.0, input, project.transposed());
            let losses: Vec<(f32, f32)> = logits
                .par_chunks_exact_mut(vocabulary)
                .zip(real)
                .map(|(logits, &row)| {
                    let target = self.targets[row] as usize;
                    vectorised(|| row_loss(logits, target, self.smoothing.epsilon as f32))
                })
                .collect();
            for (smoothed, nll) in losses {
                sums = (sums.0 + f64::from(smoothed), sums.1 + f64::from(nll));
            }
            if !tracked {
                continue;
            }
            let d_logits = Matrix::new(logits, block, vocabulary);
            let d_states = &mut d_states[..block * width];
            let target = Target::new(d_states, block, width);
            multiply_on_all_threads(target, Before::Forgotten, 1.0, d_logits, project);
            for (d_state, &row) in d_states.chunks_exact(width).zip(real) {
                d_hidden[row * width..][..width].copy_from_slice(d_state);
            }
            let target = Target::new(&mut d_matrix, vocabulary, width);
            multiply_on_all_threads(target, Before::Kept, 1.0, d_logits.transposed(), input);
            if bias.is_some() {
                for d_logits in logits.chunks_exact(vocabulary) {
                    d_bias.iter_mut().zip(d_logits).for_each(|(total, d)| *total += d);
                }
            }
        }
        let kept = match tracked {
            true => {
                let mut kept = vec![Array::new(d_hidden, [rows, width]), Array::new(d_matrix, [vocabulary, width])];
                kept.extend(bias.map(|_| Array::new(d_bias, [vocabulary])));
                kept
            }
            false => vec![],
        };
        (Array::new(vec![sums.0 as f32, sums.1 as f32], [2]), kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        let factor = gradient.row_major().values()[0];
        let scaled = |mut array: Array| {
            array.values_mut().par_chunks_mut(1 << 15).for_each(|values| {
                vectorised(|| values.iter_mut().for_each(|x| *x *= factor));
            });
            Some(array)
        };
        kept.into_iter().map(scaled).collect()
    }
}

/// The smoothed loss and the negative log-likelihood of a row of logits, which become the gradient of the former.
#[cfg(feature = "flex")]
#[inline(always)]
fn row_loss(logits: &mut [f32], target: usize, epsilon: f32) -> (f32, f32) {
    let vocabulary = logits.len() as f32;
    let peak = max(logits);
    let average = sum(logits, |x| x - peak) / vocabulary + peak;
    let at_target = logits[target];
    let total = exp_and_sum(logits, peak);
    let normaliser = total.ln() + peak;
    let (scale, spread) = (1.0 / total, epsilon / vocabulary);
    logits.iter_mut().for_each(|x| *x = *x * scale - spread);
    logits[target] -= 1.0 - epsilon;
    (normaliser - (1.0 - epsilon) * at_target - epsilon * average, normaliser - at_target)
}
