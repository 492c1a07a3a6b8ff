//! The training objective (paper, section 5.4): cross-entropy with label smoothing, over real tokens only.

use burn::tensor::{Int, Tensor};

/// Sums over the real (non-padding) tokens of a batch.
///
/// Sums, not means: the parts of an update then add up to the whole, whatever their token counts.
#[derive(Clone, Debug)]
pub struct LossSums {
    /// Label-smoothed cross-entropy in nats, `[1]`; differentiable.
    pub smoothed: Tensor<1>,
    /// Negative log-likelihood in nats without smoothing, `[1]`; not differentiable. Report this one.
    pub nll: Tensor<1>,
}

/// Cross-entropy of `logits` (`[rows, vocabulary]`) against `targets` (`[rows]`), where the target distribution gives
/// 1 − ε to the target and spreads ε evenly over the whole vocabulary. Rows whose target is `pad_id` count nothing.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_floats([[0.0, 0.0], [5.0, 0.0]], &device);
/// let targets = Tensor::<1, Int>::from_ints([0, 1], &device); // the second row is padding
/// let sums = model::loss::label_smoothed_cross_entropy(logits, targets, 1, 0.1);
/// assert!((sums.nll.into_scalar::<f32>() - 2f32.ln()).abs() < 1e-6);
/// ```
pub fn label_smoothed_cross_entropy(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    pad_id: usize,
    smoothing: f64,
) -> LossSums {
    let targets: Tensor<2, Int> = targets.unsqueeze_dim(1);
    let real = targets.clone().not_equal_scalar(pad_id as i64).float();
    let at_target = logits.clone().gather(1, targets);
    let average = logits.clone().mean_dim(1);
    let normaliser = log_sum_exp(logits);
    let smoothed = normaliser.clone() - at_target.clone().mul_scalar(1.0 - smoothing) - average.mul_scalar(smoothing);
    let nll = normaliser.without_autodiff() - at_target.without_autodiff();
    LossSums { smoothed: (smoothed * real.clone()).sum(), nll: (nll * real).sum() }
}

/// log Σ exp of each row, `[rows, 1]`.
fn log_sum_exp(logits: Tensor<2>) -> Tensor<2> {
    let peak = logits.clone().without_autodiff().max_dim(1);
    (logits - peak.clone()).exp().sum_dim(1).log() + peak
}
