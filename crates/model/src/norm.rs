//! Normalisation of each position's vector.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use kernels::Dropout;
use kernels::residual::{self, LayerNorm};

use crate::config::NormKind;

/// What is added to the variance, in training and in decoding.
pub const EPSILON: f64 = 1e-5;

/// Layer normalisation, or root-mean-square normalisation (then without `beta`).
#[derive(Module, Debug)]
pub struct Norm {
    /// Gain, `[d_model]`.
    pub gamma: Param<Tensor<1>>,
    /// Offset, `[d_model]`.
    pub beta: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: NormKind,
}

impl Norm {
    pub fn new(kind: NormKind, d_model: usize, device: &Device) -> Self {
        let beta = (kind == NormKind::Layer).then(|| Initializer::Zeros.init([d_model], device));
        Self { gamma: Initializer::Ones.init([d_model], device), beta, kind }
    }

    /// `[batch, len, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self.layer_norm() {
            Some(norm) => residual::layer_norm(x, norm),
            None => {
                let mean_square = x.clone().square().mean_dim(2);
                x * mean_square.add_scalar(EPSILON).sqrt().recip() * self.gamma.val().unsqueeze()
            }
        }
    }

    /// `norm(x + dropout(change))`, the end of a post-norm sub-layer; both `[batch, len, d_model]`.
    pub(crate) fn add_and_norm(&self, x: Tensor<3>, change: Tensor<3>, dropout: Option<Dropout>) -> Tensor<3> {
        match self.layer_norm() {
            Some(norm) => residual::add_and_norm(x, change, dropout, norm),
            None => self.forward(residual::add(x, change, dropout)),
        }
    }

    fn layer_norm(&self) -> Option<LayerNorm> {
        match (self.kind, &self.beta) {
            (NormKind::Layer, Some(beta)) => {
                Some(LayerNorm { gamma: self.gamma.val(), beta: beta.val(), epsilon: EPSILON })
            }
            _ => None,
        }
    }
}
