//! The position-wise feed-forward network (paper, section 3.3).
//!
//! > "This consists of two linear transformations with a ReLU activation in between."
//!
//! FFN(x) = max(0, x·W₁ + b₁)·W₂ + b₂ (equation 2).
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::feed_forward::FeedForward;
//! use model::{ModelConfig, Pass, weights};
//!
//! let device = Device::flex();
//! let config = ModelConfig { d_model: 2, d_ff: 2, bias: false, ..ModelConfig::default() };
//! let network = weights::replace(FeedForward::new(&config, &device), |name, _| match name {
//!     "inner.weight" => vec![1.0, 0.0, 0.0, 1.0], // identity
//!     _ => vec![2.0, 0.0, 1.0, 1.0],              // rows [2, 0] and [1, 1]
//! });
//! let x = Tensor::<3>::from_floats([[[3.0, -5.0]]], &device);
//! let y: Vec<f32> = network.forward(x, &mut Pass::inference()).into_data().iter().collect();
//! assert_eq!(y, [6.0, 3.0]); // max(0, [3, −5]) = [3, 0]
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use kernels::activation::{Curve, activation, gated};
use kernels::linear::Epilogue;

use crate::config::{Activation, ModelConfig};
use crate::forward_pass::Pass;
use crate::linear;

/// `output(activation(inner(x)))`, or `output(activation(gate(x)) · inner(x))` for a gated unit.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `d_model` to `d_ff`.
    pub inner: Linear,
    /// `d_model` to `d_ff`; gated units only.
    pub gate: Option<Linear>,
    /// `d_ff` to `d_model`.
    pub output: Linear,
    #[module(skip)]
    activation: Activation,
    dropout: f64,
}

impl FeedForward {
    /// A network with all weights zero; [`Transformer::new`](crate::Transformer::new) initialises them.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let widen = || linear::linear(config.d_model, config.d_ff, config.bias, device);
        let inner = widen();
        let gate = match config.activation {
            Activation::Relu | Activation::Gelu | Activation::Silu | Activation::GeluTanh => None,
            Activation::Swiglu | Activation::GegluTanh => Some(widen()),
        };
        Self {
            inner,
            gate,
            output: linear::linear(config.d_ff, config.d_model, config.bias, device),
            activation: config.activation,
            dropout: config.ff_dropout,
        }
    }

    /// `[batch, len, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>, pass: &mut Pass) -> Tensor<3> {
        let inner = || linear::apply(&self.inner, x.clone());
        let active = match (self.activation, &self.gate) {
            (Activation::Relu, _) => linear::apply_then(&self.inner, x, Epilogue::Relu),
            (Activation::Gelu, _) => activation(inner(), Curve::Gelu),
            (Activation::Silu, _) => activation(inner(), Curve::Silu),
            (Activation::Swiglu, Some(gate)) => gated(linear::apply(gate, x.clone()), inner(), Curve::Silu),
            (Activation::GeluTanh, _) => activation(inner(), Curve::GeluTanh),
            (Activation::GegluTanh, Some(gate)) => gated(linear::apply(gate, x.clone()), inner(), Curve::GeluTanh),
            (Activation::Swiglu | Activation::GegluTanh, None) => unreachable!("a gated unit is made with its gate"),
        };
        linear::apply(&self.output, pass.dropout(active, self.dropout))
    }
}
