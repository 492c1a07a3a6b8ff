//! What incremental decoding remembers: a plain value, nothing hidden in layers.
//!
//! Self-attention keys and values are written in place into buffers that double when full; those of cross-attention are
//! computed once, from the memory.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::mask::Mask;

/// What is attended to, split into heads: each `[batch, head, len, head_size]`.
#[derive(Clone, Debug)]
pub struct KeyValue {
    pub keys: Tensor<4>,
    pub values: Tensor<4>,
}

impl KeyValue {
    /// The given rows of the batch, in the given order.
    pub fn select(&self, rows: &Tensor<1, Int>) -> Self {
        Self { keys: self.keys.clone().select(0, rows.clone()), values: self.values.clone().select(0, rows.clone()) }
    }
}

/// The state of decoding a batch, one token at a time.
#[derive(Clone, Debug)]
pub struct DecoderCache {
    pub(crate) layers: Vec<LayerCache>,
    pub(crate) memory_mask: Option<Mask>,
    pub(crate) len: usize,
}

/// One decoder layer's share of the state.
#[derive(Clone, Debug)]
pub struct LayerCache {
    /// Past keys and values, `[batch, head, capacity, head_size]`; the first `len` positions are filled.
    buffer: KeyValue,
    /// Keys and values of the memory, `[batch, head, source_len, head_size]`.
    pub(crate) memory: KeyValue,
}

impl DecoderCache {
    /// How many tokens have been decoded.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token has been decoded yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps the given rows of the batch, in the given order: finished rows leave, beams move, repeat or vanish.
    pub fn select(&mut self, rows: &[usize], device: &Device) {
        let ids: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(ids, [rows.len()]), device);
        for layer in &mut self.layers {
            layer.buffer = layer.buffer.select(&indices);
            layer.memory = layer.memory.select(&indices);
        }
        self.memory_mask = self.memory_mask.as_ref().map(|mask| mask.select(rows));
    }
}

impl LayerCache {
    pub(crate) fn new(memory: KeyValue) -> Self {
        let [batch, heads, _, head_size] = memory.keys.dims();
        let empty = || Tensor::zeros([batch, heads, FIRST_CAPACITY, head_size], &memory.keys.device());
        Self { buffer: KeyValue { keys: empty(), values: empty() }, memory }
    }

    /// Writes one step's keys and values at position `at` and returns all up to it.
    pub(crate) fn append(&mut self, step: KeyValue, at: usize) -> KeyValue {
        KeyValue {
            keys: write(&mut self.buffer.keys, step.keys, at),
            values: write(&mut self.buffer.values, step.values, at),
        }
    }
}

/// Room for this many tokens at first; doubled whenever it is full.
const FIRST_CAPACITY: usize = 32;

/// Writes `step` (one position) into `buffer` at `at`, in place where nobody else holds the buffer, and returns a view
/// of everything up to it.
fn write(buffer: &mut Tensor<4>, step: Tensor<4>, at: usize) -> Tensor<4> {
    let [batch, heads, capacity, head_size] = buffer.dims();
    if at == capacity {
        let room = Tensor::zeros([batch, heads, capacity, head_size], &buffer.device());
        *buffer = Tensor::cat(vec![buffer.clone(), room], 2);
    }
    buffer.inplace(|buffer| buffer.slice_assign([0..batch, 0..heads, at..at + 1, 0..head_size], step));
    buffer.clone().slice([0..batch, 0..heads, 0..at + 1, 0..head_size])
}
