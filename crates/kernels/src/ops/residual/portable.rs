//! The definitions of the residual connection and of layer normalisation.

use burn::tensor::{Tensor, module};

use super::LayerNorm;
use crate::dropout::{self, Dropout};

/// `x + dropout(change)`, composed of tensor operations.
pub fn portable_add<const D: usize>(x: Tensor<D>, change: Tensor<D>, dropout: Option<Dropout>) -> Tensor<D> {
    match dropout {
        Some(dropout) => x + dropout::portable(change, dropout),
        None => x + change,
    }
}

/// Layer normalisation by burn.
pub fn portable_norm<const D: usize>(x: Tensor<D>, norm: LayerNorm) -> Tensor<D> {
    module::layer_norm(x, norm.gamma, Some(norm.beta), norm.epsilon)
}

/// Root-mean-square normalisation, composed of tensor operations.
pub fn portable_rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let mean_square = x.clone().square().mean_dim(D - 1);
    x * mean_square.add_scalar(epsilon).sqrt().recip() * gamma.unsqueeze()
}
