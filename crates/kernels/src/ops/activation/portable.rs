//! The definitions of the activations.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

use burn::tensor::Tensor;

use super::Curve;

/// The formula, composed of tensor operations.
pub fn portable<const D: usize>(x: Tensor<D>, curve: Curve) -> Tensor<D> {
    match curve {
        Curve::Gelu => {
            let half = x.clone().mul_scalar(0.5);
            half.clone() + half * x.mul_scalar(FRAC_1_SQRT_2).erf()
        }
        Curve::GeluTanh => {
            let inner = (x.clone() + x.clone().powi_scalar(3).mul_scalar(0.044_715)).mul_scalar(FRAC_2_PI.sqrt());
            let half = x.mul_scalar(0.5);
            half.clone() + half * inner.tanh()
        }
        // sigmoid(x) = (1 + tanh(x/2)) / 2 overflows for no x.
        Curve::Silu => {
            let half = x.mul_scalar(0.5);
            half.clone() + half.clone() * half.tanh()
        }
    }
}

/// `curve(gate) · inner`, composed of tensor operations.
pub fn portable_gated<const D: usize>(gate: Tensor<D>, inner: Tensor<D>, curve: Curve) -> Tensor<D> {
    portable(gate, curve) * inner
}
