//! The tables of tokens and positions.

use std::sync::Arc;

use kernels::decode::{DistanceBias, Matrix};
use model::config::{PositionKind, Tie};
use model::position::{SinusoidLayout, sinusoids};
use model::relative_position::bucket;
use model::weights::WeightsError;
use model::{ModelConfig, VocabularySizes};

use super::Loader;
use crate::engine::cpu::layers::Embedding;

impl Loader<'_> {
    /// The tables of source and target, and the output projection.
    pub(super) fn embeddings(&mut self) -> Result<(Embedding, Embedding, Matrix), WeightsError> {
        let VocabularySizes { source, target } = self.sizes;
        let ModelConfig { d_model, tie, .. } = *self.config;
        let mut read = |name: &str, rows: usize| self.read_stored(&format!("embeddings.{name}"), &[rows, d_model]);
        let (source, target, output) = match tie {
            Tie::All => (None, None, read("shared", target)?),
            Tie::Decoder => (Some(read("source", source)?), None, read("target", target)?),
            Tie::None => (Some(read("source", source)?), Some(read("target", target)?), read("output", target)?),
            Tie::Inputs => (Some(read("shared", target)?), None, read("output", target)?),
        };
        let source = source.map_or(Embedding::Output, |source| Embedding::Own(self.table(source)));
        let target = match (tie, target, &source) {
            (Tie::Inputs, _, Embedding::Own(shared)) => Embedding::Own(shared.clone()),
            (_, Some(target), _) => Embedding::Own(self.table(target)),
            (_, None, _) => Embedding::Output,
        };
        let bias = match self.config.output_bias {
            true => Some(self.read("embeddings.output_bias", &[self.sizes.target])?),
            false => None,
        };
        Ok((source, target, self.matrix(vec![(output, bias)], d_model)))
    }

    /// The vector of each position, if positions have vectors.
    pub(super) fn positions(&mut self, name: &str) -> Result<Option<Vec<f32>>, WeightsError> {
        let ModelConfig { positions, position_offset, max_length, d_model, .. } = *self.config;
        let fixed = |layout| Ok(Some(sinusoids(layout, position_offset, max_length, d_model)));
        match positions {
            PositionKind::Learned => Ok(Some(self.read(&format!("{name}.table"), &[max_length, d_model])?)),
            PositionKind::Sinusoidal => fixed(SinusoidLayout::Interleaved),
            PositionKind::SinusoidalHalves => fixed(SinusoidLayout::Halves),
            PositionKind::SinusoidalFairseq => fixed(SinusoidLayout::Fairseq),
            PositionKind::Relative | PositionKind::RelativePerLayer => Ok(None),
        }
    }

    /// The relative positions of each layer of a stack, if it has any.
    pub(super) fn relative_positions(
        &mut self,
        stack: &str,
        config: &ModelConfig,
        layers: usize,
        both_directions: bool,
    ) -> Result<Vec<Option<Arc<DistanceBias>>>, WeightsError> {
        let count = config.relative_tables(layers);
        if count == 0 {
            return Ok(vec![None; layers]);
        }
        let ModelConfig { relative_buckets: buckets, relative_max_distance: reach, n_heads, .. } = *config;
        let mut biases = Vec::with_capacity(layers);
        for index in 0..count {
            let terms = self.read(&format!("{stack}.relative_positions.{index}.bias"), &[buckets, n_heads])?;
            let distances = || -(reach as isize)..=reach as isize;
            let term =
                |head: usize, distance| terms[bucket(distance, buckets, reach, both_directions) * n_heads + head];
            let values = (0..n_heads).flat_map(|head| distances().map(move |distance| (head, distance)));
            let values = values.map(|(head, distance)| term(head, distance)).collect();
            biases.push(Some(Arc::new(DistanceBias::new(values, n_heads, reach))));
        }
        biases.resize(layers, biases[0].clone());
        Ok(biases)
    }
}
