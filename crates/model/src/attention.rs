//! Attention (paper, section 3.2).
//!
//! > "We compute the dot products of the query with all keys, divide each by √d_k, and apply a softmax function to obtain
//! > the weights on the values."
//!
//! ```text
//! x ─ query ─┐ heads                                   heads ┌─ output ─
//! m ─ key  ──┼──────▶ softmax(q·kᵀ/√d_k, hidden = 0) · v ────┤
//! m ─ value ─┘                                               └
//! ```
//!
//! In self-attention `m` is `x`; in cross-attention it is the encoder's output.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use model::attention::MultiHeadAttention;
//! use model::{AttentionKind, Mask, ModelConfig, Pass, weights};
//!
//! let device = Device::flex();
//! let config = ModelConfig { d_model: 2, n_heads: 1, bias: false, ..ModelConfig::default() };
//! let attention = MultiHeadAttention::new(&config, &device);
//! let attention = weights::replace(attention, |_, _| vec![1.0, 0.0, 0.0, 1.0]); // four identity matrices
//! let x = Tensor::<3>::from_floats([[[1.0, 0.0], [0.0, 1.0]]], &device);
//! let run = |mask| -> Vec<f32> {
//!     let (attended, kind) = (attention.key_value(x.clone()), AttentionKind::Decoder);
//!     attention.forward(x.clone(), &attended, None, mask, kind, &mut Pass::inference()).into_data().iter().collect()
//! };
//! // Scores of the first query: 1/√2 and 0. The values are the rows of x, so the output shows the weights.
//! let first = 0.5f32.sqrt().exp() / (0.5f32.sqrt().exp() + 1.0); // 0.67
//! assert!(run(None).iter().zip([first, 1.0 - first, 1.0 - first, first]).all(|(a, b)| (a - b).abs() < 1e-5));
//! assert_eq!(run(Some(&Mask::Causal))[..2], [1.0, 0.0]); // the first query sees itself alone
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use kernels::attention::attention;
pub use kernels::attention::{Scoring, attention_weights};

use crate::cache::KeyValue;
use crate::config::ModelConfig;
use crate::forward_pass::Pass;
use crate::linear;
use crate::mask::Mask;
use crate::recorder::AttentionKind;

/// Multi-head attention (paper, section 3.2.2).
///
/// > "Multi-head attention allows the model to jointly attend to information from different representation subspaces at
/// > different positions."
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// W^Q of all heads, `d_model` to `n_heads * head_size`.
    pub query: Linear,
    /// W^K of all heads, `d_model` to `n_heads * head_size`.
    pub key: Linear,
    /// W^V of all heads, `d_model` to `n_heads * head_size`.
    pub value: Linear,
    /// W^O, `n_heads * head_size` to `d_model`.
    pub output: Linear,
    n_heads: usize,
    divisor: f64,
    dropout: f64,
}

impl MultiHeadAttention {
    /// Attention with all weights zero; [`Transformer::new`](crate::Transformer::new) initialises them.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let width = config.heads_width();
        let into_heads = || linear::linear(config.d_model, width, config.bias, device);
        Self {
            query: into_heads(),
            key: into_heads(),
            value: into_heads(),
            output: linear::linear(width, config.d_model, config.bias, device),
            n_heads: config.n_heads,
            divisor: config.score_divisor(),
            dropout: config.attention_dropout,
        }
    }

    /// Projects `[batch, key_len, d_model]` to keys and values, once for any number of queries.
    pub fn key_value(&self, attended: Tensor<3>) -> KeyValue {
        KeyValue {
            keys: self.split_heads(linear::apply(&self.key, attended.clone())),
            values: self.split_heads(linear::apply(&self.value, attended)),
        }
    }

    /// Attention of each position of `x` (`[batch, query_len, d_model]`) to `attended`; the same shape.
    ///
    /// `bias` is a term of each score by head and distance, `[head, query_len + key_len - 1]`, as in [`Scoring`].
    ///
    /// A pass that records computes the weights of every head; any other pass runs the fused kernel.
    pub fn forward(
        &self,
        x: Tensor<3>,
        attended: &KeyValue,
        bias: Option<&Tensor<2>>,
        mask: Option<&Mask>,
        kind: AttentionKind,
        pass: &mut Pass,
    ) -> Tensor<3> {
        let [batch, query_len, _] = x.dims();
        let scoring = Scoring { divisor: self.divisor, bias: bias.cloned() };
        let queries = self.split_heads(linear::apply(&self.query, x));
        let (keys, values) = (attended.keys.clone(), attended.values.clone());
        let context = if pass.records() {
            let weights = attention_weights(queries.clone(), keys, scoring, mask);
            pass.record(kind, &weights, &queries, attended);
            pass.dropout(weights, self.dropout).matmul(values)
        } else {
            attention(queries, keys, values, scoring, mask, pass.next_dropout(self.dropout))
        }; // [batch, head, query_len, head_size]
        let [_, heads, _, head_size] = context.dims();
        let merged = context.swap_dims(1, 2).reshape([batch, query_len, heads * head_size]);
        linear::apply(&self.output, merged)
    }

    /// `[batch, len, n_heads * head_size]` to `[batch, head, len, head_size]`: a view, no copy.
    fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, len, width] = x.dims();
        x.reshape([batch, len, self.n_heads, width / self.n_heads]).swap_dims(1, 2)
    }
}
