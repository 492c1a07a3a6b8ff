//! The run folder, the contract between `train` and `infer`, and the configuration that both read.
//!
//! [`layout`] has the name of every file, [`config`] the tables of a configuration, [`record`] the lines of
//! `metrics.jsonl` and [`corpora`] the hashes of the corpora. [`RunFolder`] is the folder while `train` writes it, and
//! [`SavedModel`] is what decoding opens.
//!
//! These are built on [`atomic`] files and folders, the [`lock`] against a second process, and [`replaceable`] folders. The
//! [`failpoint`] aborts the process at a chosen write, in tests.

pub mod atomic;
pub mod config;
pub mod corpora;
pub mod error;
pub mod failpoint;
pub mod layout;
pub mod lock;
mod pair_counts;
mod partial;
pub mod record;
pub mod replaceable;
pub mod run_folder;
mod same_run;
pub mod saved_model;
mod sync;
pub mod threads;

pub use config::{DecodingConfig, DecodingOverrides, LengthPenalty, RunConfig};
pub use error::{RunError, format_chain};
pub use run_folder::{ExistingRun, IfExists, RunFolder, RunParts};
pub use saved_model::SavedModel;
