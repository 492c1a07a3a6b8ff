//! What can go wrong between a run folder and a Marian folder.

use std::io;
use std::path::PathBuf;

use model::ConfigError;
use model::weights::WeightsError;
use text::TextError;

#[derive(Debug, thiserror::Error)]
pub enum MarianError {
    #[error("{path} is not a Hugging Face Marian folder: {missing} is missing; give a folder that holds it")]
    NotMarian { path: PathBuf, missing: &'static str },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}; check its permissions and the space on the disk")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path}: found something there, expected nothing or an empty folder; name another, or move it away")]
    Occupied { path: PathBuf },
    #[error("{path} cannot give its place to another folder: {reason}; name another, such as a folder inside it")]
    NotReplaceable { path: PathBuf, reason: &'static str },
    #[error("{path}: malformed JSON ({source}); fetch the file anew")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{path}: {source}")]
    Config { path: PathBuf, source: ConfigError },
    /// A file whose bytes are not what they should be.
    #[error("{path}: found {found}, expected {expected}; {remedy}")]
    File { path: PathBuf, found: String, expected: String, remedy: &'static str },
    #[error("{path}: tensor `{name}`: found {found}, expected {expected}; {remedy}")]
    Tensor { path: PathBuf, name: String, found: String, expected: String, remedy: &'static str },
    #[error("{path}: {source}")]
    Weights { path: PathBuf, source: WeightsError },
    /// The run folder's model cannot be opened any more.
    #[error("{0}")]
    Model(String),
    #[error(transparent)]
    Text(#[from] TextError),
}
