//! Smooth activations of a feed-forward network, alone and in gated units.
//!
//! **Why fused:** composed of tensor operations, an activation is five passes over memory forward (on a GPU, launches) and
//! three times as many backward; here it is one each.

#[cfg(feature = "flex")]
mod cpu;
#[cfg(feature = "cube")]
mod gpu;
mod portable;

use burn::tensor::Tensor;
pub use portable::{portable, portable_gated};

#[cfg(feature = "flex")]
use crate::autodiff;

/// A function of each element. burn has these too, but on some backends with an approximate gradient (GELU) or in single
/// precision only (SiLU).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// x · Φ(x), with Φ the distribution function of the normal distribution.
    Gelu,
    /// x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2, the approximation of GELU by tanh.
    GeluTanh,
    /// x · sigmoid(x).
    Silu,
}

/// The function of each element.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kernels::activation::{Curve, activation};
/// let x = || Tensor::<1>::from_floats([1.0], &Device::flex());
/// let of = |curve| activation(x(), curve).into_scalar::<f32>();
/// assert!((of(Curve::Gelu) - 0.841_345).abs() < 1e-5);
/// assert!((of(Curve::GeluTanh) - 0.841_192).abs() < 1e-5);
/// assert!((of(Curve::Silu) - 0.731_059).abs() < 1e-5);
/// ```
pub fn activation<const D: usize>(x: Tensor<D>, curve: Curve) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&x) {
        return cpu::activation(x, curve);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&x) {
        return crate::gpu::one(x, curve);
    }
    portable(x, curve)
}

/// `curve(gate) · inner`, the unit of a gated feed-forward network (Shazeer 2020); both of one shape.
pub fn gated<const D: usize>(gate: Tensor<D>, inner: Tensor<D>, curve: Curve) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&gate) {
        return cpu::gated(gate, inner, curve);
    }
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&gate) {
        return crate::gpu::one(gate, curve) * inner;
    }
    portable_gated(gate, inner, curve)
}
