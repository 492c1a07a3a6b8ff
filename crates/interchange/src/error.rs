//! Errors of imports and exports.

use std::io;
use std::path::PathBuf;

use model::ConfigError;
use model::weights::WeightsError;
use text::TextError;

/// An import or export that failed. Messages name the file, what was found, what was expected, and a remedy.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// A folder that lacks a file of every Marian model.
    #[error("{path} is not a Hugging Face Marian folder: {missing} is missing; give a folder that holds it")]
    NotMarian {
        /// The file or folder.
        path: PathBuf,
        /// The name of the missing file.
        missing: &'static str,
    },
    /// A Hugging Face folder without a vocabulary.
    #[error(
        "{path}: found no tokenizer, expected spiece.model, sentencepiece.bpe.model or tokenizer.json; fetch the files of \
         one model"
    )]
    NoTokenizer {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of BART without a vocabulary.
    #[error(
        "{path}: found no tokenizer, expected tokenizer.json, or vocab.json and merges.txt; fetch the files of one model"
    )]
    NoByteLevel {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of no known format.
    #[error(
        "{path} holds no model of a known format; give a Hugging Face folder (config.json) or a folder of Marian's \
         own files (*.npz or *.bin)"
    )]
    NotRecognised {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that does not exist, such as the name of a model on a site.
    #[error("{path}: found no such folder; download the model, and give the folder that holds it")]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A format that is read only.
    #[error("Marian's own files are read but not written; export in the format marian")]
    ReadOnly,
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {path}: {source}; check its permissions and the space on the disk")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An output path that exists already.
    #[error("{path}: found something there, expected nothing or an empty folder; name another, or move it away")]
    Occupied {
        /// The file or folder.
        path: PathBuf,
    },
    /// An output path that cannot be replaced by a folder, such as the working folder.
    #[error("{path} cannot be replaced by another folder: {reason}; name another, such as a folder inside it")]
    NotReplaceable {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: &'static str,
    },
    /// A file that is not JSON.
    #[error("{path}: malformed JSON ({source}); download the file again")]
    Json {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A setting that is invalid or that the other side does not support.
    #[error("{path}: {source}")]
    Config {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: ConfigError,
    },
    /// A file with invalid contents.
    #[error("{path}: found {found}, expected {expected}; {remedy}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The contents found.
        found: String,
        /// The contents expected.
        expected: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// A tensor that is missing, unexpected, or of the wrong shape, type or values.
    #[error("{path}: tensor `{name}`: found {found}, expected {expected}; {remedy}")]
    Tensor {
        /// The file or folder.
        path: PathBuf,
        /// The name of the tensor.
        name: String,
        /// The contents found.
        found: String,
        /// The contents expected.
        expected: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// A safetensors file that is damaged or does not fit the network.
    #[error("{path}: {source}")]
    Weights {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: WeightsError,
    },
    /// A tokenizer that is invalid.
    #[error(transparent)]
    Text(#[from] TextError),
}
