//! Normalisation of each position's vector.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor};

use crate::config::NormKind;

const EPSILON: f64 = 1e-5;

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
        let beta = self.beta.as_ref().map(|beta| beta.val());
        match self.kind {
            NormKind::Layer => layer_norm(x, self.gamma.val(), beta, EPSILON),
            NormKind::Rms => {
                let mean_square = x.clone().square().mean_dim(2);
                x * mean_square.add_scalar(EPSILON).sqrt().recip() * self.gamma.val().unsqueeze()
            }
        }
    }
}
