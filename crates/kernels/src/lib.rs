//! Fused, differentiable Transformer operations: one pass over memory each.
//!
//! Each operation is a plain function on tensors. Its portable definition runs on every backend and is the oracle of the
//! tests. On the CPU backend `flex`, in float32, a fused form with a hand-written derivative takes its place; on GPUs, some
//! operations have one too. [`decode`] is different: functions on slices, without derivatives.
//!
//! | module | operation |
//! |---|---|
//! | [`linear`] | linear layer with bias and ReLU |
//! | [`activation`] | GELU and SiLU, alone or as a gate |
//! | [`attention`] | scaled dot-product attention that on the CPU never holds all scores |
//! | [`residual`] | dropout, add, layer or RMS norm |
//! | [`dropout`] | dropout whose mask is a function of a key |
//! | [`ssru`] | the states of a recurrent cell, all steps at once |
//! | [`embedding`] | lookup, scaling, and the gradient of rows |
//! | [`projection_loss`] | output projection with label-smoothed cross-entropy, without holding all logits |
//! | [`r_drop_loss`] | the same for two passes, with a penalty on their divergence (R-Drop) |
//! | [`best_tokens`] | the most probable tokens of each row of logits |
//! | [`adam`] | the optimizer's update |
//! | [`decode`] | the building blocks of decoding on a CPU |
//!
//! [`mask`] describes the hidden keys of an attention. The operations are built on `matmul` (matrix products) and `simd`
//! (vector loops). On `flex`, `autodiff` adds an operation with a hand-written derivative to burn's graph. [`precision`]
//! selects the type of the operands of matrix products, [`recompute`] saves memory, [`upload`] transfers ids to devices, and [`allocator`] configures mimalloc.
//!
//! Results do not depend on the number of threads: blocks have fixed sizes, and their sums are added in order.

pub mod allocator;
#[cfg(feature = "flex")]
mod array;
#[cfg(feature = "flex")]
pub mod autodiff;
#[cfg(feature = "flex")]
mod blocks;
pub mod decode;
#[cfg(any(feature = "flex", feature = "cube"))]
mod dispatch;
#[cfg(any(feature = "flex", feature = "cube"))]
mod form;
#[cfg(feature = "cube")]
mod gpu;
pub mod mask;
#[cfg(feature = "flex")]
mod matmul;
mod ops;
mod pool;
pub mod precision;
pub mod recompute;
mod simd;
pub mod upload;

#[cfg(feature = "cube")]
pub use form::with_gpu_launches;
#[cfg(any(feature = "flex", feature = "cube"))]
pub use form::with_portable_ops;
#[cfg(feature = "cube")]
pub use gpu::count_launches;
pub use mask::Mask;
pub use ops::dropout::Dropout;
pub use ops::{
    activation, adam, attention, best_tokens, dropout, embedding, linear, projection_loss, r_drop_loss, residual, ssru,
};
pub use pool::in_pool;
