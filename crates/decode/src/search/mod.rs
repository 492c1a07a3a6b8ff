//! The choice of target tokens: greedy search, beam search and sampling, each among what the logits processors allow.

pub mod beam;
pub mod greedy;
pub mod hypothesis;
pub mod logits_processor;
pub mod sampling;
