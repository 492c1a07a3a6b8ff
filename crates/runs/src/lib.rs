//! The run folder, the contract between `train` and `infer`, and the configuration that both read.
//!
//! [`layout`] has every file name. [`atomic`] and [`durable`] write files and folders that appear whole or not at all,
//! [`lock`] keeps a second process out, [`replaceable`] decides whether a folder can be replaced, and [`failpoint`]
//! ends the process at a chosen write in tests. [`config`] holds the tables of a configuration file.

pub mod atomic;
pub mod config;
pub mod durable;
pub mod error;
pub mod failpoint;
pub mod layout;
pub mod lock;
pub mod replaceable;

pub use config::{DecodingConfig, LengthPenalty, RunConfig};
pub use error::{RunError, format_chain};
