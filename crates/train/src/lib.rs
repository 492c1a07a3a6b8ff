//! Training, from one configuration file to one run folder.
//!
//! Read [`trainer`] first: it is the loop, top to bottom. Around it stand [`runs::config`] (what was asked for), [`task`]
//! (what is learned) and [`start`] (from where); [`data`] (from files to batches); [`learner`] with [`schedule`],
//! [`workers`], [`gradients`] and [`adam`] (how a step is made); [`ema`] and [`snapshots`] (which weights are averaged);
//! [`meter`] and [`validation`] (how well it goes); [`run_folder`] with `lock`, `durable` and [`checkpoint`]
//! (what is kept), with `fault`, by which tests see what a power cut would leave; and [`progress`] and [`report`] (what is
//! shown).

#[cfg(not(any(feature = "flex", feature = "ndarray", feature = "wgpu", feature = "vulkan", feature = "cuda")))]
compile_error!(
    "no backend: build with `--features flex` (CPU, the default), `ndarray`, `wgpu`, `vulkan` or `cuda`, \
     for example `cargo run -p train --no-default-features --features wgpu -- …`"
);

pub mod adam;
pub mod checkpoint;
pub mod data;
pub mod ema;
pub mod error;
pub mod gradients;
pub mod learner;
pub mod meter;
pub mod progress;
pub mod report;
pub mod run_folder;
pub mod schedule;
pub mod snapshots;
pub mod start;
pub mod task;
pub mod trainer;
pub mod validation;
pub mod workers;

pub use error::TrainError;
pub use runs::RunConfig;
