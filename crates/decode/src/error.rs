//! Errors between a run folder and a translation.

use std::io;
use std::path::PathBuf;

use model::ConfigError;
use model::backend::BackendError;
use model::weights::WeightsError;
use runs::RunError;
use text::TextError;

/// An error between a run folder and a translation. The message of each variant names file or text, what was found and
/// expected, and a remedy.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A run folder that cannot be opened.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A weights file that cannot be read or does not fit.
    #[error("{path}: {source}")]
    Weights {
        /// The weights file.
        path: PathBuf,
        /// The cause.
        source: WeightsError,
    },
    /// A text that cannot be tokenised, or a tokenizer that is invalid.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A device that this build does not have, or that cannot be opened.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A setting of decoding; its field is a path such as `decoding.beam`, `n_best` or `sample.top_p`.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// A source with more tokens than the model has positions.
    #[error(
        "text {number}: {found} tokens (end token included), but the model has positions for {limit} (model.max_length); \
         split the text, or train with a larger model.max_length"
    )]
    TooLong {
        /// The number of the text, from 1.
        number: usize,
        /// Tokens of the text, `</s>` included.
        found: usize,
        /// Maximum tokens.
        limit: usize,
    },
    /// A target with more tokens than the model has positions.
    #[error(
        "{}: {found} tokens (end token included), but the model has positions for {limit} (model.max_length); \
         shorten it, or train with a larger model.max_length",
        number.map_or("the target".to_string(), |number| format!("target {number}"))
    )]
    TargetTooLong {
        /// Its number among several, from 1.
        number: Option<usize>,
        /// Tokens of the target, `</s>` included.
        found: usize,
        /// Maximum tokens.
        limit: usize,
    },
    /// A prefix with more tokens than the model has positions.
    #[error(
        "{field}: {found} tokens (end token included), but the model has positions for {limit} (model.max_length); \
         shorten it, or train with a larger model.max_length"
    )]
    PrefixTooLong {
        /// The setting, such as `prefix`.
        field: String,
        /// Tokens of the prefix, `</s>` included.
        found: usize,
        /// Maximum tokens.
        limit: usize,
    },
    /// A model of an ensemble with other vocabularies than the first.
    #[error(
        "{path}: found {found}, expected {expected}; the models of an ensemble need the same vocabularies: train them \
             with different seeds, or the second with --init-from the first"
    )]
    Ensemble {
        /// The tokenizer file.
        path: PathBuf,
        /// What it has.
        found: String,
        /// What the first model has.
        expected: String,
    },
    /// A shortlist that cannot be read or belongs to another model.
    #[error("{path}: found {found}, expected {expected}; use the shortlist of this model, or none")]
    Shortlist {
        /// The file.
        path: PathBuf,
        /// What it is or has.
        found: String,
        /// What it should be or have.
        expected: String,
    },
    /// A text without tokens, which has no attention.
    #[error("the {side} has no tokens: expected at least one; give a text with at least one word")]
    NoTokens {
        /// The text: `text`, `target` or `translation`.
        side: &'static str,
    },
    /// A translation with too many tokens for a recording of attention.
    #[error("the translation has {found} tokens (end token included): expected at most {limit}; give a shorter target")]
    TooLongToShow {
        /// Tokens of the translation, `</s>` included.
        found: usize,
        /// Maximum tokens.
        limit: usize,
    },
    /// A picture that cannot be rendered.
    #[error("cannot draw the picture: {0}")]
    Picture(String),
    /// A stream that cannot be read or written.
    #[error("{origin}: {source}")]
    Stream {
        /// The stream, such as `standard input`.
        origin: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// Logits that are infinite or NaN.
    #[error(
        "the model's numbers are not finite: found infinite or NaN logits, expected finite ones; its weights are damaged, or \
         training diverged: use another run folder"
    )]
    NotFinite,
    /// A device that fails.
    #[error("the device failed: {0}")]
    Device(String),
}

impl DecodeError {
    /// The same error with the setting's field path (`n_best`, `decoding.beam`) as this front end spells it (`--n-best`).
    /// Errors that concern no setting stay as they are.
    pub fn map_field(mut self, spell: impl FnOnce(&str) -> String) -> Self {
        if let Self::Setting(ConfigError { field, .. }) | Self::PrefixTooLong { field, .. } = &mut self {
            *field = spell(field);
        }
        self
    }

    /// The number of the text that is too long, or of the pair whose target is, if that is the error.
    pub fn too_long_number(&self) -> Option<usize> {
        if let Self::TooLong { number, .. } | Self::TargetTooLong { number: Some(number), .. } = self {
            return Some(*number);
        }
        None
    }

    /// Whether the reader of standard output has closed it, which is not a failure.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, DecodeError::Stream { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
