//! The option for texts with more tokens than the model has positions.

use clap::{Args, ValueEnum};
use decode::TooLong;

/// What happens to texts that are too long for the model.
#[derive(Args)]
pub struct TooLongOptions {
    /// Texts with more tokens than the model has positions: crop them, skip them (an empty line, and a
    /// score of nan), or fail
    #[arg(long, value_name = "ACTION", value_enum, default_value = "skip")]
    too_long: Action,
}

impl TooLongOptions {
    /// The value of `--too-long`.
    pub fn too_long(&self) -> TooLong {
        self.too_long.into()
    }
}

/// A value of `--too-long`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Action {
    Crop,
    Skip,
    Fail,
}

impl From<Action> for TooLong {
    fn from(action: Action) -> Self {
        match action {
            Action::Crop => Self::Crop,
            Action::Skip => Self::Skip,
            Action::Fail => Self::Fail,
        }
    }
}
