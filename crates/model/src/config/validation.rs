//! Which values of a [`ModelConfig`] are valid.

use super::{DecoderSelf, ModelConfig, PositionKind};
use crate::error::ConfigError;

impl ModelConfig {
    /// Checks every value by itself and against the others.
    ///
    /// # Errors
    /// The first invalid field, with valid values and a remedy.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_sizes()?;
        self.validate_heads("model.n_heads", self.n_heads)?;
        if let Some(heads) = self.decoder_heads {
            self.validate_heads("model.decoder_heads", heads)?;
        }
        self.validate_positions()?;
        for (field, rate) in [
            ("model.dropout", self.dropout),
            ("model.attention_dropout", self.attention_dropout),
            ("model.ff_dropout", self.ff_dropout),
            ("model.stack_dropout", self.stack_dropout),
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
        if !(self.norm_epsilon > 0.0 && self.norm_epsilon < 1.0) {
            let expected = "a number above 0 and below 1";
            return Err(ConfigError::new("model.norm_epsilon", self.norm_epsilon, expected, "1e-5 and 1e-6 are usual"));
        }
        Ok(())
    }

    fn validate_sizes(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("model.d_model", Some(self.d_model)),
            ("model.n_heads", Some(self.n_heads)),
            ("model.head_size", self.head_size),
            ("model.d_ff", Some(self.d_ff)),
            ("model.encoder_layers", Some(self.encoder_layers)),
            ("model.decoder_layers", Some(self.decoder_layers)),
            ("model.decoder_heads", self.decoder_heads),
            ("model.decoder_d_ff", self.decoder_d_ff),
        ] {
            let Some(value) = value else { continue };
            if value == 0 {
                return Err(ConfigError::new(field, value, "at least 1", "choose a positive number"));
            }
            at_most(field, value)?;
        }
        let [d_model, d_ff, encoder_layers, decoder_layers] =
            [self.d_model, self.d_ff, self.encoder_layers, self.decoder_layers].map(|size| size as u64);
        let weights = (4 * d_model + 2 * d_ff).saturating_mul(d_model).saturating_mul(encoder_layers + decoder_layers);
        if weights > LARGEST_MODEL {
            let found = format!("layers of about {weights} weights");
            let remedy = "choose fewer layers, or a smaller model.d_model or model.d_ff";
            return Err(ConfigError::new("model", found, format!("at most {LARGEST_MODEL}"), remedy));
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
        Ok(())
    }

    /// Checks that a number of heads divides the width, unless the heads have a width of their own.
    fn validate_heads(&self, field: &str, heads: usize) -> Result<(), ConfigError> {
        if let Some(size) = self.head_size {
            let width = size.saturating_mul(heads);
            if width > LARGEST_SIZE {
                let expected = format!("at most {LARGEST_SIZE} in product with the heads, which is {width}");
                return Err(ConfigError::new("model.head_size", size, expected, "choose narrower heads"));
            }
            return Ok(());
        }
        if self.d_model.is_multiple_of(heads) {
            return Ok(());
        }
        let divisors: Vec<String> =
            (1..=self.d_model.min(64)).filter(|h| self.d_model.is_multiple_of(*h)).map(|h| h.to_string()).collect();
        Err(ConfigError::new(
            field,
            heads,
            format!("a divisor of model.d_model = {}", self.d_model),
            format!("choose one of {}", divisors.join(", ")),
        ))
    }

    fn validate_positions(&self) -> Result<(), ConfigError> {
        let (sinusoids, min_width) = match self.positions {
            PositionKind::Sinusoidal | PositionKind::SinusoidalHalves | PositionKind::SinusoidalRelative => (true, 2),
            PositionKind::SinusoidalFairseq => (true, 4),
            PositionKind::Learned | PositionKind::Relative | PositionKind::RelativePerLayer => (false, 1),
        };
        if sinusoids && (!self.d_model.is_multiple_of(2) || self.d_model < min_width) {
            return Err(ConfigError::new(
                "model.d_model",
                self.d_model,
                "an even number, since sinusoids come in pairs of sine and cosine",
                "choose an even d_model, or model.positions = \"learned\"",
            ));
        }
        let recurrent = match self.decoder_self {
            DecoderSelf::Attention => false,
            DecoderSelf::Ssru => true,
        };
        if recurrent && self.has_relative_positions() {
            let expected = "\"attention\", since relative positions are terms of its scores";
            let remedy = "choose sinusoids in model.positions, or model.decoder_self = \"attention\"";
            return Err(ConfigError::new("model.decoder_self", "\"ssru\"", expected, remedy));
        }
        at_most("model.position_offset", self.position_offset)?;
        if !sinusoids && self.position_offset != 0 {
            return Err(ConfigError::new(
                "model.position_offset",
                self.position_offset,
                "0, since only sinusoids are numbered from an offset",
                "remove the key, or choose sinusoids in model.positions",
            ));
        }
        let (buckets, distance) = (self.relative_buckets, self.relative_max_distance);
        at_most("model.relative_buckets", buckets)?;
        at_most("model.relative_max_distance", distance)?;
        if buckets < 4 || !buckets.is_multiple_of(4) {
            let expected = "a multiple of 4: two directions, each with single distances and intervals";
            return Err(ConfigError::new("model.relative_buckets", buckets, expected, "32 is usual"));
        }
        if distance <= buckets / 2 {
            let expected = format!("more than half of model.relative_buckets, {}", buckets / 2);
            return Err(ConfigError::new("model.relative_max_distance", distance, expected, "128 is usual"));
        }
        Ok(())
    }
}

/// The maximum of every size. Products of two larger ones could overflow.
const LARGEST_SIZE: usize = 1 << 20;

/// The maximum number of weights in all layers, 64 GiB in float32. More would end in an allocation that fails.
const LARGEST_MODEL: u64 = 1 << 34;

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
        assert!(error(|c| (c.d_model, c.d_ff) = (1 << 20, 1 << 20)).contains("model = layers of about"));
        assert!(error(|c| c.encoder_layers = 1 << 20).contains("at most 17179869184; choose fewer layers"));
        assert!(error(|c| c.n_heads = 7).contains("a divisor of model.d_model = 512; choose one of 1, 2, 4, 8"));
        assert!(error(|c| c.dropout = f64::NAN).contains("model.dropout = NaN"));
        assert!(error(|c| c.ff_dropout = -0.1).contains("model.ff_dropout = -0.1"));
        assert!(error(|c| c.attention_dropout = 1.0).contains("below 1"));
        assert!(error(|c| c.max_length = 1).contains("model.max_length = 1"));
        assert!(error(|c| (c.d_model, c.n_heads) = (15, 3)).contains("even"));
        assert!(error(|c| c.head_size = Some(0)).starts_with("model.head_size = 0: expected at least 1"));
        assert!(error(|c| c.head_size = Some(1 << 20)).contains("narrower heads"));
        assert!(error(|c| c.decoder_heads = Some(7)).contains("model.decoder_heads = 7: expected a divisor"));
        assert!(error(|c| c.decoder_d_ff = Some(0)).contains("model.decoder_d_ff = 0"));
        assert!(error(|c| c.norm_epsilon = 0.0).contains("model.norm_epsilon = 0"));
        assert!(error(|c| c.norm_epsilon = f64::NAN).contains("model.norm_epsilon = NaN"));
        assert!(error(|c| c.stack_dropout = 1.0).contains("model.stack_dropout = 1"));
        assert!(error(|c| (c.positions, c.position_offset) = (PositionKind::Relative, 2)).contains("only sinusoids"));
        assert!(error(|c| c.relative_buckets = 6).contains("a multiple of 4"));
        assert!(error(|c| c.relative_max_distance = 16).contains("more than half of model.relative_buckets, 16"));
    }
}
