//! The layers of both stacks (paper, section 3.1).

use std::sync::Arc;

use kernels::decode::{AttentionCache, DistanceBias, Epilogue, Int8Rows, Matrix, Scoring, Workspace, rows};
use model::AttentionKind;

use super::norms::Residual;
use super::recorder::Site;
use super::row::Row;
use super::scratch::Scratch;

/// The table of token embeddings.
#[derive(Clone, Debug)]
pub(super) enum Embedding {
    /// The output projection, which is the same matrix.
    Output,
    /// Another table, `[vocabulary, d_model]`, which both sides may share.
    Own(Arc<Table>),
}

/// A table with a row per token.
#[derive(Debug)]
pub(super) enum Table {
    Float32(Vec<f32>),
    Int8(Int8Rows),
}

impl Table {
    /// Writes the row of a token times `factor`.
    pub fn row(&self, id: u32, factor: f32, row: &mut [f32]) {
        let first = id as usize * row.len();
        match self {
            Self::Float32(values) => {
                row.iter_mut().zip(&values[first..]).for_each(|(x, value)| *x = factor * value);
            }
            Self::Int8(rows) => {
                let factor = factor * rows.scales[id as usize];
                row.iter_mut().zip(&rows.values[first..]).for_each(|(x, &value)| *x = factor * f32::from(value));
            }
        }
    }
}

/// Computes `x · matrixᵀ` in `y`, which is resized.
fn product<'a>(
    x: &[f32],
    matrix: &Matrix,
    then: Epilogue,
    workspace: &mut Workspace,
    y: &'a mut Vec<f32>,
) -> &'a mut [f32] {
    y.resize(x.len() / matrix.d_input() * matrix.d_output(), 0.0);
    workspace.multiply(x, matrix, then, y);
    y
}

/// The heads of an attention.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    pub count: usize,
    /// The factor of q·kᵀ.
    pub scale: f32,
    /// Relative positions of self-attention, which layers may share.
    pub bias: Option<Arc<DistanceBias>>,
}

impl Heads {
    /// The scores of a query at a position.
    fn scoring(&self, position: usize) -> Scoring<'_> {
        let bias = self.bias.as_deref().map(|bias| (bias, position));
        Scoring { n_heads: self.count, scale: self.scale, bias }
    }
}

/// Self-attention: queries, keys and values are one product.
#[derive(Debug)]
pub(super) struct SelfAttention {
    pub projections: Matrix,
    pub output: Matrix,
    pub heads: Heads,
    pub residual: Residual,
}

impl SelfAttention {
    /// Each row attends to the positions that it has read, one more of which is in `x`.
    fn step(&self, x: &mut [f32], rows: &mut [Row], layer: usize, scratch: &mut Scratch) {
        let Scratch { normed, projected, context, change, weights, recorder, workspace, .. } = scratch;
        let SelfAttention { projections, output, heads, residual } = self;
        let width = output.d_input();
        context.resize(rows.len() * width, 0.0);
        let projected = product(residual.before(x, normed), projections, Epilogue::None, workspace, projected);
        let own = projected.chunks_exact(3 * width).zip(context.chunks_exact_mut(width));
        for (at, (row, (own, context))) in rows.iter_mut().zip(own).enumerate() {
            let past = &mut row.past[layer];
            past.push(&own[width..2 * width], &own[2 * width..]);
            let site = Site { kind: AttentionKind::Decoder, layer, scoring: heads.scoring(past.len() - 1), row: at };
            recorder.attend(site, past, &own[..width], weights, context);
        }
        residual.after(x, product(context, output, Epilogue::None, workspace, change));
    }
}

/// A recurrent cell: both products over its input are one.
#[derive(Debug)]
pub(super) struct Ssru {
    /// W, then W_f with b_f.
    pub input_forget: Matrix,
    pub residual: Residual,
}

impl Ssru {
    /// Reads one more position of every row.
    fn step(&self, x: &mut [f32], rows: &mut [Row], layer: usize, scratch: &mut Scratch) {
        let Scratch { normed, projected, change, workspace, .. } = scratch;
        let d_model = self.input_forget.d_input();
        let both = product(self.residual.before(x, normed), &self.input_forget, Epilogue::None, workspace, projected);
        change.resize(x.len(), 0.0);
        for ((row, both), hidden) in
            rows.iter_mut().zip(both.chunks_exact(2 * d_model)).zip(change.chunks_exact_mut(d_model))
        {
            let (new, forget) = both.split_at(d_model);
            for (((state, new), forget), hidden) in row.states[layer].iter_mut().zip(new).zip(forget).zip(hidden) {
                let keep = 1.0 / (1.0 + (-forget).exp());
                *state = keep * *state + (1.0 - keep) * new;
                *hidden = state.max(0.0);
            }
        }
        self.residual.after(x, change);
    }
}

/// The first sub-layer of a decoder layer.
#[derive(Debug)]
pub(super) enum DecoderSelf {
    Attention(SelfAttention),
    Ssru(Ssru),
}

/// Cross-attention.
#[derive(Debug)]
pub(super) struct CrossAttention {
    pub query: Matrix,
    pub key_value: Matrix,
    pub output: Matrix,
    pub heads: Heads,
    pub residual: Residual,
}

/// The non-linearity between the two matrices of the position-wise network.
#[derive(Debug)]
pub(super) enum Nonlinearity {
    Relu,
    Gelu,
    Silu,
    /// `silu(gate(x)) · inner(x)`, with the matrix of the gate.
    Swiglu(Matrix),
    GeluTanh,
    /// `gelu_tanh(gate(x)) · inner(x)`, with the matrix of the gate.
    GegluTanh(Matrix),
}

/// The position-wise network.
#[derive(Debug)]
pub(super) struct FeedForward {
    pub inner: Matrix,
    pub nonlinearity: Nonlinearity,
    pub output: Matrix,
    pub residual: Residual,
}

impl FeedForward {
    fn forward(&self, x: &mut [f32], scratch: &mut Scratch) {
        let Scratch { normed, projected, gate, change, workspace, .. } = scratch;
        let read = self.residual.before(x, normed);
        let inner = match &self.nonlinearity {
            Nonlinearity::Relu => product(read, &self.inner, Epilogue::Relu, workspace, projected),
            Nonlinearity::Gelu => {
                let inner = product(read, &self.inner, Epilogue::None, workspace, projected);
                rows::gelu(inner);
                inner
            }
            Nonlinearity::Silu => {
                let inner = product(read, &self.inner, Epilogue::None, workspace, projected);
                rows::silu(inner);
                inner
            }
            Nonlinearity::Swiglu(matrix) => {
                let inner = product(read, &self.inner, Epilogue::None, workspace, projected);
                rows::swiglu(product(read, matrix, Epilogue::None, workspace, gate), inner);
                inner
            }
            Nonlinearity::GeluTanh => {
                let inner = product(read, &self.inner, Epilogue::None, workspace, projected);
                rows::gelu_tanh(inner);
                inner
            }
            Nonlinearity::GegluTanh(matrix) => {
                let inner = product(read, &self.inner, Epilogue::None, workspace, projected);
                rows::geglu_tanh(product(read, matrix, Epilogue::None, workspace, gate), inner);
                inner
            }
        };
        self.residual.after(x, product(inner, &self.output, Epilogue::None, workspace, change));
    }
}

#[derive(Debug)]
pub(super) struct EncoderLayer {
    pub self_attention: SelfAttention,
    pub feed_forward: FeedForward,
}

impl EncoderLayer {
    /// Transforms `x`, which holds sentences of these lengths, one after the other.
    pub fn forward(&self, x: &mut [f32], lengths: &[usize], layer: usize, scratch: &mut Scratch) {
        let Scratch { normed, projected, context, change, weights, recorder, workspace, .. } = scratch;
        let SelfAttention { projections, output, heads, residual } = &self.self_attention;
        let width = output.d_input();
        let mut rest = &*product(residual.before(x, normed), projections, Epilogue::None, workspace, projected);
        context.resize(rest.len() / 3, 0.0);
        let mut contexts = context.chunks_exact_mut(width);
        let mut sentence = AttentionCache::new(width);
        for len in lengths {
            let (rows, others) = rest.split_at(len * 3 * width);
            sentence.clear();
            for row in rows.chunks_exact(3 * width) {
                sentence.push(&row[width..2 * width], &row[2 * width..]);
            }
            for (position, (row, context)) in rows.chunks_exact(3 * width).zip(&mut contexts).enumerate() {
                let site = Site { kind: AttentionKind::Encoder, layer, scoring: heads.scoring(position), row: 0 };
                recorder.attend(site, &sentence, &row[..width], weights, context);
            }
            recorder.record_keys_values(AttentionKind::Encoder, layer, &sentence);
            rest = others;
        }
        residual.after(x, product(context, output, Epilogue::None, workspace, change));
        self.feed_forward.forward(x, scratch);
    }
}

#[derive(Debug)]
pub(super) struct DecoderLayer {
    pub first: DecoderSelf,
    pub cross_attention: CrossAttention,
    pub feed_forward: FeedForward,
}

impl DecoderLayer {
    /// The keys and values of cross-attention over the memory, which holds sentences of these lengths.
    pub fn memories(&self, memory: &[f32], lengths: &[usize], scratch: &mut Scratch) -> Vec<AttentionCache> {
        let width = self.cross_attention.output.d_input();
        let Scratch { projected, workspace, .. } = scratch;
        let both = product(memory, &self.cross_attention.key_value, Epilogue::None, workspace, projected);
        let mut rows = both.chunks_exact(2 * width);
        let sentence = |len: &usize| {
            let mut cache = AttentionCache::new(width);
            rows.by_ref().take(*len).for_each(|row| cache.push(&row[..width], &row[width..]));
            cache
        };
        lengths.iter().map(sentence).collect()
    }

    /// Transforms one more position of every row.
    pub fn step(&self, x: &mut [f32], rows: &mut [Row], layer: usize, scratch: &mut Scratch) {
        match &self.first {
            DecoderSelf::Attention(attention) => attention.step(x, rows, layer, scratch),
            DecoderSelf::Ssru(cell) => cell.step(x, rows, layer, scratch),
        }

        let Scratch { normed, projected, context, change, weights, recorder, workspace, .. } = scratch;
        let CrossAttention { query, output, heads, residual, .. } = &self.cross_attention;
        let width = output.d_input();
        context.resize(rows.len() * width, 0.0);
        let queries = product(residual.before(x, normed), query, Epilogue::None, workspace, projected);
        let own = queries.chunks_exact(width).zip(context.chunks_exact_mut(width));
        for (at, (row, (query, context))) in rows.iter().zip(own).enumerate() {
            let site = Site { kind: AttentionKind::Cross, layer, scoring: heads.scoring(0), row: at };
            recorder.attend(site, &row.memory[layer], query, weights, context);
        }
        residual.after(x, product(context, output, Epilogue::None, workspace, change));

        self.feed_forward.forward(x, scratch);
    }
}
