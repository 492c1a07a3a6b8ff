//! From which source token each target token comes, as cross-attention sees it.

use model::{Batch, ByAttention, ConfigError, ModelConfig, Pass};
use text::END_ID;

use crate::error::DecodeError;
use crate::trained_model::TrainedModel;

/// Which heads are asked, counted from 0. What is not chosen is averaged over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlignmentHeads {
    pub layer: Option<usize>,
    pub head: Option<usize>,
}

impl AlignmentHeads {
    /// # Errors
    /// A layer or head that the model does not have.
    pub fn validate(&self, config: &ModelConfig) -> Result<(), ConfigError> {
        for (field, chosen, count) in
            [("alignment.layer", self.layer, config.decoder_layers), ("alignment.head", self.head, config.n_heads)]
        {
            if let Some(chosen) = chosen.filter(|&chosen| chosen >= count) {
                let remedy = "choose one that the model has, or none for the mean of all";
                return Err(ConfigError::new(field, chosen + 1, format!("1 to {count}"), remedy));
            }
        }
        Ok(())
    }
}

/// The strongest source token of each target token: pairs of places, source first. `source` ends in `</s>`, `target` does
/// not; `</s>` is neither asked nor answered.
///
/// # Errors
/// A device that fails.
pub(crate) fn align(
    trained: &TrainedModel,
    source: &[u32],
    target: &[u32],
    heads: AlignmentHeads,
) -> Result<Vec<[usize; 2]>, DecodeError> {
    let mut ended = [target, &[END_ID]].concat();
    ended.truncate(trained.config.max_length);
    let batch = Batch::new(&[(source, &ended)], trained.sizes, &trained.device);
    let mut maps = ByAttention::default();
    drop(trained.network()?.forward(&batch, &mut Pass::recording(&mut maps)));

    let mut mean = vec![0.0; ended.len() * source.len()];
    for (_, map) in maps.cross.into_iter().enumerate().filter(|(layer, _)| heads.layer.is_none_or(|own| own == *layer))
    {
        let weights = map.try_into_vec_as::<f32>().map_err(|error| DecodeError::Device(error.to_string()))?;
        let by_head = weights.chunks_exact(mean.len()).enumerate(); // the batch is one sentence
        for (_, weights) in by_head.filter(|(head, _)| heads.head.is_none_or(|own| own == *head)) {
            mean.iter_mut().zip(weights).for_each(|(mean, weight)| *mean += weight);
        }
    }
    Ok(strongest(&mean, source.len(), source.len() - 1, target.len()))
}

/// Of weights `[target, source_len]` the strongest of the first `sources` for each of the first `targets`; of equal ones
/// the first.
fn strongest(weights: &[f32], source_len: usize, sources: usize, targets: usize) -> Vec<[usize; 2]> {
    let rows = weights.chunks_exact(source_len).take(targets).enumerate();
    let first_of_the_largest = |row: &[f32]| (0..sources).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]));
    rows.filter_map(|(target, row)| Some([first_of_the_largest(row)?, target])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_source_token_without_the_end() {
        let weights = [0.1, 0.3, 0.6, 0.5, 0.5, 0.0, 0.2, 0.3, 0.5];
        assert_eq!(strongest(&weights, 3, 2, 2), [[1, 0], [0, 1]]);
    }
}
