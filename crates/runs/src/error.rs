//! Errors of configurations and run folders.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use model::ConfigError;
use text::TextError;

use crate::atomic::WriteError;

/// A configuration that cannot be used, or a run folder that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A configuration file that cannot be read.
    #[error("cannot read {path}: {source}; give an existing configuration, such as configs/tiny.toml")]
    ConfigFile {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A configuration file that is not valid TOML, or has an unknown key or a value of the wrong type.
    #[error("{path}: {source}")]
    Toml {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: Box<toml::de::Error>,
    },
    /// A field whose value cannot be used.
    #[error("{origin}: {source}")]
    Config {
        /// The configuration, or the command-line option that sets it.
        origin: String,
        /// The cause.
        source: ConfigError,
    },
    /// A `--set` override at fault.
    #[error("--set {given}: {reason}")]
    Set {
        /// The override as given.
        given: String,
        /// The reason.
        reason: String,
    },
    /// A file or folder that cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A folder that lacks a file of a run folder.
    #[error(
        "{path} is not a run folder: {missing} is missing; give the folder that `train` wrote (runs/NAME), \
         or wait for its first validation"
    )]
    MissingFile {
        /// The file or folder.
        path: PathBuf,
        /// The name of the missing file.
        missing: &'static str,
    },
    /// A file of a saved model that cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A tokenizer that cannot be loaded.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A file of the run folder that cannot be read.
    #[error("cannot read {path}: {source}; restore it, or start a new run with --overwrite")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A run that another process trains.
    #[error(
        "{path} is in use: another process trains there; wait until it ends, or stop it, or choose another --output"
    )]
    InUse {
        /// The file or folder.
        path: PathBuf,
    },
    /// A run folder that exists although neither `--resume` nor `--overwrite` is given.
    #[error(
        "{path} already holds a run; resume it with --resume, or start a new one with --overwrite, which keeps the old one beside it"
    )]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// A path that is taken by something else than a run folder.
    #[error("{path} exists but is not a run folder (no config.toml); choose another --output")]
    NotARunFolder {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder that cannot be replaced by renaming another to its path.
    #[error("{path} cannot be replaced by a run: {reason}; choose another --output, such as a folder inside it")]
    NotReplaceable {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: &'static str,
    },
    /// A new run that would start from the weights of the run that it replaces.
    #[error(
        "training.init_from = {path}: it is the run that --overwrite renames; choose another --output, so that the path \
         of the other run stays valid"
    )]
    SelfInit {
        /// The file or folder.
        path: PathBuf,
    },
    /// A `config.toml` of the run that `training.init_from` names, which cannot be read.
    #[error("training.init_from: cannot read {path}: {source}; give the folder of a run or of an imported model")]
    InitFrom {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A run that was made with another configuration.
    #[error(
        "{path} was made with another configuration ({difference}): {reason}; resume with the same one, or use --overwrite"
    )]
    OtherConfig {
        /// The file or folder.
        path: PathBuf,
        /// The first key that may not change, with both values.
        difference: String,
        /// The reason.
        reason: String,
    },
    /// A run that was made with another corpus.
    #[error(
        "{path} was made with another {split} corpus than task.{split} holds now; restore that corpus, or start a new run \
         with --overwrite"
    )]
    OtherCorpus {
        /// The file or folder.
        path: PathBuf,
        /// The split: `train`, `validation` or `test`.
        split: &'static str,
    },
    /// A streamed corpus whose pairs are divided otherwise among its files.
    #[error(
        "{path} was made with a training corpus whose pairs are divided otherwise among its files, which are read in a new \
         order in each epoch; restore those files, or start a new run with --overwrite"
    )]
    OtherFiles {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file of the run folder with unexpected contents.
    #[error("{path} holds {found}, expected {expected}; restore it, or start a new run with --overwrite")]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// The contents found.
        found: String,
        /// The contents expected.
        expected: &'static str,
    },
    /// Metrics that are shorter than at the checkpoint.
    #[error(
        "{path} has {found} bytes, expected at least {expected} as at the checkpoint: another program changed it; restore it, \
         or start a new run with --overwrite"
    )]
    ShortMetrics {
        /// The file or folder.
        path: PathBuf,
        /// Bytes found.
        found: u64,
        /// Minimum bytes expected.
        expected: u64,
    },
    /// A run folder without its folder of checkpoints.
    #[error(
        "{path} is missing, so there is no checkpoint to resume from; restore it, or start a new run with --overwrite \
         (`infer` works without it)"
    )]
    NoCheckpoints {
        /// The file or folder.
        path: PathBuf,
    },
}

/// Formats an error with its causes, each once: most messages already contain their cause.
pub fn format_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string().trim_end().to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(reason.trim_end()) {
            text = format!("{text}: {}", reason.trim_end());
        }
        cause = error.source();
    }
    text
}
