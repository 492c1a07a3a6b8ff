//! What the plain engine remembers of each row.

use std::sync::Arc;

use kernels::decode::AttentionCache;

use super::layers::Scratch;

/// The rows of a batch.
#[derive(Debug, Default)]
pub struct PlainState {
    pub(super) rows: Vec<Row>,
    pub(super) scratch: Scratch,
}

/// One row: a sentence being said.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Target tokens read.
    pub len: usize,
    /// The keys and values of what has been read, by layer.
    pub past: Vec<AttentionCache>,
    /// Those of the source; shared by all rows of a sentence.
    pub memory: Arc<Vec<AttentionCache>>,
}

impl Row {
    /// A row that has read nothing of a sentence whose source is remembered so.
    pub fn new(memory: Vec<AttentionCache>, d_model: usize) -> Self {
        Self { len: 0, past: vec![AttentionCache::new(d_model); memory.len()], memory: Arc::new(memory) }
    }
}

impl PlainState {
    pub(in super::super) fn select(&mut self, rows: &[usize]) {
        let mut uses = vec![0; self.rows.len()];
        rows.iter().for_each(|&row| uses[row] += 1);
        let mut old: Vec<Option<Row>> = std::mem::take(&mut self.rows).into_iter().map(Some).collect();
        // Only what is kept more than once is copied.
        let kept = rows.iter().filter_map(|&row| {
            uses[row] -= 1;
            if uses[row] == 0 { old[row].take() } else { old[row].clone() }
        });
        self.rows = kept.collect();
    }
}
