//! The settings of one translation: the run's `[decoding]` table, and options of a single call.

use crate::alignment::AlignmentHeads;
use crate::error::DecodeError;
use crate::search::sampling::Sampling;
use crate::text_problem::TooLong;
use model::{ConfigError, ModelConfig};
use runs::config::DecodingConfig;

/// The settings that, with text and model, determine a translation.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The `[decoding]` table, with overrides.
    pub decoding: DecodingConfig,
    /// Draws at random instead of searching for the most probable.
    pub sampling: Option<Sampling>,
    /// The number of hypotheses per text, best first.
    pub n_best: usize,
    /// The text that every target begins with.
    pub prefix: String,
    /// Aligns each target token with a source token, by the attention of these heads.
    pub alignment: Option<AlignmentHeads>,
    /// What happens to a text with more tokens than the model has positions.
    pub too_long: TooLong,
}

/// The maximum number of samples, equal to the maximum beam.
const MAX_SAMPLES: usize = 1000;

impl Settings {
    /// One hypothesis for each text, found by search. A text that is too long is an error.
    pub fn new(decoding: DecodingConfig) -> Self {
        let too_long = TooLong::Fail;
        Self { decoding, sampling: None, n_best: 1, prefix: String::new(), alignment: None, too_long }
    }

    /// Checks all settings together.
    ///
    /// # Errors
    /// A value out of range, or values that contradict each other or the model.
    pub fn validate(&self, model: &ModelConfig) -> Result<(), DecodeError> {
        self.decoding.validate(model)?;
        self.sampling.iter().try_for_each(Sampling::validate)?;
        self.alignment.iter().try_for_each(|heads| heads.validate(model))?;
        let (max, (why, remedy)) = match self.sampling {
            Some(_) => (MAX_SAMPLES, ("samples", "draw fewer")),
            None => (self.decoding.beam, ("the size of the beam", "set a larger beam, or sample")),
        };
        if self.n_best == 0 || self.n_best > max {
            let expected = format!("1 to {max}, {why}");
            return Err(ConfigError::new("n_best", self.n_best, expected, remedy).into());
        }
        Ok(())
    }

    /// Whether tokenised texts decode alike under both settings.
    pub fn decodes_as(&self, other: &Self) -> bool {
        let Self { decoding, sampling, n_best, prefix, alignment, too_long: _ } = self;
        (decoding, sampling, n_best) == (&other.decoding, &other.sampling, &other.n_best)
            && (prefix, alignment) == (&other.prefix, &other.alignment)
    }

    /// The number of rows that one sentence takes in a batch.
    pub fn rows_per_sentence(&self) -> usize {
        if self.sampling.is_some() { self.n_best } else { self.decoding.beam }
    }
}
