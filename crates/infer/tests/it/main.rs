//! The `infer` binary: every command, option and message.

mod attend_command;
mod bad_input;
mod cli_reference;
#[cfg(feature = "mpi-tests")]
mod cluster;
mod dashes;
mod decoding;
mod distil;
mod documents;
mod ensemble;
mod evaluate;
#[cfg(feature = "marian")]
mod exchange;
mod languages;
mod one_line_each;
mod precision;
mod score;
#[cfg(feature = "serve")]
mod serve;
mod settings;
mod shortlist;
mod tokenizers_per_side;
mod too_long;
