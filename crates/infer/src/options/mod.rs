//! Groups of options that several commands share.

mod comparison;
mod decoding;
mod device;
mod documents;
mod language;
mod shortlist;
mod too_long;

pub use comparison::ComparisonOptions;
pub use decoding::{AlignmentOptions, SamplingOptions, option_name, settings};
pub use device::DeviceOptions;
pub use documents::DocumentOptions;
pub use language::LanguageOptions;
pub use shortlist::ShortlistOptions;
#[cfg(feature = "serve")]
pub use too_long::Action;
pub use too_long::TooLongOptions;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use decode::translator::BATCH_TOKENS;

/// Size of the batches that are decoded together.
#[derive(Args)]
pub struct BatchOptions {
    /// Maximum source tokens per batch, padding included
    #[arg(long, value_name = "N", default_value_t = BATCH_TOKENS)]
    pub batch_tokens: usize,
}

/// Format of the results on standard output.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Text,
    Jsonl,
}

/// An error of options that contradict each other: the command prints it and exits with code 2.
#[derive(Debug)]
pub struct UsageError {
    pub kind: ErrorKind,
    pub message: String,
}

impl UsageError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl std::fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

/// Parses a number that counts from 1 into an index that counts from 0.
pub fn one_based(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number - 1),
        Ok(_) | Err(_) => Err("expected a number, counted from 1".to_string()),
    }
}
