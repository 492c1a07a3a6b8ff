//! Training, from one configuration file to one run folder.
//!
//! [`Run::prepare`](run::Run::prepare) checks everything that can be rejected, and [`Run::train`](run::Run::train)
//! trains:
//!
//! - [`task`] assembles tokenizers and data, and [`data`] leads from files to batches;
//! - [`optim`] updates the weights;
//! - [`run`] has the training loop, validation, checkpoints and the choice of the final weights;
//! - [`report`] draws `report.html`.
//!
//! The configuration and the run folder itself are in the crate `runs`.

#[cfg(not(any(feature = "flex", feature = "ndarray", feature = "wgpu", feature = "vulkan", feature = "cuda")))]
compile_error!(
    "no backend: build with `--features flex` (CPU, the default), `ndarray`, `wgpu`, `vulkan` or `cuda`, \
     for example `cargo run -p train --no-default-features --features wgpu -- …`"
);

pub mod data;
mod error;
pub mod optim;
pub mod report;
pub mod run;
pub mod task;

pub use error::TrainError;
pub use run::{Observer, Outcome, Run, RunOptions, Silent};
pub use runs::RunConfig;
pub use task::Task;
