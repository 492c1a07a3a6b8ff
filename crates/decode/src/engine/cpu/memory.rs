//! The bytes of the engine's weights in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernels::decode::Matrix;

use super::CpuEngine;
use super::layers::{DecoderSelf, Embedding, FeedForward, Heads, Nonlinearity, SelfAttention, Ssru, Table};
use super::norms::{Norm, Residual};

const FLOAT: usize = size_of::<f32>();

/// A sum in which shared tables count once.
#[derive(Default)]
struct Bytes {
    total: usize,
    /// Bytes of shared tables by their address.
    shared: BTreeMap<usize, usize>,
}

impl CpuEngine {
    /// The bytes of all weights as they are laid out.
    pub(super) fn count_bytes(&self) -> usize {
        let mut bytes = Bytes::default();
        bytes.matrix(&self.output);
        for embedding in [&self.source, &self.target] {
            bytes.embedding(embedding);
        }
        for positions in [&self.source_positions, &self.target_positions] {
            bytes.total += positions.as_ref().map_or(0, |positions| positions.len() * FLOAT);
        }
        let norms = &self.norms;
        for norm in [&norms.source, &norms.target, &norms.encoder, &norms.decoder].into_iter().flatten() {
            bytes.norm(norm);
        }
        for layer in &self.encoder {
            bytes.self_attention(&layer.self_attention);
            bytes.feed_forward(&layer.feed_forward);
        }
        for layer in &self.decoder {
            match &layer.first {
                DecoderSelf::Attention(attention) => bytes.self_attention(attention),
                DecoderSelf::Ssru(Ssru { input_forget, residual }) => {
                    bytes.matrix(input_forget);
                    bytes.residual(residual);
                }
            }
            let cross = &layer.cross_attention;
            for matrix in [&cross.query, &cross.key_value, &cross.output] {
                bytes.matrix(matrix);
            }
            bytes.heads(&cross.heads);
            bytes.residual(&cross.residual);
            bytes.feed_forward(&layer.feed_forward);
        }
        bytes.total + bytes.shared.values().sum::<usize>()
    }
}

impl Bytes {
    fn matrix(&mut self, matrix: &Matrix) {
        self.total += matrix.bytes();
    }

    fn norm(&mut self, norm: &Norm) {
        self.total += (norm.gamma.len() + norm.beta.as_ref().map_or(0, Vec::len)) * FLOAT;
    }

    fn residual(&mut self, residual: &Residual) {
        self.norm(&residual.norm);
    }

    fn heads(&mut self, heads: &Heads) {
        if let Some(bias) = &heads.bias {
            self.shared.insert(Arc::as_ptr(bias) as usize, bias.bytes());
        }
    }

    fn embedding(&mut self, embedding: &Embedding) {
        match embedding {
            // The output projection, which is counted.
            Embedding::Output => {}
            Embedding::Own(table) => {
                let bytes = match &**table {
                    Table::Float32(values) => values.len() * FLOAT,
                    Table::Int8(rows) => rows.values.len() + rows.scales.len() * FLOAT,
                };
                self.shared.insert(Arc::as_ptr(table) as usize, bytes);
            }
        }
    }

    fn self_attention(&mut self, attention: &SelfAttention) {
        self.matrix(&attention.projections);
        self.matrix(&attention.output);
        self.heads(&attention.heads);
        self.residual(&attention.residual);
    }

    fn feed_forward(&mut self, network: &FeedForward) {
        self.matrix(&network.inner);
        self.matrix(&network.output);
        match &network.nonlinearity {
            Nonlinearity::Swiglu(gate) | Nonlinearity::GegluTanh(gate) => self.matrix(gate),
            Nonlinearity::Relu | Nonlinearity::Gelu | Nonlinearity::Silu | Nonlinearity::GeluTanh => {}
        }
        self.residual(&network.residual);
    }
}
