//! The operations, a folder each: types and dispatch in `mod.rs`, the definition in `portable.rs`, the fused form for the
//! CPU in `cpu.rs`.

pub mod activation;
pub mod adam;
pub mod attention;
pub mod best_tokens;
pub mod dropout;
pub mod embedding;
pub mod linear;
pub mod projection_loss;
pub mod r_drop_loss;
pub mod residual;
pub mod ssru;
