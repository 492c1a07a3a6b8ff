//! What decoding on a CPU is made of: a few large operations over slices, for weights that never change.
//!
//! Decoding takes one token of each sentence at a time, so every matrix is read once for a handful of rows. What counts is
//! that it is read in order, once for all rows, and that nothing happens in between:
//!
//! | module | what it holds |
//! |---|---|
//! | [`packed`] | a matrix laid out in the order in which [`matmul`] reads it |
//! | [`matmul`] | rows times such a matrix, with bias and ReLU |
//! | [`attention_cache`] | keys and values as they come in, and one query over all heads of them |
//! | [`rows`] | norms and activations of single rows |
//! | [`logits`] | the most probable tokens of a row of logits, and how probable they are |
//!
//! A row's result does not depend on which rows it is computed with, bit for bit: so neither does a translation.

pub mod attention_cache;
pub mod logits;
pub mod matmul;
pub mod packed;
pub mod rows;

pub use attention_cache::AttentionCache;
pub use matmul::{Epilogue, multiply};
pub use packed::PackedMatrix;
