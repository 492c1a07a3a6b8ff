//! The input pipeline: training data from files to batches.
//!
//! ```text
//! files ─▶ pairs ─▶ encoder: ids, filters ─▶ shuffle buffer: blocks ─▶ batching: similar lengths ─▶ train step
//!          └────────────────────── on other threads, ahead of training (prefetch) ─────────────────────┘
//! ```
//!
//! The data at a [`Position`] are a function of the seed and the corpus, so a run can be resumed at any of them.

mod batching;
mod generated;
mod pair_encoder;
mod parallel;
mod prefetch;
mod shuffle_buffer;
mod training_data;
mod unordered_hash;

use burn::tensor::Device;
use model::{Batch, VocabularySizes};
use serde::{Deserialize, Serialize};
use text::Pair;

pub use batching::{Batches, NextBatch, Position};
pub use generated::{Generator, Split};
pub use pair_encoder::{DropReason, PairEncoder, count};
pub use parallel::{Survey, Vocabularies, eval_examples, training_data, unknown_rates};
pub use prefetch::{Prefetch, Prefetched};
pub use shuffle_buffer::{Block, Blocks};
pub use training_data::{InMemory, Streamed, TrainingData};
pub use unordered_hash::UnorderedHash;

/// A pair of sentences as ids, each ended by `</s>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Ids of the source.
    pub source: Vec<u32>,
    /// Ids of the target.
    pub target: Vec<u32>,
}

/// Pads examples to a batch, whose decoder starts from `decoder_start`.
pub fn padded_batch(examples: &[Example], decoder_start: u32, sizes: VocabularySizes, device: &Device) -> Batch {
    let pairs: Vec<(&[u32], &[u32])> =
        examples.iter().map(|example| (&example.source[..], &example.target[..])).collect();
    Batch::starting_with(decoder_start, &pairs, sizes, device)
}

impl Example {
    /// Tokens of the longer side.
    pub fn longer(&self) -> usize {
        self.source.len().max(self.target.len())
    }
}

/// A pair of the validation or test split: the text and its ids.
#[derive(Clone, Debug)]
pub struct EvalExample {
    /// The text.
    pub pair: Pair,
    /// Its ids.
    pub example: Example,
}
