//! The building blocks of decoding on a CPU: a few large operations over slices, for constant weights.
//!
//! Decoding computes one token of each sentence at a time, so every matrix is read for only a few rows. Speed depends on
//! reading it in order, once for all rows, without other work in between.
//!
//! | module | contents |
//! |---|---|
//! | [`packed`] | a matrix laid out in the order in which [`matmul`] reads it |
//! | [`matmul`] | rows times such a matrix, with bias and ReLU |
//! | [`attention_cache`] | keys and values of the tokens so far, and multi-head attention of one query over them |
//! | [`rows`] | norms and activations of single rows |
//! | [`logits`] | the most probable tokens of a row of logits, and log-probabilities |
//!
//! A row's result does not depend on the other rows, bit for bit; neither does a translation.

pub mod attention_cache;
pub mod logits;
pub mod matmul;
pub mod packed;
pub mod rows;

pub use attention_cache::{AttentionCache, DistanceBias, Scoring};
pub use matmul::{Epilogue, multiply};
pub use packed::PackedMatrix;
