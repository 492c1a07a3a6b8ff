//! One row of a batch on the CPU engine.

use std::sync::Arc;

use kernels::decode::AttentionCache;

/// One row: a target that grows.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Source tokens, `</s>` included.
    pub source_len: usize,
    /// Target tokens read.
    pub len: usize,
    /// Keys and values of the target tokens read, by layer.
    pub past: Vec<AttentionCache>,
    /// Keys and values of the source, by layer; shared by all rows of a sentence.
    pub memory: Arc<Vec<AttentionCache>>,
}

impl Row {
    /// A row that has read no target token, over the memory of a source. Keys and values of the target are `width` wide.
    pub fn new(source_len: usize, memory: Vec<AttentionCache>, width: usize) -> Self {
        let past = vec![AttentionCache::new(width); memory.len()];
        Self { source_len, len: 0, past, memory: Arc::new(memory) }
    }
}
