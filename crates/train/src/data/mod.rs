//! Training data on its way to the learner.
//!
//! ```text
//! files ─▶ pairs ─▶ encoder: ids, filters ─▶ blocks: what is held in memory ─▶ batches: similar lengths ─▶ learner
//!          └──────────────────── on threads of their own, ahead of it (prefetch) ──────────────────────┘
//! ```
//!
//! What comes at a [`Position`] is a function of the seed and the corpus, so a run can go on from any of them.

mod batches;
mod blocks;
mod encoder;
mod prefetch;

pub use batches::{Batches, Position};
pub use blocks::{Block, Blocks, InMemory, Streamed, TrainingData};
pub use encoder::{Counts, PairEncoder, Unusable};
pub use prefetch::{Prefetch, Prefetched};

/// A pair of sentences as ids, each ended by `</s>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub source: Vec<u32>,
    pub target: Vec<u32>,
}

impl Example {
    /// Tokens of the longer side.
    pub fn longer(&self) -> usize {
        self.source.len().max(self.target.len())
    }
}
