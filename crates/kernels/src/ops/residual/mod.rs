//! The connection around a sub-layer (paper, sections 3.1 and 5.4): dropout, add, layer norm, in one pass over memory.
//!
//! **Why fused:** composed of tensor operations, the norm alone reads and writes its rows nine times forward and twenty
//! times backward. Here a row is read once, stays in the nearest cache while its mean and deviation are found, and is
//! written once; the backward pass likewise.

use burn::tensor::{Tensor, module};

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "flex")]
pub(crate) mod cpu;
use crate::dropout::{self, Dropout};

/// Gain `[width]` and offset `[width]` of a layer norm, and what keeps its deviation from zero.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    pub gamma: Tensor<1>,
    pub beta: Tensor<1>,
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

/// The definition of [`add`].
pub fn portable_add<const D: usize>(x: Tensor<D>, change: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    match dropout {
        Some(dropout) => x + dropout::portable(change, dropout),
        None => x + change,
    }
}

/// The definition of [`layer_norm`].
pub fn portable_norm<const D: usize>(x: Tensor<D>, norm: LayerNorm) -> Tensor<D> {
    module::layer_norm(x, norm.gamma, Some(norm.beta), norm.epsilon)
}
