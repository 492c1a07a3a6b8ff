//! The keys that each query sees, read from a mask.

use burn::tensor::{Bool, Tensor};

use crate::mask::Mask;

/// The number of keys that each query sees, from the first on: padding and the future hide only the last keys.
#[derive(Debug)]
pub struct VisibleKeys {
    /// `[batch, query]`; a dimension of length 1 holds for all.
    counts: Vec<usize>,
    batch: usize,
    queries: usize,
}

impl VisibleKeys {
    /// The visible keys of a mask; `None` if it hides keys before visible ones, or differs between heads.
    pub fn from_mask(mask: Option<&Mask>, queries: &Tensor<4>, keys: &Tensor<4>) -> Option<Self> {
        let ([batch, _, query_len, _], [_, _, key_len, _]) = (queries.dims(), keys.dims());
        let fits = |rows: usize| rows == 1 || rows == batch;
        match mask {
            None => Some(Self { counts: vec![key_len], batch: 1, queries: 1 }),
            Some(Mask::First(visible)) => Some(Self { counts: vec![(*visible).min(key_len)], batch: 1, queries: 1 }),
            Some(Mask::Causal) => {
                let counts = (1..=query_len).map(|count| count.min(key_len)).collect();
                Some(Self { counts, batch: 1, queries: query_len })
            }
            Some(Mask::Padding(lengths)) => {
                let lengths = lengths.as_slice();
                let counts = lengths.iter().map(|&len| len.min(key_len)).collect();
                fits(lengths.len()).then_some(Self { counts, batch: lengths.len(), queries: 1 })
            }
            Some(Mask::CausalPadding(lengths)) => {
                let lengths = lengths.as_slice();
                let row = |&len: &usize| (1..=query_len).map(move |count| count.min(len).min(key_len));
                let counts = lengths.iter().flat_map(row).collect();
                fits(lengths.len()).then_some(Self { counts, batch: lengths.len(), queries: query_len })
            }
            Some(Mask::Explicit(hidden)) => Self::from_tensor(hidden, batch, query_len, key_len),
        }
    }

    /// Reads a mask that broadcasts to `[batch, head, query, key]`.
    fn from_tensor(hidden: &Tensor<4, Bool>, batch: usize, query_len: usize, key_len: usize) -> Option<Self> {
        let [masks, heads, queries, keys] = hidden.dims();
        let fits = keys == key_len && (masks == 1 || masks == batch) && (queries == 1 || queries == query_len);
        if heads != 1 || !fits {
            return None;
        }
        let data = hidden.to_data();
        let hidden: Vec<bool> = data.iter::<bool>().collect();
        let count = |row: &[bool]| {
            let visible = row.iter().position(|&hidden| hidden).unwrap_or(key_len);
            row[visible..].iter().all(|&hidden| hidden).then_some(visible)
        };
        let counts = hidden.chunks_exact(key_len.max(1)).map(count).collect::<Option<_>>()?;
        Some(Self { counts, batch: masks, queries })
    }

    /// The number of keys that a query sees.
    pub fn count(&self, batch: usize, query: usize) -> usize {
        let (batch, query) = (if self.batch == 1 { 0 } else { batch }, if self.queries == 1 { 0 } else { query });
        self.counts[batch * self.queries + query]
    }
}
