//! The position-wise feed-forward network (paper, section 3.3).

use std::f64::consts::FRAC_1_SQRT_2;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use kernels::linear::Epilogue;

use crate::config::{Activation, ModelConfig};
use crate::forward_pass::Pass;
use crate::linear;

/// `output(activation(inner(x)))`, or `output(silu(gate(x)) · inner(x))` for SwiGLU.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `d_model` to `d_ff`.
    pub inner: Linear,
    /// `d_model` to `d_ff`, for SwiGLU alone.
    pub gate: Option<Linear>,
    /// `d_ff` to `d_model`.
    pub output: Linear,
    #[module(skip)]
    activation: Activation,
    dropout: f64,
}

impl FeedForward {
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let widen = || linear::linear(config.d_model, config.d_ff, config.bias, device);
        Self {
            inner: widen(),
            gate: (config.activation == Activation::Swiglu).then(widen),
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
            (Activation::Gelu, _) => gelu(inner()),
            (Activation::Silu, _) => silu(inner()),
            (Activation::Swiglu, Some(gate)) => silu(linear::apply(gate, x.clone())) * inner(),
            (Activation::Swiglu, None) => unreachable!("SwiGLU is made with its gate"),
        };
        linear::apply(&self.output, pass.dropout(active, self.dropout))
    }
}

// burn has both, but on some backends with an approximate gradient (GELU) or in single precision alone (SiLU).

/// x · Φ(x), with Φ the distribution function of the normal distribution.
fn gelu(x: Tensor<3>) -> Tensor<3> {
    let half = x.clone().mul_scalar(0.5);
    half.clone() + half * x.mul_scalar(FRAC_1_SQRT_2).erf()
}

/// x · sigmoid(x), by way of sigmoid(x) = (1 + tanh(x/2)) / 2, which no x can overflow.
fn silu(x: Tensor<3>) -> Tensor<3> {
    let half = x.mul_scalar(0.5);
    half.clone() + half.clone() * half.tanh()
}
