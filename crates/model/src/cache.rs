//! The state of incremental decoding: a plain value, nothing hidden in layers.
//!
//! > "At each step the model is auto-regressive, consuming the previously generated symbols as additional input when
//! > generating the next." (section 3)
//!
//! Keys and values of self-attention are written in place into buffers that double when full. Those of cross-attention
//! are computed once, from the memory, and belong to the source of a row: while every row keeps its source, as in the beam
//! of a sentence, only self-attention is reordered.
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use model::batch::SourceBatch;
//! use model::{Batch, ModelConfig, Pass, Transformer, VocabularySizes};
//!
//! let device = Device::flex();
//! let config = ModelConfig { d_model: 8, n_heads: 2, d_ff: 16, max_length: 8, ..ModelConfig::default() };
//! let sizes = VocabularySizes::joint(6); // `<pad>` is 5
//! let model = Transformer::new(&config, sizes, 1, &device).unwrap();
//! let mut pass = Pass::inference();
//!
//! // Step by step: the decoder reads `<pad>`, then the target's first token, 3.
//! let memory = model.encode(SourceBatch::new(&[&[2, 4, 0]], sizes, &device), &mut pass);
//! let mut cache = model.cache(&memory);
//! let mut step = |token: i32| -> Vec<f32> {
//!     let token = Tensor::<1, Int>::from_ints([token], &device);
//!     model.step(token, &mut cache, &mut Pass::inference()).into_data().iter().collect()
//! };
//! let steps = [step(5), step(3)].concat();
//! assert_eq!(cache.len(), 2);
//!
//! // The whole target at once gives the same logits.
//! let batch = Batch::new(&[(&[2, 4, 0], &[3, 0])], sizes, &device);
//! let whole: Vec<f32> = model.forward(&batch, &mut pass).into_data().iter().collect();
//! assert!(steps.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5));
//! ```

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::mask::Mask;

/// Keys and values of an attention, split into heads: each `[batch, head, len, head_size]`.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// The vectors that queries are compared with.
    pub keys: Tensor<4>,
    /// The vectors that are averaged by the weights.
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
    /// The source of each row, a number in the batch that was encoded.
    sources: Vec<usize>,
}

/// The state of one decoder layer.
#[derive(Clone, Debug)]
pub struct LayerCache {
    past: Past,
    /// Keys and values of the memory, `[batch, head, source_len, head_size]`.
    pub(crate) memory: KeyValue,
}

/// What a layer keeps of the tokens that it has read.
#[derive(Clone, Debug)]
enum Past {
    /// Keys and values of self-attention, those of all heads before these: `[batch, 2 * head, capacity, head_size]`. One
    /// buffer, so that one copy reorders a layer. The first `len` positions are filled.
    KeyValue(Tensor<4>),
    /// The state of a recurrent cell, `[batch, 1, d_model]`.
    State(Tensor<3>),
}

impl DecoderCache {
    /// The cache of `batch` rows, each of its own source, that have read no token.
    pub(crate) fn new(layers: Vec<LayerCache>, memory_mask: Option<Mask>, batch: usize) -> Self {
        Self { layers, memory_mask, len: 0, sources: (0..batch).collect() }
    }

    /// The number of decoded tokens.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token has been decoded yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps the given rows of the batch, in the given order; a row may repeat. A buffer a layer is copied, that of the
    /// tokens read; two more, those of the memory, only if a row changes its source. Returns whether one does.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn select(&mut self, rows: &[usize], device: &Device) -> bool {
        if rows.iter().copied().eq(0..self.sources.len()) {
            return false;
        }
        let ids: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(ids, [rows.len()]), device);
        let sources: Vec<usize> = rows.iter().map(|&row| self.sources[row]).collect();
        let same_sources = sources == self.sources;
        for layer in &mut self.layers {
            layer.past = match &layer.past {
                Past::KeyValue(buffer) => Past::KeyValue(buffer.clone().select(0, indices.clone())),
                Past::State(state) => Past::State(state.clone().select(0, indices.clone())),
            };
            if !same_sources {
                layer.memory = layer.memory.select(&indices);
            }
        }
        if !same_sources {
            self.memory_mask = self.memory_mask.as_ref().map(|mask| mask.select(rows));
            self.sources = sources;
        }
        !same_sources
    }
}

impl LayerCache {
    /// The cache of a layer with self-attention.
    pub(crate) fn of_attention(memory: KeyValue) -> Self {
        let [batch, heads, _, head_size] = memory.keys.dims();
        let empty = Tensor::zeros([batch, 2 * heads, FIRST_CAPACITY, head_size], &memory.keys.device());
        Self { past: Past::KeyValue(empty), memory }
    }

    /// The cache of a layer with a recurrent cell in this state, `[batch, 1, d_model]`.
    pub(crate) fn of_cell(state: Tensor<3>, memory: KeyValue) -> Self {
        Self { past: Past::State(state), memory }
    }

    /// Writes one step's keys and values at position `at` and returns all up to it.
    ///
    /// # Panics
    /// If the layer has no self-attention.
    pub(crate) fn append(&mut self, step: KeyValue, at: usize) -> KeyValue {
        halves(write(self.buffer(), step, at), at + 1)
    }

    /// As [`append`](Self::append), but returns the whole buffer, whose shape does not change with every token.
    ///
    /// # Panics
    /// As [`append`](Self::append).
    pub(crate) fn append_to_buffer(&mut self, step: KeyValue, at: usize) -> KeyValue {
        let buffer = write(self.buffer(), step, at);
        let [_, _, capacity, _] = buffer.dims();
        halves(buffer, capacity)
    }

    fn buffer(&mut self) -> &mut Tensor<4> {
        match &mut self.past {
            Past::KeyValue(buffer) => buffer,
            Past::State(_) => panic!("keys and values belong to self-attention"),
        }
    }

    /// The state of the recurrent cell.
    ///
    /// # Panics
    /// If the layer has none.
    pub(crate) fn state(&mut self) -> &mut Tensor<3> {
        match &mut self.past {
            Past::State(state) => state,
            Past::KeyValue(_) => panic!("a state belongs to a recurrent cell"),
        }
    }
}

/// Initial capacity in tokens; doubled whenever the buffer is full.
const FIRST_CAPACITY: usize = 32;

/// The capacity of a buffer with `len` tokens.
pub(crate) fn capacity(len: usize) -> usize {
    FIRST_CAPACITY * len.div_ceil(FIRST_CAPACITY).next_power_of_two()
}

/// Writes keys and values of one position into `buffer` at `at`; in place if nothing else holds the buffer.
fn write(buffer: &mut Tensor<4>, step: KeyValue, at: usize) -> Tensor<4> {
    let [batch, both, capacity, head_size] = buffer.dims();
    if at == capacity {
        let room = Tensor::zeros([batch, both, capacity, head_size], &buffer.device());
        *buffer = Tensor::cat(vec![buffer.clone(), room], 2);
    }
    for (heads, part) in [(0..both / 2, step.keys), (both / 2..both, step.values)] {
        buffer.inplace(|buffer| buffer.slice_assign([0..batch, heads, at..at + 1, 0..head_size], part));
    }
    buffer.clone()
}

/// The first `len` keys and values of a buffer: views.
fn halves(buffer: Tensor<4>, len: usize) -> KeyValue {
    let [batch, both, _, head_size] = buffer.dims();
    let part = |heads| buffer.clone().slice([0..batch, heads, 0..len, 0..head_size]);
    KeyValue { keys: part(0..both / 2), values: part(both / 2..both) }
}
