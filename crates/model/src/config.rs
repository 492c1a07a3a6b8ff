//! Sizes and options of the network, as written in the `[model]` table of a configuration file.
//!
//! Every default is the paper's base model (table 3, first row).

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
pub use crate::options::{Activation, NormKind, NormOrder, PositionKind, Tie};

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
    /// Attention heads per layer; divides `d_model`.
    pub n_heads: usize,
    /// Inner width of the feed-forward network.
    pub d_ff: usize,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Dropout on each sub-layer's output and on the sum of embedding and position (paper, section 5.4).
    pub dropout: f64,
    /// Dropout on the attention weights (not in the paper).
    pub attention_dropout: f64,
    /// Dropout after the feed-forward activation (not in the paper).
    pub ff_dropout: f64,
    /// Norm after (paper) or before each sub-layer.
    pub norm: NormOrder,
    /// Layer (paper) or root-mean-square normalisation.
    pub norm_kind: NormKind,
    /// Non-linearity of the feed-forward network.
    pub activation: Activation,
    /// Kind of position encoding.
    pub positions: PositionKind,
    /// Maximum length of a source or target in tokens, end token included.
    pub max_length: usize,
    /// Sharing of the embedding matrices.
    pub tie: Tie,
    /// Whether linear layers have biases.
    pub bias: bool,
    /// Whether logits have a bias per token (Marian's `final_logits_bias`).
    pub output_bias: bool,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            d_model: 512,
            n_heads: 8,
            d_ff: 2048,
            encoder_layers: 6,
            decoder_layers: 6,
            dropout: 0.1,
            attention_dropout: 0.0,
            ff_dropout: 0.0,
            norm: NormOrder::Post,
            norm_kind: NormKind::Layer,
            activation: Activation::Relu,
            positions: PositionKind::Sinusoidal,
            max_length: 512,
            tie: Tie::All,
            bias: true,
            output_bias: false,
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

    /// Id of `<pad>` on the target side, which is also the decoder's start.
    pub fn target_pad(&self) -> usize {
        self.target - 1
    }
}

impl ModelConfig {
    /// Width of one head, the paper's d_k = d_v.
    pub fn head_size(&self) -> usize {
        self.d_model / self.n_heads
    }

    /// Checks every value by itself and against the others.
    ///
    /// # Errors
    /// The first invalid field, with valid values and a remedy.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("model.d_model", self.d_model),
            ("model.n_heads", self.n_heads),
            ("model.d_ff", self.d_ff),
            ("model.encoder_layers", self.encoder_layers),
            ("model.decoder_layers", self.decoder_layers),
        ] {
            if value == 0 {
                return Err(ConfigError::new(field, value, "at least 1", "choose a positive number"));
            }
            at_most(field, value)?;
        }
        at_most("model.max_length", self.max_length)?;
        if self.max_length < 2 {
            return Err(ConfigError::new(
                "model.max_length",
                self.max_length,
                "at least 2 (one token and the end token)",
                "choose the longest sequence in tokens",
            ));
        }
        if !self.d_model.is_multiple_of(self.n_heads) {
            let divisors: Vec<String> =
                (1..=self.d_model.min(64)).filter(|h| self.d_model.is_multiple_of(*h)).map(|h| h.to_string()).collect();
            return Err(ConfigError::new(
                "model.n_heads",
                self.n_heads,
                format!("a divisor of model.d_model = {}", self.d_model),
                format!("choose one of {}", divisors.join(", ")),
            ));
        }
        let in_pairs = match self.positions {
            PositionKind::Sinusoidal | PositionKind::SinusoidalHalves => true,
            PositionKind::Learned => false,
        };
        if in_pairs && !self.d_model.is_multiple_of(2) {
            return Err(ConfigError::new(
                "model.d_model",
                self.d_model,
                "an even number, since sinusoids come in pairs of sine and cosine",
                "choose an even d_model, or model.positions = \"learned\"",
            ));
        }
        for (field, rate) in [
            ("model.dropout", self.dropout),
            ("model.attention_dropout", self.attention_dropout),
            ("model.ff_dropout", self.ff_dropout),
        ] {
            if !(0.0..1.0).contains(&rate) {
                return Err(ConfigError::new(
                    field,
                    rate,
                    "a rate of at least 0 and below 1",
                    "0.1 is usual; 0 turns dropout off",
                ));
            }
        }
        Ok(())
    }

    /// Checks that the vocabularies fit the tying of the embeddings.
    ///
    /// # Errors
    /// One matrix for both sides, but two vocabularies.
    pub fn validate_vocabularies(&self, sizes: VocabularySizes) -> Result<(), ConfigError> {
        let joint = match self.tie {
            Tie::All => true,
            Tie::Decoder | Tie::None => false,
        };
        if joint && sizes.source != sizes.target {
            return Err(ConfigError::new(
                "model.tie",
                "\"all\"",
                format!(
                    "one joint vocabulary, but the source has {} entries and the target {}",
                    sizes.source, sizes.target
                ),
                "use one vocabulary for both sides, or model.tie = \"decoder\"",
            ));
        }
        Ok(())
    }
}

/// The maximum of every size. Products of two larger ones could overflow.
const LARGEST_SIZE: usize = 1 << 20;

fn at_most(field: &str, value: usize) -> Result<(), ConfigError> {
    if value > LARGEST_SIZE {
        let expected = format!("at most {LARGEST_SIZE}");
        return Err(ConfigError::new(field, value, expected, "choose a size that fits in memory"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl FnOnce(&mut ModelConfig)) -> String {
        let mut config = ModelConfig::default();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn invalid_values_are_named_with_a_remedy() {
        assert!(error(|c| c.d_model = 0).starts_with("model.d_model = 0: expected at least 1"));
        assert!(error(|c| c.n_heads = 7).contains("a divisor of model.d_model = 512; choose one of 1, 2, 4, 8"));
        assert!(error(|c| c.dropout = f64::NAN).contains("model.dropout = NaN"));
        assert!(error(|c| c.ff_dropout = -0.1).contains("model.ff_dropout = -0.1"));
        assert!(error(|c| c.attention_dropout = 1.0).contains("below 1"));
        assert!(error(|c| c.max_length = 1).contains("model.max_length = 1"));
        assert!(error(|c| (c.d_model, c.n_heads) = (15, 3)).contains("even"));
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
