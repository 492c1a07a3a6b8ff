//! The training objective (paper, section 5.4): cross-entropy with label smoothing, over real tokens only.
//!
//! > "During training, we employed label smoothing of value ε_ls = 0.1."
//!
//! All results are sums, not means: the sums of micro-batches add up to the sum of the whole, whatever their token counts.

use burn::tensor::{Int, Tensor};
pub use kernels::projection_loss::{LabelSmoothing, LossSums};

/// The training objective, which is minimised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// ε of label smoothing (paper, section 5.4).
    pub label_smoothing: f64,
    /// α of R-Drop (Liang et al. 2021): the weight of the divergence between two passes over each sentence with different
    /// dropout; 0 disables the second pass.
    pub r_drop: f64,
}

impl Objective {
    /// Cross-entropy alone, as in the paper.
    pub fn cross_entropy(label_smoothing: f64) -> Self {
        Self { label_smoothing, r_drop: 0.0 }
    }
}

/// Cross-entropy of `logits` (`[rows, vocabulary]`) against `targets` (`[rows]`).
///
/// The target distribution gives 1 − ε to the target and spreads ε evenly over the whole vocabulary. Rows whose target is
/// `pad_id` count nothing.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use model::loss::{LabelSmoothing, label_smoothed_cross_entropy};
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_floats([[0.0, 0.0], [5.0, 0.0]], &device);
/// let targets = Tensor::<1, Int>::from_ints([0, 1], &device); // the second row is padding
/// let sums = label_smoothed_cross_entropy(logits, targets, LabelSmoothing { epsilon: 0.1, pad_id: 1 });
/// assert!((sums.nll.into_scalar::<f32>() - 2f32.ln()).abs() < 1e-6);
/// ```
pub fn label_smoothed_cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>, smoothing: LabelSmoothing) -> LossSums {
    kernels::projection_loss::cross_entropy(logits, targets, smoothing)
}
