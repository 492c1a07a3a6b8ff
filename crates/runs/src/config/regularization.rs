//! What counts on the model's dropout: R-Drop, and dropout that fades.

use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

/// Regularised dropout (Liang et al. 2021).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RDrop {
    /// How much the two passes are asked to agree.
    pub alpha: f64,
    /// Updates with a single pass before it begins: it doubles the work, and there is little to agree on at first.
    #[serde(default)]
    pub after: u64,
}

/// Dropout that fades towards the end (Rennie et al. 2014).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnealDropout {
    /// The share of the model's dropout rates that the last update is left with.
    pub to: f64,
    /// Updates with the whole rates before they begin to fall, as a line.
    #[serde(default)]
    pub after: u64,
}

impl RDrop {
    /// Refuses one that would never begin, or whose two passes would not differ. An alpha of 0 turns it off.
    pub(crate) fn validate_new(self, steps: u64, model: &ModelConfig) -> Result<(), ConfigError> {
        if self.alpha == 0.0 {
            return Ok(());
        }
        if self.after >= steps {
            let expected = format!("less than training.steps = {steps}");
            return Err(ConfigError::new("training.r_drop.after", self.after, expected, "half of it is usual"));
        }
        some_dropout("training.r_drop", model)
    }
}

impl AnnealDropout {
    /// Refuses one that has no rate to lower.
    pub(crate) fn validate_new(self, model: &ModelConfig) -> Result<(), ConfigError> {
        some_dropout("training.anneal_dropout", model)
    }
}

/// Refuses `field` for a model without dropout.
fn some_dropout(field: &str, model: &ModelConfig) -> Result<(), ConfigError> {
    if [model.dropout, model.attention_dropout, model.ff_dropout].iter().any(|rate| *rate > 0.0) {
        return Ok(());
    }
    let expected = "nothing, since all dropout rates of [model] are 0 and it would have no effect";
    Err(ConfigError::new(field, "a value", expected, "set model.dropout = 0.1, or remove it"))
}
