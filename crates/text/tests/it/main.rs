//! Tokenizers, corpora and metrics.

mod bpe_dropout;
mod common;
mod corpus;
mod determinism;
mod metrics;
mod tokenizer;
mod training;
