//! The `[validation]` table: how well it goes, how often that is asked, and when to stop.

use super::DecodingConfig;
use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};
use text::metrics::BleuTokenization;

use super::at_least_one;

/// What decides which weights are the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of sentences decoded exactly.
    Exact,
    /// Corpus BLEU.
    Bleu,
    /// Corpus chrF.
    Chrf,
    /// Negative log-likelihood per target token; lower is better.
    Nll,
}

/// The `[validation]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Steps between two validations; the last step is always validated.
    pub every: u64,
    /// Sentences to validate (and test) on; the first of a corpus.
    pub sentences: usize,
    /// What decides which weights are the best.
    pub metric: Metric,
    /// Stop after as many validations in a row that bring nothing better; 0 = train all steps.
    pub patience: usize,
    /// Hypotheses per sentence while training (1 = greedy); the final test decodes as `[decoding]` says.
    pub beam: usize,
    /// How text is cut into the words that BLEU counts: "13a" for plain text, "none" for text that is tokenised already.
    pub tokenize: BleuTokenization,
    /// Source, reference and output triples to show.
    pub samples: usize,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self {
            every: 1000,
            sentences: 1000,
            metric: Metric::Exact,
            patience: 0,
            beam: 1,
            tokenize: BleuTokenization::V13a,
            samples: 5,
        }
    }
}

impl ValidationConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("validation.every", self.every as usize),
            ("validation.sentences", self.sentences),
            ("validation.beam", self.beam),
        ] {
            at_least_one(field, value)?;
        }
        Ok(())
    }

    /// Holds the beam to what decoding is held to.
    pub(crate) fn validate_new(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        let decoding = DecodingConfig { beam: self.beam, ..DecodingConfig::default() };
        decoding.validate(model).map_err(|error| ConfigError { field: "validation.beam".to_string(), ..error })
    }
}
