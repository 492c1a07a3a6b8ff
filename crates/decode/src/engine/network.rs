//! The network itself, on any device.

use burn::tensor::{Device, Int, Tensor, TensorData};
use model::batch::SourceBatch;
use model::cache::DecoderCache;
use model::{Pass, Transformer, VocabularySizes};

use crate::error::DecodeError;

/// A network with what it needs to be decoded with.
#[derive(Debug)]
pub struct TensorModel {
    pub network: Transformer,
    pub sizes: VocabularySizes,
    pub device: Device,
}

#[derive(Debug)]
pub struct TensorState {
    cache: DecoderCache,
    device: Device,
}

impl TensorModel {
    pub(super) fn start(&self, sources: &[&[u32]]) -> TensorState {
        let sources = SourceBatch::new(sources, self.sizes, &self.device);
        let memory = self.network.encode(sources, &mut Pass::inference());
        TensorState { cache: self.network.cache(&memory), device: self.device.clone() }
    }

    pub(super) fn step(
        &self,
        tokens: &[u32],
        state: &mut TensorState,
        logits: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        let ids: Vec<i32> = tokens.iter().map(|&id| id as i32).collect();
        let read = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens.len()]), &self.device);
        let next = self.network.step(read, &mut state.cache, &mut Pass::inference());
        *logits = next.try_into_vec_as::<f32>().map_err(|error| DecodeError::Device(error.to_string()))?;
        Ok(())
    }
}

impl TensorState {
    pub(super) fn select(&mut self, rows: &[usize]) {
        self.cache.select(rows, &self.device);
    }
}
