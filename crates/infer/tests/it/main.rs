//! The `infer` binary: every command, option and message.

mod attend_command;
mod bad_input;
mod cli_reference;
mod decoding;
mod distil;
mod evaluate;
#[cfg(feature = "marian")]
mod exchange;
mod score;
#[cfg(feature = "serve")]
mod serve;
mod settings;
