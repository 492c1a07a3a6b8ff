//! Linear layers over rows, with their activation.
//!
//! **Why fused:** the bias goes into the target before the product is added to it, the ReLU follows while a block of rows
//! is still in cache, and the backward pass applies the ReLU's derivative to the gradient in place.

use burn::tensor::{Tensor, activation, module};

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "flex")]
pub(crate) mod cpu;

/// What follows a linear layer within the same operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    None,
    /// max(0, ·)
    Relu,
}

/// `x · weight + bias`, then the activation: `[rows, d_input]` to `[rows, d_output]` with a weight
/// `[d_input, d_output]` and a bias `[d_output]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, then: Epilogue) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::linear(x, weight, bias, then);
    }
    portable(x, weight, bias, then)
}

/// The definition.
pub fn portable(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, then: Epilogue) -> Tensor<2> {
    let y = module::linear(x, weight, bias);
    match then {
        Epilogue::None => y,
        Epilogue::Relu => activation::relu(y),
    }
}
