//! The connection around a sub-layer (paper, sections 3.1 and 5.4): dropout, add, norm, in one pass over memory.
//!
//! **Why fused:** composed of tensor operations, the norm alone reads and writes its rows nine times forward and twenty
//! times backward. Here a row is read once, stays in the nearest cache while its mean and deviation are computed, and is
//! written once, in the backward pass too.

#[cfg(feature = "flex")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
mod gpu;
mod portable;

use burn::tensor::Tensor;
pub use portable::{portable_add, portable_norm, portable_rms_norm};

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

/// The parameters of a norm of rows: a layer norm, or without an offset that of the root mean square.
#[cfg(any(feature = "flex", feature = "cube"))]
pub(crate) struct RowNorm {
    pub(crate) gamma: Tensor<1>,
    pub(crate) beta: Option<Tensor<1>>,
    pub(crate) epsilon: f64,
}

#[cfg(any(feature = "flex", feature = "cube"))]
impl From<LayerNorm> for RowNorm {
    fn from(LayerNorm { gamma, beta, epsilon }: LayerNorm) -> Self {
        Self { gamma, beta: Some(beta), epsilon }
    }
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
        return cpu::connection(Some(x), change, dropout, Some(norm.into()));
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return gpu::connection(Some(x), change, dropout, Some(norm.into()));
    }
    portable_norm(portable_add(x, change, dropout), norm)
}

/// `x + dropout(change)`.
pub fn add<const D: usize>(x: Tensor<D>, change: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::connection(Some(x), change, dropout, None);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return gpu::connection(Some(x), change, dropout, None);
    }
    portable_add(x, change, dropout)
}

/// Layer normalisation (Ba et al. 2016) of rows of the last dimension.
pub fn layer_norm<const D: usize>(x: Tensor<D>, norm: LayerNorm) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::connection(None, x, None, Some(norm.into()));
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return gpu::connection(None, x, None, Some(norm.into()));
    }
    portable_norm(x, norm)
}

/// Root-mean-square normalisation (Zhang and Sennrich 2019) of rows of the last dimension, with the gain `gamma`
/// (`[width]`).
pub fn rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::connection(None, x, None, Some(RowNorm { gamma, beta: None, epsilon }));
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return gpu::connection(None, x, None, Some(RowNorm { gamma, beta: None, epsilon }));
    }
    portable_rms_norm(x, gamma, epsilon)
}

/// [`rms_norm`] of `x + dropout(change)`.
pub fn add_and_rms_norm<const D: usize>(
    x: Tensor<D>,
    change: Tensor<D>,
    dropout: Option<Dropout>,
    gamma: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::connection(Some(x), change, dropout, Some(RowNorm { gamma, beta: None, epsilon }));
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return gpu::connection(Some(x), change, dropout, Some(RowNorm { gamma, beta: None, epsilon }));
    }
    rms_norm(add(x, change, dropout), gamma, epsilon)
}
