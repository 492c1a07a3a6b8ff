//! Normalisation of each position's vector (Ba et al. 2016; Zhang and Sennrich 2019).
//!
//! Layer normalisation is γ · (x − mean) / √(variance + ε) + β. Root-mean-square normalisation is
//! γ · x / √(mean of x² + ε), without β.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::{ModelConfig, config::NormKind, norm::Norm};
//!
//! let device = Device::flex();
//! let norm = |kind, x: [[[f32; 2]; 1]; 1]| -> Vec<f32> {
//!     Norm::new(&ModelConfig { norm_kind: kind, d_model: 2, ..ModelConfig::default() }, &device).forward(Tensor::from_floats(x, &device)).into_data().iter().collect()
//! };
//! let layer = norm(NormKind::Layer, [[[1.0, 3.0]]]); // mean 2, variance 1
//! assert!((layer[0] + 1.0).abs() < 1e-4 && (layer[1] - 1.0).abs() < 1e-4);
//! let rms = norm(NormKind::Rms, [[[1.0, 7.0]]]); // √((1 + 49) / 2) = 5
//! assert!((rms[0] - 0.2).abs() < 1e-4 && (rms[1] - 1.4).abs() < 1e-4);
//! ```

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use kernels::Dropout;
use kernels::residual::{self, LayerNorm};

use crate::config::{ModelConfig, NormKind};

/// Layer normalisation, or root-mean-square normalisation (then without `beta`).
#[derive(Module, Debug)]
pub struct Norm {
    /// Gain γ, `[d_model]`.
    pub gamma: Param<Tensor<1>>,
    /// Offset β, `[d_model]`; layer normalisation only.
    pub beta: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: NormKind,
    epsilon: f64,
}

impl Norm {
    /// A norm with unit gain and zero offset, of the configuration's kind and ε.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let (kind, width) = (config.norm_kind, [config.d_model]);
        let beta = match kind {
            NormKind::Layer => Some(Initializer::Zeros.init(width, device)),
            NormKind::Rms => None,
        };
        Self { gamma: Initializer::Ones.init(width, device), beta, kind, epsilon: config.norm_epsilon }
    }

    /// `[batch, len, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self.layer_norm() {
            Some(norm) => residual::layer_norm(x, norm),
            None => residual::rms_norm(x, self.gamma.val(), self.epsilon),
        }
    }

    /// `norm(x + dropout(change))`, the end of a post-norm sub-layer; both `[batch, len, d_model]`.
    pub(crate) fn add_and_norm(&self, x: Tensor<3>, change: Tensor<3>, dropout: Option<Dropout>) -> Tensor<3> {
        match self.layer_norm() {
            Some(norm) => residual::add_and_norm(x, change, dropout, norm),
            None => residual::add_and_rms_norm(x, change, dropout, self.gamma.val(), self.epsilon),
        }
    }

    /// The parameters of layer normalisation; `None` for root-mean-square normalisation.
    fn layer_norm(&self) -> Option<LayerNorm> {
        match (self.kind, &self.beta) {
            (NormKind::Layer, Some(beta)) => {
                Some(LayerNorm { gamma: self.gamma.val(), beta: beta.val(), epsilon: self.epsilon })
            }
            (NormKind::Layer, None) => unreachable!("layer normalisation is made with its offset"),
            (NormKind::Rms, _) => None,
        }
    }
}
