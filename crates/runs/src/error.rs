//! Errors of configurations and run folders.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use model::ConfigError;

/// A configuration that cannot be used, or a run folder that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A configuration file that cannot be read.
    #[error("cannot read {path}: {source}; give an existing configuration, such as configs/tiny.toml")]
    ConfigFile { path: PathBuf, source: io::Error },
    /// A configuration file that is not valid TOML, or has an unknown key or a value of the wrong type.
    #[error("{path}: {source}")]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
    /// A field whose value cannot be used.
    #[error("{origin}: {source}")]
    Config { origin: String, source: ConfigError },
    /// A `--set` override at fault.
    #[error("--set {given}: {reason}")]
    Set { given: String, reason: String },
    /// A file or folder that cannot be written.
    #[error("{path}: {action} failed: {source}; check that the folder exists, is writable and has room")]
    Write { path: PathBuf, action: &'static str, source: io::Error },
    /// A run that another process trains.
    #[error(
        "{path} is in use: another process trains there; wait until it ends, or stop it, or choose another --output"
    )]
    InUse { path: PathBuf },
}

/// Formats an error with its causes, each once: most messages contain their cause's already.
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
