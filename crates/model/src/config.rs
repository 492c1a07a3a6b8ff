//! Sizes and options of the network, as written in the `[model]` table of a configuration file.
//!
//! Every default is the paper's base model (table 3, first row).

mod validation;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
pub use crate::options::{Activation, DecoderSelf, NormKind, NormOrder, PositionKind, Tie};

/// Sizes and options of a [`Transformer`](crate::Transformer).
///
/// ```
/// let base = model::ModelConfig::default();
/// assert_eq!((base.d_model, base.n_heads, base.head_size()), (512, 8, 64));
/// assert!(base.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Width of every layer's input and output.
    pub d_model: usize,
    /// Attention heads per layer; divides `d_model`, unless `head_size` is set.
    pub n_heads: usize,
    /// Width of one head (d_k = d_v of the paper).
    pub head_size: Option<usize>,
    /// Inner width of the feed-forward network.
    pub d_ff: usize,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Attention heads per layer of the decoder.
    pub decoder_heads: Option<usize>,
    /// Inner width of the decoder's feed-forward network.
    pub decoder_d_ff: Option<usize>,
    /// First sub-layer of the decoder's layers: self-attention (paper) or a recurrent cell.
    pub decoder_self: DecoderSelf,
    /// Dropout on each sub-layer's output and on the sum of embedding and position (paper, section 5.4).
    pub dropout: f64,
    /// Dropout on the attention weights (not in the paper).
    pub attention_dropout: f64,
    /// Dropout after the feed-forward activation (not in the paper).
    pub ff_dropout: f64,
    /// Dropout on the output of each stack (T5; not in the paper).
    pub stack_dropout: f64,
    /// Norm after (paper) or before each sub-layer.
    pub norm: NormOrder,
    /// Layer (paper) or root-mean-square normalisation.
    pub norm_kind: NormKind,
    /// ε, added to the variance in every norm.
    pub norm_epsilon: f64,
    /// Whether the sum of embedding and position is normalised, before its dropout (BART; not in the paper).
    pub embedding_norm: bool,
    /// Non-linearity of the feed-forward network.
    pub activation: Activation,
    /// Kind of position encoding.
    pub positions: PositionKind,
    /// Number of the first position in sinusoids.
    pub position_offset: usize,
    /// Relative positions: number of distances with a term of their own, or an interval of distances with a common one.
    pub relative_buckets: usize,
    /// Relative positions: distance from which on all terms are equal.
    pub relative_max_distance: usize,
    /// Maximum length of a source or target in tokens, end token included.
    pub max_length: usize,
    /// Sharing of the embedding matrices.
    pub tie: Tie,
    /// Whether linear layers have biases.
    pub bias: bool,
    /// Whether logits have a bias per token (Marian's `final_logits_bias`).
    pub output_bias: bool,
    /// Whether scores are divided by √d_k (paper, equation 1).
    pub scale_attention: bool,
    /// Whether embeddings are multiplied by √`d_model` (paper, section 3.4).
    pub scale_embeddings: bool,
    /// Whether logits are divided by √`d_model` (T5 with one matrix for all; not in the paper).
    pub scale_logits: bool,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            d_model: 512,
            n_heads: 8,
            head_size: None,
            d_ff: 2048,
            encoder_layers: 6,
            decoder_layers: 6,
            decoder_heads: None,
            decoder_d_ff: None,
            decoder_self: DecoderSelf::Attention,
            dropout: 0.1,
            attention_dropout: 0.0,
            ff_dropout: 0.0,
            stack_dropout: 0.0,
            norm: NormOrder::Post,
            norm_kind: NormKind::Layer,
            norm_epsilon: 1e-5,
            embedding_norm: false,
            activation: Activation::Relu,
            positions: PositionKind::Sinusoidal,
            position_offset: 0,
            relative_buckets: 32,
            relative_max_distance: 128,
            max_length: 512,
            tie: Tie::All,
            bias: true,
            output_bias: false,
            scale_attention: true,
            scale_embeddings: true,
            scale_logits: false,
        }
    }
}

/// Vocabulary sizes, `<pad>` included. `<pad>` is the last id on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VocabularySizes {
    /// Entries of the source vocabulary.
    pub source: usize,
    /// Entries of the target vocabulary.
    pub target: usize,
}

impl VocabularySizes {
    /// One joint vocabulary for both sides.
    pub fn joint(size: usize) -> Self {
        Self { source: size, target: size }
    }

    /// Id of `<pad>` on the source side.
    pub fn source_pad(&self) -> usize {
        self.source - 1
    }

    /// Id of `<pad>` on the target side, which is also the decoder's start unless a batch has another.
    pub fn target_pad(&self) -> usize {
        self.target - 1
    }
}

impl ModelConfig {
    /// Keys that run folders of version 0.1 lack, whose networks have the defaults.
    pub const ADDED: [&str; 10] = [
        "decoder_self",
        "stack_dropout",
        "norm_epsilon",
        "embedding_norm",
        "position_offset",
        "relative_buckets",
        "relative_max_distance",
        "scale_attention",
        "scale_embeddings",
        "scale_logits",
    ];

    /// Width of one head, the paper's d_k = d_v.
    pub fn head_size(&self) -> usize {
        self.head_size.unwrap_or(self.d_model / self.n_heads)
    }

    /// Width of all heads of a layer together.
    pub fn heads_width(&self) -> usize {
        self.n_heads * self.head_size()
    }

    /// The divisor of q·kᵀ: √d_k, or 1 without scaling.
    pub fn score_divisor(&self) -> f64 {
        if self.scale_attention { (self.head_size() as f64).sqrt() } else { 1.0 }
    }

    /// The factor of embeddings: √d_model, or 1 without scaling.
    pub fn embedding_scale(&self) -> f64 {
        if self.scale_embeddings { (self.d_model as f64).sqrt() } else { 1.0 }
    }

    /// The factor of logits: 1, or 1/√d_model with scaling.
    pub fn logit_scale(&self) -> f64 {
        if self.scale_logits { (self.d_model as f64).powf(-0.5) } else { 1.0 }
    }

    /// The number of tables of relative positions in a stack of `layers` layers: none, one for all, or one for each.
    pub fn relative_tables(&self, layers: usize) -> usize {
        match self.positions {
            PositionKind::Relative => 1,
            PositionKind::RelativePerLayer | PositionKind::SinusoidalRelative => layers,
            PositionKind::Sinusoidal
            | PositionKind::SinusoidalHalves
            | PositionKind::Learned
            | PositionKind::SinusoidalFairseq => 0,
        }
    }

    /// Whether scores of self-attention have terms of relative positions.
    pub fn has_relative_positions(&self) -> bool {
        self.relative_tables(1) > 0
    }

    /// The configuration of the decoder's layers: its heads and feed-forward width as those of every layer.
    pub fn of_decoder(&self) -> Self {
        Self {
            n_heads: self.decoder_heads.unwrap_or(self.n_heads),
            d_ff: self.decoder_d_ff.unwrap_or(self.d_ff),
            decoder_heads: None,
            decoder_d_ff: None,
            ..self.clone()
        }
    }

    /// Checks that the vocabularies fit the tying of the embeddings.
    ///
    /// # Errors
    /// One matrix for both sides, but two vocabularies.
    pub fn validate_vocabularies(&self, sizes: VocabularySizes) -> Result<(), ConfigError> {
        let joint = match self.tie {
            Tie::All | Tie::Inputs => true,
            Tie::Decoder | Tie::None => false,
        };
        if joint && sizes.source != sizes.target {
            return Err(ConfigError::new(
                "model.tie",
                if self.tie == Tie::All { "\"all\"" } else { "\"inputs\"" },
                format!(
                    "one joint vocabulary, but the source has {} entries and the target {}",
                    sizes.source, sizes.target
                ),
                "use one vocabulary for both sides, or model.tie = \"decoder\" or \"none\"",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_may_have_a_width_of_their_own() {
        let config = ModelConfig { d_model: 10, n_heads: 3, head_size: Some(4), ..ModelConfig::default() };
        assert!(config.validate().is_ok());
        assert_eq!((config.head_size(), config.heads_width(), config.score_divisor()), (4, 12, 2.0));
        let decoder = ModelConfig { decoder_heads: Some(5), decoder_d_ff: Some(7), ..config }.of_decoder();
        assert_eq!((decoder.heads_width(), decoder.d_ff), (20, 7));
    }

    #[test]
    fn keys_added_after_version_0_1_have_defaults() {
        let all = serde_json::to_value(ModelConfig::default()).unwrap();
        assert!(ModelConfig::ADDED.iter().all(|key| all.get(key).is_some()));
        let old: ModelConfig = serde_json::from_value(serde_json::json!({ "d_model": 512 })).unwrap();
        assert_eq!(old, ModelConfig::default());
    }

    #[test]
    fn one_matrix_needs_one_vocabulary() {
        let config = ModelConfig::default();
        assert!(config.validate_vocabularies(VocabularySizes::joint(10)).is_ok());
        let error = config.validate_vocabularies(VocabularySizes { source: 10, target: 12 }).unwrap_err();
        assert!(error.to_string().contains("one joint vocabulary, but the source has 10"));
    }

    #[test]
    fn old_values_of_tie_are_read() {
        for (written, tie) in [("three", Tie::All), ("two", Tie::Decoder), ("none", Tie::None)] {
            let config: ModelConfig = serde_json::from_value(serde_json::json!({ "tie": written })).unwrap();
            assert_eq!(config.tie, tie);
        }
        assert_eq!(serde_json::to_value(Tie::All).unwrap(), "all");
    }
}
