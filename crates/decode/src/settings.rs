//! How one input is decoded: the run's own settings, and what a user asks for besides.

use crate::alignment::AlignmentHeads;
use crate::error::DecodeError;
use crate::search::sampling::Sampling;
use crate::trained_model::TrainedModel;
use model::ConfigError;
use runs::config::DecodingConfig;

/// Everything that an answer depends on beside its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub decoding: DecodingConfig,
    /// Draw at random, instead of searching for the most probable.
    pub sampling: Option<Sampling>,
    /// How many hypotheses to give for each text, best first.
    pub n_best: usize,
    /// What every target begins with.
    pub prefix: String,
    /// Tell from which source token each target token comes, as these heads see it.
    pub alignment: Option<AlignmentHeads>,
}

/// As with beams: more bring nothing.
const MOST_SAMPLES: usize = 1000;

impl Settings {
    /// One hypothesis for each text, found by search.
    pub fn new(decoding: DecodingConfig) -> Self {
        Self { decoding, sampling: None, n_best: 1, prefix: String::new(), alignment: None }
    }

    /// # Errors
    /// A value that cannot be, or values that contradict each other or the model.
    pub fn validate(&self, trained: &TrainedModel) -> Result<(), DecodeError> {
        self.decoding.validate(&trained.config)?;
        self.sampling.iter().try_for_each(Sampling::validate)?;
        self.alignment.iter().try_for_each(|heads| heads.validate(&trained.config))?;
        let (most, (why, remedy)) = match self.sampling {
            Some(_) => (MOST_SAMPLES, ("samples", "draw fewer")),
            None => (self.decoding.beam, ("the beam", "widen it, or draw at random")),
        };
        if self.n_best == 0 || self.n_best > most {
            let expected = format!("1 to {most}, {why}");
            return Err(ConfigError::new("n_best", self.n_best, expected, remedy).into());
        }
        Ok(())
    }

    /// How many rows of a batch one sentence takes.
    pub fn rows_per_sentence(&self) -> usize {
        if self.sampling.is_some() { self.n_best } else { self.decoding.beam }
    }
}
