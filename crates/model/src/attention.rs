//! Attention (paper, section 3.2).
//!
//! ```text
//! x ─ query ─┐ heads                                   heads ┌─ output ─
//! m ─ key  ──┼──────▶ softmax(q·kᵀ/√d_k, hidden = 0) · v ────┤
//! m ─ value ─┘                                               └
//! ```
//!
//! In self-attention `m` is `x`; in cross-attention it is the encoder's output.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use kernels::attention::attention;
pub use kernels::attention::attention_weights;

use crate::cache::KeyValue;
use crate::config::ModelConfig;
use crate::forward_pass::Pass;
use crate::linear;
use crate::mask::Mask;
use crate::recorder::AttentionKind;

/// Multi-head attention (paper, section 3.2.2).
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    n_heads: usize,
    dropout: f64,
}

impl MultiHeadAttention {
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let square = || linear::linear(config.d_model, config.d_model, config.bias, device);
        Self {
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            n_heads: config.n_heads,
            dropout: config.attention_dropout,
        }
    }

    /// Keys and values of `[batch, key_len, d_model]`, computed once however often they are attended to.
    pub fn key_value(&self, attended: Tensor<3>) -> KeyValue {
        KeyValue {
            keys: self.split_heads(linear::apply(&self.key, attended.clone())),
            values: self.split_heads(linear::apply(&self.value, attended)),
        }
    }

    /// What each position of `x` (`[batch, query_len, d_model]`) gathers from `attended`; the same shape.
    pub fn forward(
        &self,
        x: Tensor<3>,
        attended: &KeyValue,
        mask: Option<&Mask>,
        kind: AttentionKind,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let [batch, query_len, d_model] = x.dims();
        let queries = self.split_heads(linear::apply(&self.query, x));
        let (keys, values) = (attended.keys.clone(), attended.values.clone());
        let context = if pass.records() {
            let weights = attention_weights(queries.clone(), keys, mask);
            pass.record(kind, &weights, &queries, attended);
            pass.dropout(weights, self.dropout).matmul(values)
        } else {
            attention(queries, keys, values, mask, pass.next_dropout(self.dropout))
        }; // [batch, head, query_len, head_size]
        let merged = context.swap_dims(1, 2).reshape([batch, query_len, d_model]);
        linear::apply(&self.output, merged)
    }

    /// `[batch, len, d_model]` to `[batch, head, len, head_size]`: a view, no copy.
    fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, len, d_model] = x.dims();
        x.reshape([batch, len, self.n_heads, d_model / self.n_heads]).swap_dims(1, 2)
    }
}
