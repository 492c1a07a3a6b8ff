//! The connection around a sub-layer (paper, sections 3.1 and 5.4): dropout, add, layer norm, in one pass over memory.
//!
//! **Why fused:** composed of tensor operations, the norm alone reads and writes its rows nine times forward and twenty
//! times backward. Here a row is read once, stays in the nearest cache while its mean and deviation are computed, and is
//! written once, in the backward pass too.

#[cfg(feature = "flex")]
pub(crate) mod cpu;
mod portable;

use burn::tensor::Tensor;
pub use portable::{portable_add, portable_norm};

#[cfg(feature = "flex")]
use crate::autodiff;
use crate::dropout::Dropout;

/// Parameters of a layer norm.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Gain γ, `[width]`.
    pub gamma: Tensor<1>,
    /// Offset β, `[width]`.
    pub beta: Tensor<1>,
    /// ε, added to the variance.
    pub epsilon: f64,
}

/// `norm(x + dropout(change))`, over rows of the last dimension.
pub fn add_and_norm<const D: usize>(
    x: Tensor<D>,
    change: Tensor<D>,
    dropout: Option<Dropout>,
    norm: LayerNorm,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::connection(Some(x), change, dropout, Some(norm));
    }
    portable_norm(portable_add(x, change, dropout), norm)
}

/// `x + dropout(change)`.
pub fn add<const D: usize>(x: Tensor<D>, change: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::connection(Some(x), change, dropout, None);
    }
    portable_add(x, change, dropout)
}

/// Layer normalisation (Ba et al. 2016) of rows of the last dimension.
pub fn layer_norm<const D: usize>(x: Tensor<D>, norm: LayerNorm) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::connection(None, x, None, Some(norm));
    }
    portable_norm(x, norm)
}
