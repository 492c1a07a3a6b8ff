//! Alignment of target tokens to source tokens by cross-attention.
//!
//! While a token is predicted, cross-attention distributes its weight over the source. The token is aligned with the source
//! token of the largest weight, averaged over all layers and heads or those of [`AlignmentHeads`]. Engines record it step
//! by step, so that alignment costs one mean per token.

use model::{ConfigError, ModelConfig};

/// The heads whose cross-attention aligns, counted from 0; `None` averages over all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlignmentHeads {
    /// One decoder layer.
    pub layer: Option<usize>,
    /// One head.
    pub head: Option<usize>,
}

impl AlignmentHeads {
    /// Checks both numbers against the model.
    ///
    /// # Errors
    /// A layer or head that the model does not have.
    pub fn validate(&self, config: &ModelConfig) -> Result<(), ConfigError> {
        for (field, chosen, count) in [
            ("alignment.layer", self.layer, config.decoder_layers),
            ("alignment.head", self.head, config.of_decoder().n_heads),
        ] {
            if let Some(chosen) = chosen.filter(|&chosen| chosen >= count) {
                let remedy = "choose one that the model has, or none for the mean of all";
                return Err(ConfigError::new(field, chosen + 1, format!("1 to {count}"), remedy));
            }
        }
        Ok(())
    }
}

/// The mean of one row's cross-attention over the chosen heads, and its strongest source position.
#[derive(Clone, Debug)]
pub(crate) struct HeadMean {
    heads: AlignmentHeads,
    /// The sum so far, `[source_len]`.
    sum: Vec<f32>,
}

impl HeadMean {
    pub fn new(heads: AlignmentHeads) -> Self {
        Self { heads, sum: Vec::new() }
    }

    /// Begins a row of `source_len` source tokens, `</s>` included.
    pub fn clear(&mut self, source_len: usize) {
        self.sum.clear();
        self.sum.resize(source_len, 0.0);
    }

    /// Whether the mean includes this layer.
    pub fn includes(&self, layer: usize) -> bool {
        self.heads.layer.is_none_or(|own| own == layer)
    }

    /// Adds the weights of one layer, `[head, keys]`, of which the first `source_len` keys of each head are the row's own.
    pub fn add_layer(&mut self, layer: usize, n_heads: usize, weights: &[f32]) {
        if !self.includes(layer) {
            return;
        }
        for (head, weights) in weights.chunks_exact(weights.len() / n_heads).enumerate() {
            if self.heads.head.is_none_or(|own| own == head) {
                self.sum.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
            }
        }
    }

    /// The position of the largest sum, the first of equal ones; `</s>`, the last, is excluded.
    pub fn strongest(&self) -> Option<usize> {
        (0..self.sum.len().saturating_sub(1)).rev().max_by(|&a, &b| self.sum[a].total_cmp(&self.sum[b]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strongest(heads: AlignmentHeads, layers: &[&[f32]], source_len: usize) -> Option<usize> {
        let mut mean = HeadMean::new(heads);
        mean.clear(source_len);
        layers.iter().enumerate().for_each(|(layer, weights)| mean.add_layer(layer, 2, weights));
        mean.strongest()
    }

    #[test]
    fn the_strongest_source_token_without_the_end() {
        let all = AlignmentHeads::default();
        assert_eq!(strongest(all, &[&[0.1, 0.3, 0.6, 0.1, 0.3, 0.6]], 3), Some(1), "the end does not count");
        assert_eq!(strongest(all, &[&[0.5, 0.5, 0.0, 0.5, 0.5, 0.0]], 3), Some(0), "the first of equal ones");
        assert_eq!(strongest(all, &[&[1.0, 1.0]], 1), None, "nothing but the end");
    }

    #[test]
    fn chosen_heads_alone_count() {
        let layers: [&[f32]; 2] = [&[0.9, 0.1, 0.0, 0.2, 0.8, 0.0], &[0.1, 0.9, 0.0, 0.9, 0.1, 0.0]];
        let at = |layer, head| strongest(AlignmentHeads { layer, head }, &layers, 3);
        assert_eq!([at(Some(0), Some(0)), at(Some(0), Some(1)), at(Some(1), Some(0))], [Some(0), Some(1), Some(1)]);
        assert_eq!(at(None, Some(1)), Some(0), "1.1 against 0.9");
    }
}
