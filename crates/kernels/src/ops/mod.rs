//! The operations: a folder each, with types and dispatch in `mod.rs` and the CPU's fused form in `cpu.rs`.

pub mod adam;
pub mod attention;
pub mod dropout;
pub mod embedding;
pub mod linear;
pub mod projection_loss;
pub mod r_drop_loss;
pub mod residual;
