//! The encoder (paper, section 3.1; left half of figure 1).
//!
//! > "The encoder is composed of a stack of N = 6 identical layers."
//!
//! ```text
//! x ─▶ self-attention ─▶ feed-forward ─▶ … (encoder_layers times) ─▶ memory
//! ```
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::{ModelConfig, Pass, encoder::Encoder};
//!
//! let device = Device::flex();
//! let config = ModelConfig { d_model: 2, n_heads: 1, d_ff: 4, encoder_layers: 1, ..ModelConfig::default() };
//! let encoder = Encoder::new(&config, &device); // all weights zero, so each sub-layer adds nothing
//! let x = Tensor::<3>::from_floats([[[1.0, 3.0]]], &device);
//! let memory: Vec<f32> = encoder.forward(x, None, &mut Pass::inference()).into_data().iter().collect();
//! assert!((memory[0] + 1.0).abs() < 1e-4 && (memory[1] - 1.0).abs() < 1e-4); // norm(norm(x)) = [−1, 1]
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::attention::MultiHeadAttention;
use crate::config::ModelConfig;
use crate::feed_forward::FeedForward;
use crate::forward_pass::Pass;
use crate::mask::Mask;
use crate::norm::Norm;
use crate::recompute;
use crate::recorder::AttentionKind;
use crate::relative_position::{RelativePositions, StackBias};
use crate::residual::{Residual, final_norm};

/// Self-attention and feed-forward, each inside a residual connection.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Each position attends to all positions of the source.
    pub self_attention: MultiHeadAttention,
    /// The connection around self-attention.
    pub self_attention_residual: Residual,
    /// The position-wise network.
    pub feed_forward: FeedForward,
    /// The connection around the feed-forward network.
    pub feed_forward_residual: Residual,
}

impl EncoderLayer {
    /// A layer with all matrices zero; [`Transformer::new`](crate::Transformer::new) initialises them.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        Self {
            self_attention: MultiHeadAttention::new(config, device),
            self_attention_residual: Residual::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_residual: Residual::new(config, device),
        }
    }

    /// `[batch, source_len, d_model]` to the same shape. `bias` is a term of the scores by distance, `mask` hides the
    /// source's padding.
    pub fn forward(&self, x: Tensor<3>, bias: Option<&Tensor<2>>, mask: Option<&Mask>, pass: &mut Pass) -> Tensor<3> {
        let x = self.self_attention_residual.forward(x, pass, |x, pass| {
            let own = self.self_attention.key_value(x.clone());
            self.self_attention.forward(x, &own, bias, mask, AttentionKind::Encoder, pass)
        });
        self.feed_forward_residual.forward(x, pass, |x, pass| self.feed_forward.forward(x, pass))
    }
}

/// A stack of encoder layers.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The layers, from input to output.
    pub layers: Vec<EncoderLayer>,
    /// The norm after the last layer; pre-norm only.
    pub norm: Option<Norm>,
    /// Terms of the scores by distance: none, one for all layers, or one for each.
    pub relative_positions: Vec<RelativePositions>,
    dropout: f64,
}

impl Encoder {
    /// `encoder_layers` layers with all matrices zero.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.encoder_layers).map(|_| EncoderLayer::new(config, device)).collect(),
            norm: final_norm(config, device),
            relative_positions: RelativePositions::of_stack(config, config.encoder_layers, true, device),
            dropout: config.stack_dropout,
        }
    }

    /// Embedded source `[batch, source_len, d_model]` to the memory, of the same shape.
    pub fn forward(&self, x: Tensor<3>, mask: Option<&Mask>, pass: &mut Pass) -> Tensor<3> {
        let [_, len, _] = x.dims();
        let bias = StackBias::new(&self.relative_positions, len, len);
        let x = self.layers.iter().enumerate().fold(x, |x, (index, layer)| match bias.layer(index) {
            Some(bias) => layer.forward(x, Some(bias), mask, pass),
            None => {
                let mask = mask.cloned();
                recompute::run(layer, [x], pass, move |layer, [x], pass| layer.forward(x, None, mask.as_ref(), pass))
            }
        });
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        pass.dropout(x, self.dropout)
    }
}
