//! The `[data]` table: filters and shuffling of a corpus.

use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

use super::at_least_one;

/// The `[data]` table, for `task.kind = "translate"` alone. Pairs with an empty side are always dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Maximum tokens on either side of a training pair, `</s>` included, at most `model.max_length`. Longer pairs are
    /// dropped and counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Maximum ratio between the lengths of a training pair's sides, in tokens; other pairs are dropped and counted.
    /// 0 disables the filter.
    pub max_ratio: f64,
    /// Number of pairs that are kept in memory and shuffled together. A corpus of at most this size is read once; a
    /// larger one is read again in each epoch, in blocks of this size.
    pub shuffle_buffer: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { max_length: None, max_ratio: 0.0, shuffle_buffer: 200_000 }
    }
}

impl DataConfig {
    /// Maximum tokens on either side of a training pair.
    pub fn max_length(&self, model: &ModelConfig) -> usize {
        self.max_length.unwrap_or(model.max_length)
    }

    /// The key that decides [`max_length`](Self::max_length), for messages.
    pub fn max_length_key(&self, model: &ModelConfig) -> &'static str {
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
                "choose a length in that range, or remove it",
            ));
        }
        if !(self.max_ratio == 0.0 || (self.max_ratio.is_finite() && self.max_ratio >= 1.0)) {
            let expected = "0, or a number of at least 1";
            return Err(ConfigError::new("data.max_ratio", self.max_ratio, expected, "3 is usual; 0 keeps every pair"));
        }
        Ok(())
    }
}
