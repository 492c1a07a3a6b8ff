//! The definition of the projection's loss.

use burn::tensor::{Int, Tensor};

use super::{LabelSmoothing, LossSums, Projection, Targets};

/// [`cross_entropy`] of all logits at once.
pub fn portable(projection: Projection, targets: Targets) -> LossSums {
    cross_entropy(projection.logits(), targets.ids, targets.smoothing)
}

/// Cross-entropy of `logits` (`[rows, vocabulary]`) against `targets` (`[rows]`), where the target distribution gives
/// 1 − ε to the target and spreads ε evenly over the vocabulary.
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
