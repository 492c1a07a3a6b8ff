//! Linear layers over rows, with their activation.
//!
//! **Why fused:** the output is initialised with the bias, to which the product is added. The ReLU is applied while a block
//! of rows is in the cache, and its derivative is applied to the gradient in place.

#[cfg(feature = "flex")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
mod gpu;
mod portable;

use burn::tensor::Tensor;
pub use portable::portable;

#[cfg(feature = "flex")]
use crate::autodiff;

/// The activation at the end of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// The identity.
    None,
    /// max(0, ·).
    Relu,
}

/// `x · weight + bias`, then the activation `epilogue`: from `[rows, d_input]` to `[rows, d_output]`, with a weight
/// `[d_input, d_output]` and a bias `[d_output]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, epilogue: Epilogue) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::linear(x, weight, bias, epilogue);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return gpu::linear(x, weight, bias, epilogue);
    }
    portable(x, weight, bias, epilogue)
}
