//! Output projection and label-smoothed cross-entropy (paper, sections 3.4 and 5.4) in one operation.
//!
//! **Why fused:** the logits (rows times vocabulary) are by far the largest tensor of a training step, and a composed loss
//! writes and reads them a dozen times. Here they exist for one block of rows at a time, and the gradients of both factors
//! are computed while the block is in the cache. Rows of padding are skipped.

#[cfg(feature = "flex")]
mod cpu;
#[cfg(feature = "flex")]
pub(crate) mod fused;
#[cfg(feature = "cube")]
pub(crate) mod gpu;
mod portable;

use burn::tensor::{Int, Tensor, module};
pub use portable::{cross_entropy, portable};

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "cube")]
use crate::linear::Epilogue;

/// Inputs of the output projection, whose logits are `hidden · matrixᵀ + bias`.
#[derive(Clone, Debug)]
pub struct Projection {
    /// Decoder states, `[rows, d_model]`.
    pub hidden: Tensor<2>,
    /// Output embeddings, `[vocabulary, d_model]`.
    pub matrix: Tensor<2>,
    /// `[vocabulary]`.
    pub bias: Option<Tensor<1>>,
}

impl Projection {
    /// All logits, `[rows, vocabulary]`.
    pub fn logits(self) -> Tensor<2> {
        #[cfg(feature = "cube")]
        if crate::gpu::applies(&self.hidden) {
            return crate::linear::linear(self.hidden, self.matrix.transpose(), self.bias, Epilogue::None);
        }
        module::linear(self.hidden, self.matrix.transpose(), self.bias)
    }
}

/// The target distribution of each row.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Target tokens, `[rows]`.
    pub ids: Tensor<1, Int>,
    /// Smoothing of the distribution around them.
    pub smoothing: LabelSmoothing,
}

/// Label smoothing (paper, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSmoothing {
    /// Share ε of the target distribution that is spread evenly over the vocabulary.
    pub epsilon: f64,
    /// Rows with this target are excluded.
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

/// The loss of a projection's logits against `targets`, one per row.
///
/// # Panics
/// Another number of targets.
pub fn projection_loss(projection: Projection, targets: Targets) -> LossSums {
    #[cfg(feature = "flex")]
    if autodiff::applies(&projection.hidden) {
        return cpu::projection_loss(projection, targets);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&projection.hidden) {
        return gpu::projection_loss(projection, targets);
    }
    portable(projection, targets)
}
