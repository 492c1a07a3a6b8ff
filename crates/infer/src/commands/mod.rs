//! The commands, one file each: arguments, and `run`, which prints the results.

pub mod attend;
pub mod decode;
pub mod distil;
pub mod documents;
pub mod evaluate;
#[cfg(feature = "marian")]
pub mod export;
#[cfg(feature = "marian")]
pub mod import;
#[cfg(feature = "serve")]
mod models;
#[cfg(feature = "serve")]
mod models_file;
pub mod quantise;
pub mod score;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "serve")]
mod serve_log;
pub mod shortlist;
