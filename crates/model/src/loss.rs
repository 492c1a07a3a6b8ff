//! The training objective (paper, section 5.4): cross-entropy with label smoothing, over real tokens only.
//!
//! Sums, not means: the parts of an update then add up to the whole, whatever their token counts.

use burn::tensor::{Int, Tensor};
pub use kernels::projection_loss::{LabelSmoothing, LossSums};

/// What training minimises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// ε of label smoothing (paper, section 5.4).
    pub label_smoothing: f64,
    /// α of R-Drop (Liang et al. 2021): how much two passes over each sentence, which differ in what dropout drew, are
    /// asked to agree. 0 is off, and then there is a single pass.
    pub r_drop: f64,
}

impl Objective {
    /// Cross-entropy alone, as in the paper.
    pub fn cross_entropy(label_smoothing: f64) -> Self {
        Self { label_smoothing, r_drop: 0.0 }
    }
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
    kernels::projection_loss::cross_entropy(logits, targets, LabelSmoothing { epsilon: smoothing, pad_id })
}
