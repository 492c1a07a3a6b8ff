//! The decoder (paper, section 3.1; right half of figure 1).
//!
//! ```text
//! y ─▶ masked self-attention ─▶ cross-attention ─▶ feed-forward ─▶ … (decoder_layers times) ─▶ hidden
//!                                     ▲ memory
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::attention::MultiHeadAttention;
use crate::cache::{DecoderCache, KeyValue, LayerCache};
use crate::config::ModelConfig;
use crate::feed_forward::FeedForward;
use crate::forward_pass::Pass;
use crate::mask::Mask;
use crate::norm::Norm;
use crate::recorder::AttentionKind;
use crate::residual::{Residual, final_norm};

/// Masked self-attention, cross-attention and feed-forward, each inside a residual connection.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    pub self_attention: MultiHeadAttention,
    pub self_attention_residual: Residual,
    pub cross_attention: MultiHeadAttention,
    pub cross_attention_residual: Residual,
    pub feed_forward: FeedForward,
    pub feed_forward_residual: Residual,
}

impl DecoderLayer {
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        Self {
            self_attention: MultiHeadAttention::new(config, device),
            self_attention_residual: Residual::new(config, device),
            cross_attention: MultiHeadAttention::new(config, device),
            cross_attention_residual: Residual::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_residual: Residual::new(config, device),
        }
    }

    /// A whole target at once: `[batch, target_len, d_model]` to the same shape. `causal` hides the future,
    /// `memory_mask` the source's padding.
    pub fn forward(
        &self,
        x: Tensor<3>,
        causal: &Mask,
        memory: &KeyValue,
        memory_mask: Option<&Mask>,
        pass: &mut Pass,
    ) -> Tensor<3> {
        self.layer(x, |own| own, Some(causal), memory, memory_mask, pass)
    }

    /// One more token, `[batch, 1, d_model]`, after the `at` tokens in the cache.
    pub(crate) fn step(
        &self,
        x: Tensor<3>,
        cache: &mut LayerCache,
        at: usize,
        memory_mask: Option<&Mask>,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let memory = cache.memory.clone();
        self.layer(x, |own| cache.append(own, at), None, &memory, memory_mask, pass)
    }

    /// `history` turns the keys and values of `x` into all that self-attention may look at.
    fn layer(
        &self,
        x: Tensor<3>,
        history: impl FnOnce(KeyValue) -> KeyValue,
        causal: Option<&Mask>,
        memory: &KeyValue,
        memory_mask: Option<&Mask>,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let x = self.self_attention_residual.forward(x, pass, |x, pass| {
            let past = history(self.self_attention.key_value(x.clone()));
            self.self_attention.forward(x, &past, causal, AttentionKind::Decoder, pass)
        });
        let x = self.cross_attention_residual.forward(x, pass, |x, pass| {
            self.cross_attention.forward(x, memory, memory_mask, AttentionKind::Cross, pass)
        });
        self.feed_forward_residual.forward(x, pass, |x, pass| self.feed_forward.forward(x, pass))
    }
}

/// A stack of decoder layers.
#[derive(Module, Debug)]
pub struct Decoder {
    pub layers: Vec<DecoderLayer>,
    /// Pre-norm only.
    pub norm: Option<Norm>,
}

impl Decoder {
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.decoder_layers).map(|_| DecoderLayer::new(config, device)).collect(),
            norm: final_norm(config, device),
        }
    }

    /// Embedded target `[batch, target_len, d_model]` to hidden states of the same shape, each seeing only what
    /// stands before it and the memory `[batch, source_len, d_model]`.
    pub fn forward(&self, x: Tensor<3>, memory: Tensor<3>, memory_mask: Option<&Mask>, pass: &mut Pass) -> Tensor<3> {
        let x = self.layers.iter().fold(x, |x, layer| {
            let memory = layer.cross_attention.key_value(memory.clone());
            layer.forward(x, &Mask::Causal, &memory, memory_mask, pass)
        });
        self.normed(x)
    }

    /// An empty cache over the memory `[batch, source_len, d_model]`.
    pub fn cache(&self, memory: Tensor<3>, memory_mask: Option<Mask>) -> DecoderCache {
        let layer = |layer: &DecoderLayer| LayerCache::new(layer.cross_attention.key_value(memory.clone()));
        DecoderCache { layers: self.layers.iter().map(layer).collect(), memory_mask, len: 0 }
    }

    /// One more token, `[batch, 1, d_model]` embedded to `[batch, 1, d_model]` hidden.
    pub fn step(&self, mut x: Tensor<3>, cache: &mut DecoderCache, pass: &mut Pass) -> Tensor<3> {
        let at = cache.len;
        for (layer, layer_cache) in self.layers.iter().zip(&mut cache.layers) {
            x = layer.step(x, layer_cache, at, cache.memory_mask.as_ref(), pass);
        }
        cache.len += 1;
        self.normed(x)
    }

    fn normed(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
