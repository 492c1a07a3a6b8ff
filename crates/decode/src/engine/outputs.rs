//! The target tokens that a batch may use, if not all.

use burn::tensor::{Device, Int, Tensor, TensorData};
use kernels::upload::upload_together;
use model::embedding::{Embeddings, OutputRows};

/// The target tokens that a batch may use.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The tokens. Logits are in this order, and a chosen token is its index here. The last is never chosen.
    pub tokens: Vec<u32>,
    /// For each source, the indices of the tokens that it may not use: their logits are −∞.
    pub excluded: Vec<Vec<usize>>,
}

/// The outputs that the rows of a batch may not use, on the host.
pub(super) struct Excluded {
    outputs: usize,
    of_source: Vec<Vec<usize>>,
    /// The source of each row.
    sources: Vec<usize>,
}

impl Excluded {
    /// Of one row for each source.
    pub fn new(outputs: &Outputs) -> Self {
        let Outputs { tokens, excluded } = outputs;
        Self { outputs: tokens.len(), of_source: excluded.clone(), sources: (0..excluded.len()).collect() }
    }

    /// Excludes them from logits, `[rows, outputs]`.
    pub fn apply(&self, logits: &mut [f32]) {
        for (row, &source) in logits.chunks_exact_mut(self.outputs).zip(&self.sources) {
            self.of_source[source].iter().for_each(|&index| row[index] = f32::NEG_INFINITY);
        }
    }

    /// Keeps the given rows, in the given order.
    pub fn select(&mut self, rows: &[usize]) {
        self.sources = rows.iter().map(|&row| self.sources[row]).collect();
    }
}

/// The outputs of a batch on a device.
pub(super) struct DeviceOutputs {
    rows: OutputRows,
    /// `[outputs]`.
    tokens: Tensor<1, Int>,
    /// 0, or −∞ for an output that a row may not use, `[rows, outputs]`; `None` if every row may use all.
    excluded: Option<Tensor<2>>,
}

impl DeviceOutputs {
    /// Of one row for each source.
    pub fn new(outputs: &Outputs, embeddings: &Embeddings, device: &Device) -> Self {
        let Outputs { tokens, excluded } = outputs;
        let width = tokens.len();
        let ids = tokens.iter().map(|&id| id as i32).collect();
        let tokens = upload_together(vec![ids], device).remove(0);
        let mut terms = vec![0.0; excluded.len() * width];
        for (row, excluded) in terms.chunks_exact_mut(width).zip(excluded) {
            excluded.iter().for_each(|&index| row[index] = f32::NEG_INFINITY);
        }
        let any = excluded.iter().any(|excluded| !excluded.is_empty());
        let excluded = any.then(|| Tensor::from_data(TensorData::new(terms, [excluded.len(), width]), device));
        Self { rows: embeddings.output_rows(tokens.clone()), tokens, excluded }
    }

    /// The logits of hidden states `[rows, d_model]`, `[rows, outputs]`.
    pub fn logits(&self, hidden: Tensor<2>, embeddings: &Embeddings) -> Tensor<2> {
        let logits = embeddings.logits_of(hidden, &self.rows);
        match &self.excluded {
            Some(excluded) => logits + excluded.clone(),
            None => logits,
        }
    }

    /// The tokens of chosen outputs, `[rows]`.
    pub fn tokens(&self, chosen: Tensor<1, Int>) -> Tensor<1, Int> {
        self.tokens.clone().select(0, chosen)
    }

    /// Keeps the given rows, in the given order.
    pub fn select(&mut self, rows: &[usize]) {
        if let Some(excluded) = &mut self.excluded {
            let ids = rows.iter().map(|&row| row as i32).collect();
            let rows = upload_together(vec![ids], &excluded.device()).remove(0);
            excluded.inplace(|excluded| excluded.select(0, rows));
        }
    }
}
