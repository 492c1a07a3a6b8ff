//! Output projection and cross-entropy of two passes over the same batch, which are also asked to agree: R-Drop
//! (Liang et al. 2021, "Regularized Dropout for Neural Networks").
//!
//! With a and b the two predicted distributions of a position, under two draws of dropout, and the paper's weight α:
//!
//! ```text
//! ½ (cross-entropy(a) + cross-entropy(b)) + α/4 · (KL(a‖b) + KL(b‖a))
//! ```
//!
//! which is half of the paper's objective, so that α = 0 is the ordinary loss, averaged over both passes.
//!
//! **Why fused:** for the reasons of [`projection_loss`](crate::projection_loss), twice.

use burn::tensor::{Int, Tensor, activation::log_softmax, module};

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "flex")]
pub(crate) mod cpu;
use crate::projection_loss::{LabelSmoothing, LossSums, cross_entropy};

/// The loss of `hidden · matrixᵀ + bias` against `targets`: `[2 * rows, d_model]`, `[vocabulary, d_model]`,
/// `[vocabulary]` and `[rows]`. The first half of `hidden` is one pass, the second the other.
pub fn r_drop_loss(
    hidden: Tensor<2>,
    matrix: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
    smoothing: LabelSmoothing,
    alpha: f64,
) -> LossSums {
    #[cfg(feature = "flex")]
    if autodiff::applies(&hidden) {
        return cpu::r_drop_loss(hidden, matrix, bias, targets, smoothing, alpha);
    }
    portable(hidden, matrix, bias, targets, smoothing, alpha)
}

/// The definition.
pub fn portable(
    hidden: Tensor<2>,
    matrix: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
    smoothing: LabelSmoothing,
    alpha: f64,
) -> LossSums {
    let logits = module::linear(hidden, matrix.transpose(), bias);
    let [rows, vocabulary] = [targets.dims()[0], logits.dims()[1]];
    let pass = |first: usize| logits.clone().slice([first..first + rows, 0..vocabulary]);
    let (a, b) = (pass(0), pass(rows));
    let real = targets.clone().not_equal_scalar(smoothing.pad_id as i64).float().unsqueeze_dim::<2>(1);
    let (log_a, log_b) = (log_softmax(a.clone(), 1), log_softmax(b.clone(), 1));
    // KL(a‖b) + KL(b‖a) = Σ (a − b)(log a − log b)
    let divergence = ((log_a.clone().exp() - log_b.clone().exp()) * (log_a - log_b)).sum_dim(1);
    let (a, b) = (cross_entropy(a, targets.clone(), smoothing), cross_entropy(b, targets, smoothing));
    LossSums {
        smoothed: (a.smoothed + b.smoothed).mul_scalar(0.5) + (divergence * real).sum().mul_scalar(alpha / 4.0),
        nll: (a.nll + b.nll).mul_scalar(0.5),
    }
}
