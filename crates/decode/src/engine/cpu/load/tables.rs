//! The tables of tokens and positions.

use std::sync::Arc;

use kernels::decode::{DistanceBias, Matrix};
use model::config::{PositionKind, Tie};
use model::position::{SinusoidLayout, sinusoids};
use model::relative_position::bucket;
use model::weights::WeightsError;
use model::{ModelConfig, VocabularySizes};

use super::Loader;
use super::matrices::Layer;
use crate::engine::cpu::layers::Embedding;

impl Loader<'_> {
    /// The tables of source and target, and the output projection.
    pub(super) fn embeddings(&mut self) -> Result<(Embedding, Embedding, Matrix), WeightsError> {
        let VocabularySizes { source, target } = self.sizes;
        let ModelConfig { d_model, tie, .. } = *self.config;
        let mut own = |name: &str, rows: usize| {
            let values = self.read_stored(&format!("embeddings.{name}"), &[rows, d_model])?;
            Ok::<_, WeightsError>(Embedding::Own(self.table(values)))
        };
        let (source, target, output) = match tie {
            Tie::All => (Embedding::Output, Embedding::Output, "shared"),
            Tie::Decoder => (own("source", source)?, Embedding::Output, "target"),
            Tie::None => (own("source", source)?, own("target", target)?, "output"),
            Tie::Inputs => {
                let shared = own("shared", target)?;
                (shared.clone(), shared, "output")
            }
        };
        let rows = self.sizes.target;
        let bias = match self.config.output_bias {
            true => Some(self.read("embeddings.output_bias", &[rows])?),
            false => None,
        };
        let layer = Layer { weight: format!("embeddings.{output}"), d_output: rows, bias };
        Ok((source, target, self.matrix(vec![layer], d_model)?))
    }

    /// The vector of each position, if positions have vectors.
    pub(super) fn positions(&mut self, name: &str) -> Result<Option<Vec<f32>>, WeightsError> {
        let ModelConfig { positions, position_offset, max_length, d_model, .. } = *self.config;
        let fixed = |layout| Ok(Some(sinusoids(layout, position_offset, max_length, d_model)));
        match positions {
            PositionKind::Learned => Ok(Some(self.read(&format!("{name}.table"), &[max_length, d_model])?)),
            PositionKind::Sinusoidal | PositionKind::SinusoidalRelative => fixed(SinusoidLayout::Interleaved),
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
