//! Recordings of a pass through the network: the attention weights of every head and the vectors behind them.

use burn::tensor::Tensor;
use serde::Serialize;

use crate::cache::KeyValue;

/// One of the three attentions of figure 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// Encoder self-attention: source to source.
    Encoder,
    /// Masked decoder self-attention: target to earlier target.
    Decoder,
    /// Cross-attention: target to source.
    Cross,
}

impl AttentionKind {
    /// All three, in the order of [`ByAttention`]'s fields.
    pub const ALL: [Self; 3] = [Self::Encoder, Self::Decoder, Self::Cross];

    /// The name in a sentence, such as `cross-attention`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder self-attention",
            Self::Decoder => "decoder self-attention",
            Self::Cross => "cross-attention",
        }
    }
}

/// One value for each of the three attentions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ByAttention<T> {
    /// Encoder self-attention.
    pub encoder: T,
    /// Decoder self-attention.
    pub decoder: T,
    /// Cross-attention.
    pub cross: T,
}

impl<T> ByAttention<T> {
    /// The value of one attention.
    pub fn get(&self, kind: AttentionKind) -> &T {
        match kind {
            AttentionKind::Encoder => &self.encoder,
            AttentionKind::Decoder => &self.decoder,
            AttentionKind::Cross => &self.cross,
        }
    }

    /// The value of one attention, to be changed.
    pub fn get_mut(&mut self, kind: AttentionKind) -> &mut T {
        match kind {
            AttentionKind::Encoder => &mut self.encoder,
            AttentionKind::Decoder => &mut self.decoder,
            AttentionKind::Cross => &mut self.cross,
        }
    }
}

/// Queries, keys and values of one layer's heads.
#[derive(Clone, Debug)]
pub struct HeadVectors {
    /// `[batch, head, query, head_size]`.
    pub queries: Tensor<4>,
    /// Keys and values, each `[batch, head, key, head_size]`.
    pub attended: KeyValue,
}

/// The destination of a pass's recording.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    /// Per attention, one `[batch, head, query, key]` a layer, before dropout.
    pub maps: &'a mut ByAttention<Vec<Tensor<4>>>,
    /// Per attention, one entry a layer.
    pub vectors: Option<&'a mut ByAttention<Vec<HeadVectors>>>,
}

impl Recorder<'_> {
    /// Records the weights of one layer, `[batch, head, query, key]`, and, if requested, its vectors.
    pub fn record(&mut self, kind: AttentionKind, weights: &Tensor<4>, queries: &Tensor<4>, attended: &KeyValue) {
        self.maps.get_mut(kind).push(weights.clone());
        if let Some(vectors) = &mut self.vectors {
            vectors.get_mut(kind).push(HeadVectors { queries: queries.clone(), attended: attended.clone() });
        }
    }
}
