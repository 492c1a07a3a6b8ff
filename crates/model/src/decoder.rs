//! The decoder (paper, section 3.1; right half of figure 1).
//!
//! > "the decoder inserts a third sub-layer, which performs multi-head attention over the output of the encoder stack"
//!
//! ```text
//! y ─▶ masked self-attention ─▶ cross-attention ─▶ feed-forward ─▶ … (decoder_layers times) ─▶ hidden
//!                                     ▲ memory
//! ```
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::{ModelConfig, Pass, decoder::Decoder};
//!
//! let device = Device::flex();
//! let config = ModelConfig { d_model: 2, n_heads: 1, d_ff: 4, decoder_layers: 1, ..ModelConfig::default() };
//! let decoder = Decoder::new(&config, &device); // all weights zero, so each sub-layer adds nothing
//! let memory = Tensor::<3>::from_floats([[[5.0, 7.0], [2.0, 0.0]]], &device);
//! let y = Tensor::<3>::from_floats([[[1.0, 3.0]]], &device);
//! let hidden: Vec<f32> = decoder.forward(y, memory, None, &mut Pass::inference()).into_data().iter().collect();
//! assert!((hidden[0] + 1.0).abs() < 1e-4 && (hidden[1] - 1.0).abs() < 1e-4); // three norms of y: [−1, 1]
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use kernels::upload::transfers;

use crate::attention::MultiHeadAttention;
use crate::cache::{self, DecoderCache, KeyValue, LayerCache};
use crate::config::{DecoderSelf, ModelConfig};
use crate::feed_forward::FeedForward;
use crate::forward_pass::Pass;
use crate::mask::Mask;
use crate::norm::Norm;
use crate::recompute;
use crate::recorder::AttentionKind;
use crate::relative_position::{RelativePositions, StackBias};
use crate::residual::{self, Residual};
use crate::ssru::Ssru;

/// Masked self-attention or a recurrent cell, cross-attention and feed-forward, each inside a residual connection.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Each position attends to itself and the positions before it; none with a recurrent cell.
    pub self_attention: Option<MultiHeadAttention>,
    /// The recurrent cell in place of self-attention.
    pub ssru: Option<Ssru>,
    /// The connection around self-attention or the cell.
    pub self_attention_residual: Residual,
    /// Each position attends to the memory.
    pub cross_attention: MultiHeadAttention,
    /// The connection around cross-attention.
    pub cross_attention_residual: Residual,
    /// The position-wise network.
    pub feed_forward: FeedForward,
    /// The connection around the feed-forward network.
    pub feed_forward_residual: Residual,
}

impl DecoderLayer {
    /// A layer with all matrices zero; [`Transformer::new`](crate::Transformer::new) initialises them.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let config = &config.of_decoder();
        let (self_attention, ssru) = match config.decoder_self {
            DecoderSelf::Attention => (Some(MultiHeadAttention::new(config, device)), None),
            DecoderSelf::Ssru => (None, Some(Ssru::new(config, device))),
        };
        Self {
            self_attention,
            ssru,
            self_attention_residual: Residual::new(config, device),
            cross_attention: MultiHeadAttention::new(config, device),
            cross_attention_residual: Residual::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_residual: Residual::new(config, device),
        }
    }

    /// A whole target at once: `[batch, target_len, d_model]` to the same shape. `bias` is a term of the scores of
    /// self-attention by distance, `causal` hides the future, `memory_mask` the source's padding.
    pub fn forward(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<2>>,
        causal: &Mask,
        memory: &KeyValue,
        memory_mask: Option<&Mask>,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let x = self.self_attention_residual.forward(x, pass, |x, pass| match (&self.self_attention, &self.ssru) {
            (Some(attention), _) => {
                let key_value = attention.key_value(x.clone());
                attention.forward(x, &key_value, bias, Some(causal), AttentionKind::Decoder, pass)
            }
            (None, Some(cell)) => {
                let [batch, ..] = x.dims();
                let state = cell.initial_state(batch, &x.device());
                cell.forward(x, state).0
            }
            (None, None) => x,
        });
        self.after_self(x, memory, memory_mask, pass)
    }

    /// As [`forward`](Self::forward), over the memory itself, `[batch, source_len, d_model]`.
    fn over(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<2>>,
        memory: Tensor<3>,
        memory_mask: Option<&Mask>,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let memory = self.cross_attention.key_value(memory);
        self.forward(x, bias, &Mask::Causal, &memory, memory_mask, pass)
    }

    /// One more token, `[batch, 1, d_model]`, after the `at` tokens in the cache.
    pub(crate) fn step(
        &self,
        x: Tensor<3>,
        bias: Option<&Tensor<2>>,
        cache: &mut LayerCache,
        at: usize,
        memory_mask: Option<&Mask>,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let x = self.self_attention_residual.forward(x, pass, |x, pass| match (&self.self_attention, &self.ssru) {
            (Some(attention), _) => {
                let (step, kind) = (attention.key_value(x.clone()), AttentionKind::Decoder);
                if reads_buffers(&x, pass) {
                    let past = cache.append_to_buffer(step, at);
                    attention.forward(x, &past, bias, Some(&Mask::First(at + 1)), kind, pass)
                } else {
                    attention.forward(x, &cache.append(step, at), bias, None, kind, pass)
                }
            }
            (None, Some(cell)) => {
                let (hidden, state) = cell.forward(x, cache.state().clone());
                *cache.state() = state;
                hidden
            }
            (None, None) => x,
        });
        self.after_self(x, &cache.memory, memory_mask, pass)
    }

    /// Cross-attention and feed-forward.
    fn after_self(&self, x: Tensor<3>, memory: &KeyValue, memory_mask: Option<&Mask>, pass: &mut Pass) -> Tensor<3> {
        let x = self.cross_attention_residual.forward(x, pass, |x, pass| {
            self.cross_attention.forward(x, memory, None, memory_mask, AttentionKind::Cross, pass)
        });
        self.feed_forward_residual.forward(x, pass, |x, pass| self.feed_forward.forward(x, pass))
    }
}

/// Whether a step reads whole buffers of keys: kernels of a GPU are compiled for a shape, and read a length beside it.
fn reads_buffers(x: &Tensor<3>, pass: &Pass) -> bool {
    transfers(&x.device()) && !pass.records()
}

/// A stack of decoder layers.
#[derive(Module, Debug)]
pub struct Decoder {
    /// The layers, from input to output.
    pub layers: Vec<DecoderLayer>,
    /// The norm after the last layer; pre-norm only.
    pub norm: Option<Norm>,
    /// Terms of the scores of self-attention by distance: none, one for all layers, or one for each.
    pub relative_positions: Vec<RelativePositions>,
    dropout: f64,
}

impl Decoder {
    /// `decoder_layers` layers with all matrices zero.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let config = &config.of_decoder();
        Self {
            layers: (0..config.decoder_layers).map(|_| DecoderLayer::new(config, device)).collect(),
            norm: residual::final_norm(config, device),
            relative_positions: RelativePositions::of_stack(config, config.decoder_layers, false, device),
            dropout: config.stack_dropout,
        }
    }

    /// Embedded target `[batch, target_len, d_model]` to hidden states of the same shape. Each position attends to
    /// itself, the positions before it and the memory `[batch, source_len, d_model]`.
    pub fn forward(&self, x: Tensor<3>, memory: Tensor<3>, memory_mask: Option<&Mask>, pass: &mut Pass) -> Tensor<3> {
        let [_, len, _] = x.dims();
        let bias = StackBias::new(&self.relative_positions, len, len);
        let x = self.layers.iter().enumerate().fold(x, |x, (index, layer)| match bias.layer(index) {
            Some(bias) => layer.over(x, Some(bias), memory.clone(), memory_mask, pass),
            None => {
                let mask = memory_mask.cloned();
                recompute::run(layer, [x, memory.clone()], pass, move |layer, [x, memory], pass| {
                    layer.over(x, None, memory, mask.as_ref(), pass)
                })
            }
        });
        pass.dropout(self.final_norm(x), self.dropout)
    }

    /// An empty cache over the memory `[batch, source_len, d_model]`.
    pub fn cache(&self, memory: Tensor<3>, memory_mask: Option<Mask>) -> DecoderCache {
        let [batch, ..] = memory.dims();
        let layer = |layer: &DecoderLayer| {
            let key_value = layer.cross_attention.key_value(memory.clone());
            match &layer.ssru {
                None => LayerCache::of_attention(key_value),
                Some(cell) => LayerCache::of_cell(cell.initial_state(batch, &memory.device()), key_value),
            }
        };
        DecoderCache::new(self.layers.iter().map(layer).collect(), memory_mask, batch)
    }

    /// One more token, `[batch, 1, d_model]` embedded to `[batch, 1, d_model]` hidden.
    pub fn step(&self, mut x: Tensor<3>, cache: &mut DecoderCache, pass: &mut Pass) -> Tensor<3> {
        let at = cache.len;
        let bias = match reads_buffers(&x, pass) {
            true => StackBias::of_step(&self.relative_positions, at, cache::capacity(at + 1)),
            false => StackBias::new(&self.relative_positions, 1, at + 1),
        };
        for (index, (layer, layer_cache)) in self.layers.iter().zip(&mut cache.layers).enumerate() {
            x = layer.step(x, bias.layer(index), layer_cache, at, cache.memory_mask.as_ref(), pass);
        }
        cache.len += 1;
        self.final_norm(x)
    }

    fn final_norm(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
