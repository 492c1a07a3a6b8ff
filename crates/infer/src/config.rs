//! How to decode, as written in the `[decoding]` table of a configuration file.

use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

/// Decoding settings; the command line may override them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodingConfig {
    /// Most target tokens per sentence, end token included. Default: the source's length + 50 (paper, section 6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

impl DecodingConfig {
    /// Most target tokens for a source of `source_len` tokens, within the model's positions.
    pub fn limit(&self, source_len: usize, model: &ModelConfig) -> usize {
        self.max_length.unwrap_or(source_len + 50).min(model.max_length)
    }

    /// # Errors
    /// A length of zero, or one beyond the model's positions.
    pub fn validate(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        match self.max_length {
            Some(length) if length == 0 || length > model.max_length => Err(ConfigError::new(
                "decoding.max_length",
                length,
                format!("1 to model.max_length = {}", model.max_length),
                "choose a length in that range, or leave it out for the source's length + 50",
            )),
            _ => Ok(()),
        }
    }
}
