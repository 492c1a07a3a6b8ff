//! The building blocks of decoding on a CPU: a few large operations over slices, for constant weights.
//!
//! Decoding computes one token of each sentence at a time, so every matrix is read for only a few rows. Speed depends on
//! reading it in order, once for all rows, without other work in between.
//!
//! | module | contents |
//! |---|---|
//! | [`packed`] | a matrix laid out in the order in which [`matmul`] reads it |
//! | [`matmul`] | rows times such a matrix, with bias and ReLU |
//! | [`int8`] | the same in integers of 8 bits |
//! | [`bfloat16`] | the same in bfloat16 |
//! | [`matrix`] | a matrix of any of these types |
//! | [`weight_memory`] | where the matrices of a model are stored |
//! | [`workspace`] | products with any matrix, on one thread or several |
//! | [`attention_cache`] | keys and values of the tokens so far, and multi-head attention of one query over them |
//! | [`rows`] | norms and activations of single rows |
//! | [`logits`] | the most probable tokens of a row of logits, and log-probabilities |
//!
//! A row's result does not depend on the other rows, bit for bit; neither does a translation.

pub mod attention_cache;
pub mod bfloat16;
pub mod int8;
pub mod logits;
pub mod matmul;
pub mod matrix;
mod output;
pub mod packed;
pub mod rows;
mod team;
pub mod weight_memory;
mod words;
pub mod workspace;

pub use attention_cache::{AttentionCache, DistanceBias, Scoring};
pub use bfloat16::Bfloat16Matrix;
pub use int8::{Int8Matrix, Int8Rows};
pub use matmul::{Epilogue, multiply};
pub use matrix::Matrix;
pub use packed::PackedMatrix;
pub use weight_memory::WeightMemory;
pub use workspace::Workspace;
