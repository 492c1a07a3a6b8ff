//! What the operations become on the CPU backend `flex` in float32: plain Rust over slices.
//!
//! [`fused`] is the way in from tensors, and registers derivatives; [`array`], [`matrix`] and [`rows`] are what
//! the operations are made of; every other file is one operation.

pub mod adam;
pub mod array;
pub mod attention;
pub mod bf16;
pub mod consistency_loss;
pub mod dropout;
pub mod embedding;
pub mod fused;
pub mod linear;
pub mod matrix;
pub mod projection_loss;
pub mod residual;
pub mod rows;

pub use bf16::unit as bf16_unit;
pub use fused::{applies, portably};
