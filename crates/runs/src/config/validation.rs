//! The `[validation]` table: interval, size and metric of validations, and early stopping.

use super::DecodingConfig;
use model::{ConfigError, ModelConfig};
use serde::{Deserialize, Serialize};
use text::metrics::BleuTokenization;

use super::at_least_one;

/// The score that decides which weights are the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of sentences whose output equals the reference.
    Exact,
    /// Share of sentences whose output differs from the reference; lower is better. Where each line is a word, as in
    /// grapheme-to-phoneme conversion, it is called word error rate.
    WordErrorRate,
    /// Edits between output and reference per reference token; lower is better. The tokens are those of the target's
    /// vocabulary: with phones it is the phone error rate.
    TokenErrorRate,
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
    /// Updates between two validations; the last update is always validated.
    pub every: u64,
    /// Maximum number of pairs for validation and for the test, the first of each corpus.
    pub sentences: usize,
    /// Score that decides which weights are the best.
    pub metric: Metric,
    /// Number of consecutive validations without improvement after which training stops; 0 disables early stopping.
    pub patience: usize,
    /// Beam size of validations, where 1 is greedy search; the final test uses `[decoding]`.
    pub beam: usize,
    /// Tokenisation of BLEU; `"none"` is for text that is already tokenised.
    pub tokenize: BleuTokenization,
    /// Number of sentences to print with each validation: source, reference and output.
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

    /// Extra check for a new run: the beam has the limits of `decoding.beam`.
    pub(crate) fn validate_new(&self, model: &ModelConfig) -> Result<(), ConfigError> {
        let decoding = DecodingConfig { beam: self.beam, ..DecodingConfig::default() };
        decoding.validate(model).map_err(|error| ConfigError { field: "validation.beam".to_string(), ..error })
    }
}
