//! The `[data]` table: which pairs of a corpus are used, and how they are mixed.

use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

use super::at_least_one;

/// For `translate` alone, as generated tasks make their own data. Pairs with an empty side are always dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Most tokens on either side of a training pair, `</s>` included; longer pairs are dropped.
    /// Default: `model.max_length`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Most tokens of the longer side of a training pair for each of the shorter; others are dropped. 0 = any.
    pub max_ratio: f64,
    /// Pairs that are held in memory at once and shuffled among each other. A corpus with no more is read once and
    /// shuffled as a whole each epoch; a larger one is read anew each epoch.
    pub shuffle_buffer: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { max_length: None, max_ratio: 0.0, shuffle_buffer: 200_000 }
    }
}

impl DataConfig {
    /// Most tokens on either side of a training pair.
    pub fn longest(&self, model: &ModelConfig) -> usize {
        self.max_length.unwrap_or(model.max_length)
    }

    /// The key that says so.
    pub fn longest_key(&self, model: &ModelConfig) -> &'static str {
        match self.max_length {
            None => "model.max_length",
            Some(length) if length < model.max_length => "data.max_length",
            Some(_) => "model.max_length and data.max_length",
        }
    }

    pub(super) fn validate(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        at_least_one("data.shuffle_buffer", self.shuffle_buffer)?;
        if let Some(length) = self.max_length
            && !(2..=model.max_length).contains(&length)
        {
            return Err(ConfigError::new(
                "data.max_length",
                length,
                format!("2 to model.max_length = {}", model.max_length),
                "choose a length in that range, or leave it out",
            ));
        }
        if !(self.max_ratio == 0.0 || (self.max_ratio.is_finite() && self.max_ratio >= 1.0)) {
            let expected = "0, or a number of at least 1";
            return Err(ConfigError::new("data.max_ratio", self.max_ratio, expected, "3 is usual; 0 keeps every pair"));
        }
        Ok(())
    }
}
