//! Tokenizers, corpora and metrics.

mod bpe_dropout;
mod byte_tokens;
mod characters;
mod common;
mod corpus;
mod determinism;
mod direction;
mod field_files;
mod metrics;
mod normalization;
mod tokenizer;
mod training;
