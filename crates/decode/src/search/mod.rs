//! Search: the choice of target tokens.
//!
//! [`greedy`] takes the most probable token of each step, [`beam`] keeps the most probable prefixes, and [`sampling`] draws
//! at random. [`logits_processor`]s change the logits beforehand.

pub mod beam;
pub mod greedy;
pub mod hypothesis;
pub mod logits_processor;
pub mod options;
pub mod sampling;
