//! Operations of the Transformer that a tensor library composes of many passes over memory, each in one.
//!
//! Each is a plain function on tensors with a portable definition, which every backend computes and against which the
//! tests hold the other; where a tensor lives on the CPU backend `flex` in float32, a fused form with a hand-written
//! derivative takes over. [`decode`] alone is made otherwise: plain functions on slices, without derivatives.
//!
//! | module | operation |
//! |---|---|
//! | [`linear`] | linear layer with bias and ReLU |
//! | [`attention`] | scaled dot-product attention, whose scores are never all held |
//! | [`residual`] | dropout, add, layer norm |
//! | [`dropout`] | dropout whose mask is a function of a key |
//! | [`embedding`] | lookup, scaling, and the gradient of rows |
//! | [`projection_loss`] | output projection with label-smoothed cross-entropy, without ever holding all logits |
//! | [`consistency_loss`] | the same for two passes that are asked to agree (R-Drop) |
//! | [`adam`] | the optimizer's update |
//! | [`decode`] | what decoding on the CPU is made of |
//!
//! Beside them, [`mask`] holds which keys a query must not see, [`precision`] says how exactly products read their operands, and [`memory`] tells the allocator of a
//! program to keep what is freed for the next step.
//!
//! A result does not depend on the number of threads: work is cut into blocks of fixed sizes, and sums over blocks are
//! taken in their order.

pub mod adam;
pub mod attention;
pub mod consistency_loss;
pub mod decode;
pub mod dropout;
pub mod embedding;
pub mod linear;
pub mod mask;
pub mod memory;
pub mod precision;
pub mod projection_loss;
pub mod residual;

#[cfg(feature = "flex")]
mod cpu;
mod vector;

#[cfg(feature = "flex")]
pub use cpu::portably;
pub use dropout::Dropout;
pub use mask::Mask;
