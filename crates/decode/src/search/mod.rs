//! Search: the choice of target tokens.
//!
//! [`greedy`] takes the most probable token of each step, [`beam`] the most probable sentences it can find, and [`sampling`]
//! draws at random. Each chooses among the tokens that the [`logits_processor`]s leave.

pub mod beam;
pub mod greedy;
pub mod hypothesis;
pub mod logits_processor;
pub mod options;
pub mod sampling;
