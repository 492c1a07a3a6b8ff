//! Output projection and label-smoothed cross-entropy (paper, sections 3.4 and 5.4) in one operation.
//!
//! **Why fused:** the logits are by far the largest tensor of a training step (rows times vocabulary), and a composed loss
//! writes and reads it a dozen times. Here they exist for a block of rows at a time, and the gradients of both factors are
//! taken while the block is there. Rows of padding are never multiplied at all.

use burn::tensor::{Int, Tensor, module};

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "flex")]
pub(crate) mod cpu;

/// What is asked of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSmoothing {
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
    smoothing: LabelSmoothing,
) -> LossSums {
    #[cfg(feature = "flex")]
    if autodiff::applies(&hidden) {
        return cpu::projection_loss(hidden, matrix, bias, targets, smoothing);
    }
    portable(hidden, matrix, bias, targets, smoothing)
}

/// The definition.
pub fn portable(
    hidden: Tensor<2>,
    matrix: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
    smoothing: LabelSmoothing,
) -> LossSums {
    cross_entropy(module::linear(hidden, matrix.transpose(), bias), targets, smoothing)
}

/// Cross-entropy of `logits` (`[rows, vocabulary]`) against `targets` (`[rows]`), where the target distribution gives
/// 1 − ε to the target and spreads ε evenly over the whole vocabulary.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>, smoothing: LabelSmoothing) -> LossSums {
    let LabelSmoothing { epsilon, pad_id } = smoothing;
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
