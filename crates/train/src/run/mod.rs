//! A run from its configuration to its folder: [`Run::prepare`] checks everything, [`Run::train`] trains.

pub mod checkpoint;
mod checkpoint_checks;
pub mod evaluate;
mod observer;
mod prepare;
pub mod ranks;
pub mod reopen;
pub mod snapshots;
mod start;
pub mod step_metrics;
mod trainer;
mod validate;
mod vocabularies;

pub use observer::{Observer, Silent, Started};
pub use prepare::{Run, RunOptions, initial_model};
pub use trainer::{Outcome, step_options};
pub use vocabularies::initial_vocabularies;
