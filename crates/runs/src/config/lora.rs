//! LoRA, low-rank adaptation (Hu et al. 2021): fine-tuning that trains two thin matrices for each adapted one.

use model::ConfigError;
use serde::{Deserialize, Serialize};

/// LoRA: each adapted matrix W is W + `alpha` / `rank` · B·A, and A and B alone are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table such as { rank = 8, alpha = 16 }")]
pub struct LoraConfig {
    /// Rows of A and columns of B.
    pub rank: usize,
    /// Numerator of the factor of B·A.
    pub alpha: f64,
    /// The adapted matrices of linear layers: each one whose name has one of these between dots.
    pub matrices: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, matrices: ["query", "value"].map(String::from).to_vec() }
    }
}

impl LoraConfig {
    /// The factor of B·A.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// Returns the first of `matrices` that selects the weight of this name.
    ///
    /// ```
    /// use runs::config::LoraConfig;
    /// let lora = LoraConfig { matrices: vec!["cross_attention.query".into(), "feed_forward".into()], ..Default::default() };
    /// assert_eq!(lora.selects("decoder.layers.0.cross_attention.query.weight"), Some(0));
    /// assert_eq!(lora.selects("encoder.layers.1.feed_forward.inner.weight"), Some(1));
    /// assert_eq!(lora.selects("encoder.layers.1.self_attention.query.weight"), None);
    /// ```
    pub fn selects(&self, weight: &str) -> Option<usize> {
        let weight = format!(".{weight}.");
        self.matrices.iter().position(|part| weight.contains(&format!(".{part}.")))
    }

    pub(super) fn validate(&self, fine_tuning: bool, freeze: &[String]) -> Result<(), ConfigError> {
        if self.rank == 0 {
            return Err(ConfigError::new("training.lora.rank", 0, "at least 1", "8 is usual"));
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            let remedy = "twice the rank is usual";
            return Err(ConfigError::new("training.lora.alpha", self.alpha, "a positive number", remedy));
        }
        if self.matrices.is_empty() {
            let (expected, remedy) = ("at least one name", "[\"query\", \"value\"] is the default");
            return Err(ConfigError::new("training.lora.matrices", "[]", expected, remedy));
        }
        if !fine_tuning {
            let expected = "training.init_from too, since all other weights stay as they are";
            return Err(ConfigError::new("training.lora", "a table", expected, "give the run to start from"));
        }
        if !freeze.is_empty() {
            let expected = "nothing, since training.lora trains no weight but its own";
            return Err(ConfigError::new("training.freeze", "a list", expected, "remove training.freeze"));
        }
        Ok(())
    }
}
