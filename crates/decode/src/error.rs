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
#[allow(missing_docs)] // the messages say what each variant and field is
pub enum DecodeError {
    /// A run folder that cannot be opened.
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{path}: {source}")]
    Weights { path: PathBuf, source: WeightsError },
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A setting of decoding; its field is a path such as `decoding.beam`, `n_best` or `sample.top_p`.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    #[error(
        "text {number}: {found} tokens (end token included), but the model has positions for {limit} (model.max_length); \
         split the text, or train with a larger model.max_length"
    )]
    TooLong { number: usize, found: usize, limit: usize },
    #[error(
        "{place}: {found} tokens (end token included), but the model has positions for {limit} (model.max_length); \
         shorten it, or train with a larger model.max_length"
    )]
    TargetTooLong { place: String, found: usize, limit: usize },
    #[error(
        "{field}: {found} tokens (end token included), but the model has positions for {limit} (model.max_length); \
         shorten it, or train with a larger model.max_length"
    )]
    PrefixTooLong { field: String, found: usize, limit: usize },
    #[error("the {side} has no tokens: expected at least one; give a text with at least one word")]
    NoTokens { side: &'static str },
    #[error("the translation has {found} tokens (end token included): expected at most {limit}; give a shorter target")]
    TooLongToShow { found: usize, limit: usize },
    #[error("cannot draw the picture: {0}")]
    Picture(String),
    #[error("{origin} is not valid UTF-8; convert the input, for example with iconv")]
    Utf8 { origin: String },
    #[error("{origin}: {source}")]
    Stream { origin: &'static str, source: io::Error },
    #[error(
        "the model's numbers are not finite: found infinite or NaN logits, expected finite ones; its weights are damaged, or \
         training diverged: use another run folder"
    )]
    NotFinite,
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

    /// Whether the reader of standard output has closed it, which is not a failure.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, DecodeError::Stream { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
