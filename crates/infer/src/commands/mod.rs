//! One file per command: its arguments, and its run from them to the results.

pub mod attend;
pub mod decode;
pub mod distil;
pub mod evaluate;
#[cfg(feature = "marian")]
pub mod export;
#[cfg(feature = "marian")]
pub mod import;
pub mod score;
#[cfg(feature = "serve")]
pub mod serve;
