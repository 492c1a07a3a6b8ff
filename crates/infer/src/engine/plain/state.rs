//! What the plain engine remembers of each row.

use std::sync::Arc;

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
    /// Per layer the keys and values of what has been read, `[len, 2 * d_model]`.
    pub past: Vec<Vec<f32>>,
    /// Per layer those of the source, `[source_len, 2 * d_model]`; shared by all rows of a sentence.
    pub memory: Arc<Vec<Vec<f32>>>,
}

impl Row {
    pub fn new(memory: Vec<Vec<f32>>, layers: usize) -> Self {
        Self { len: 0, past: vec![Vec::new(); layers], memory: Arc::new(memory) }
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
