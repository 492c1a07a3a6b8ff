//! Options that need the model's dropout: R-Drop and annealed dropout.

use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};

/// R-Drop (Liang et al. 2021): two forward passes per sentence, whose dropout differs, and a consistency loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { alpha = 5.0, after = 0 }")]
pub struct RDrop {
    /// Weight of the consistency loss; 0 turns it off.
    pub alpha: f64,
    /// Updates with a single forward pass before R-Drop begins, which doubles the work and helps little at first.
    #[serde(default)]
    pub after: u64,
}

/// Annealed dropout (Rennie et al. 2014): rates that fall linearly towards the last update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { to = 0.2, after = 0 }")]
pub struct AnnealDropout {
    /// Share of the model's dropout rates at the last update, from 0 to 1.
    pub to: f64,
    /// Updates with the full rates before they begin to fall.
    #[serde(default)]
    pub after: u64,
}

impl RDrop {
    /// Rejects R-Drop that never begins, or whose two passes do not differ.
    pub(crate) fn validate_new(self, steps: u64, model: &ModelConfig) -> Result<(), ConfigError> {
        if self.alpha == 0.0 {
            return Ok(());
        }
        if self.after >= steps {
            let expected = format!("less than training.steps = {steps}");
            return Err(ConfigError::new("training.r_drop.after", self.after, expected, "half of it is usual"));
        }
        require_dropout("training.r_drop", model)
    }
}

impl AnnealDropout {
    /// Checks the share and the updates before the rates fall, of `steps` in all.
    pub(crate) fn validate(self, steps: u64) -> Result<(), ConfigError> {
        let AnnealDropout { to, after } = self;
        if !(0.0..=1.0).contains(&to) {
            let remedy = "0.2 is a fifth of the rates; 0 ends without dropout";
            return Err(ConfigError::new("training.anneal_dropout.to", to, "from 0 to 1", remedy));
        }
        if after >= steps {
            let expected = format!("less than training.steps = {steps}");
            return Err(ConfigError::new("training.anneal_dropout.after", after, expected, "half of it is usual"));
        }
        Ok(())
    }

    /// Rejects annealing without a rate to lower.
    pub(crate) fn validate_new(self, model: &ModelConfig) -> Result<(), ConfigError> {
        require_dropout("training.anneal_dropout", model)
    }
}

/// Rejects `field` for a model without dropout.
fn require_dropout(field: &str, model: &ModelConfig) -> Result<(), ConfigError> {
    let rates = [model.dropout, model.attention_dropout, model.ff_dropout, model.stack_dropout];
    if rates.iter().any(|rate| *rate > 0.0) {
        return Ok(());
    }
    let expected = "nothing, since all dropout rates of [model] are 0 and it would have no effect";
    Err(ConfigError::new(field, "a value", expected, "set model.dropout = 0.1, or remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_dropout_rate_is_enough() {
        let none = ModelConfig { dropout: 0.0, ..ModelConfig::default() };
        assert!(require_dropout("training.r_drop", &none).is_err());
        for model in [
            ModelConfig { dropout: 0.1, ..none.clone() },
            ModelConfig { attention_dropout: 0.1, ..none.clone() },
            ModelConfig { ff_dropout: 0.1, ..none.clone() },
            ModelConfig { stack_dropout: 0.1, ..none.clone() },
        ] {
            assert_eq!(require_dropout("training.r_drop", &model), Ok(()), "{model:?}");
        }
    }
}
