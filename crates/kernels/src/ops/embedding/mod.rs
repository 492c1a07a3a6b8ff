//! Token embeddings (paper, section 3.4): rows of a matrix, scaled.
//!
//! **Why fused:** the lookup scales, and the gradient adds its rows to one matrix of zeros.

#[cfg(feature = "flex")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
mod gpu;
mod portable;

use burn::tensor::{Int, Tensor};
pub use portable::portable;

#[cfg(feature = "flex")]
use crate::autodiff;

/// Rows `ids` (`[batch, len]`) of `matrix` (`[vocabulary, d_model]`), times `scale`: `[batch, len, d_model]`.
///
/// # Panics
/// An id outside of the vocabulary; on a GPU, which cannot panic, its vector is the last row and gets no gradient.
pub fn embedding(matrix: Tensor<2>, ids: Tensor<2, Int>, scale: f64) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&matrix) {
        return cpu::embedding(matrix, ids, scale);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&matrix) {
        return gpu::embedding(matrix, ids, scale);
    }
    portable(matrix, ids, scale)
}
