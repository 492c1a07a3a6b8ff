//! One row of a batch on the CPU engine.

use std::sync::Arc;

use kernels::decode::AttentionCache;
use model::config::DecoderSelf;

/// One row: a target that grows.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Source tokens, `</s>` included.
    pub source_len: usize,
    /// Target tokens read.
    pub len: usize,
    /// Keys and values of the target tokens read, by layer; empty with recurrent cells.
    pub past: Vec<AttentionCache>,
    /// State of the recurrent cell, by layer; empty with self-attention.
    pub states: Vec<Vec<f32>>,
    /// Keys and values of the source, by layer; shared by all rows of a sentence.
    pub memory: Arc<Vec<AttentionCache>>,
}

impl Row {
    /// A row that has read no target token, over the memory of a source. Keys and values of the target, or the states of
    /// recurrent cells, are `width` wide.
    pub fn new(source_len: usize, memory: Vec<AttentionCache>, kind: DecoderSelf, width: usize) -> Self {
        let layers = memory.len();
        let (past, states) = match kind {
            DecoderSelf::Attention => (vec![AttentionCache::new(width); layers], Vec::new()),
            DecoderSelf::Ssru => (Vec::new(), vec![vec![0.0; width]; layers]),
        };
        Self { source_len, len: 0, past, states, memory: Arc::new(memory) }
    }
}
