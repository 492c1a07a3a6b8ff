//! The sources of training examples: generated sequences, a corpus in memory, or a corpus streamed from files.

use std::sync::Arc;

use model::random::{self, Rng};
use rayon::prelude::*;
use runs::record::PairCounts;
use text::{Pair, ParallelPath, ParallelReader, TextError};

use super::pair_encoder::{PairEncoder, count};
use super::{Example, Generator, Position, UnorderedHash};
use crate::error::TrainError;

/// The source of training examples.
#[derive(Debug)]
pub enum TrainingData {
    /// Sequences generated for each epoch.
    Generated(Generator),
    /// A corpus that fits into the shuffle buffer.
    InMemory(InMemory),
    /// A corpus that is read again in each epoch.
    Streamed(Streamed),
}

impl TrainingData {
    /// Returns whether a corpus is read again in each epoch.
    pub fn is_streamed(&self) -> bool {
        match self {
            TrainingData::Streamed(_) => true,
            TrainingData::Generated(_) | TrainingData::InMemory(_) => false,
        }
    }
}

/// A corpus in memory.
#[derive(Debug)]
pub struct InMemory {
    /// The encoded pairs.
    pub examples: Arc<Vec<Example>>,
    /// The text of each example and its encoder, if BPE-dropout encodes it again in each epoch.
    pub resample: Option<(Vec<Pair>, PairEncoder)>,
}

/// A corpus in files that are read in each epoch.
#[derive(Debug)]
pub struct Streamed {
    /// The files.
    pub path: ParallelPath,
    /// The hash of the corpus at the start of the run.
    pub hash: UnorderedHash,
    /// The encoder of its pairs.
    pub encoder: PairEncoder,
    /// Pairs per block.
    pub shuffle_buffer: usize,
}

impl InMemory {
    pub(super) fn epoch(&self, epoch: u64) -> Arc<Vec<Example>> {
        let Some((pairs, encoder)) = &self.resample else { return self.examples.clone() };
        let pairs = pairs.par_iter().zip(self.examples.par_iter()).enumerate();
        let resample = |(index, (pair, plain)): (usize, (&Pair, &Example))| {
            encoder.encode_with_dropout(pair, plain.clone(), epoch, index)
        };
        Arc::new(pairs.map(resample).collect())
    }
}

/// Keeps the keys of the shards' order apart from others under the same seed.
const SHARDS: u64 = 0x5AD5;

impl Streamed {
    /// Opens the rest of an epoch at a block, and hashes the pairs before it. Each epoch has its own order of shards.
    pub(super) fn open(&self, epoch: u64, block: usize) -> Result<(ParallelReader, UnorderedHash), TextError> {
        let mut order: Vec<usize> = (0..self.path.shards()?).collect();
        Rng::new(random::key(&[self.encoder.seed, SHARDS, epoch])).shuffle(&mut order);
        let mut reader = ParallelReader::open(&self.path.reordered(&order))?;
        let mut skipped = UnorderedHash::default();
        for pair in reader.by_ref().take(block.saturating_mul(self.shuffle_buffer)) {
            skipped.add(&pair?);
        }
        Ok((reader, skipped))
    }

    /// Rejects an epoch of other pairs than at the start of the run.
    pub(super) fn check_epoch(&self, epoch: UnorderedHash) -> Result<(), TrainError> {
        if epoch == self.hash {
            return Ok(());
        }
        let (path, expected) = (self.path.to_string(), self.hash.pairs);
        Err(TrainError::CorpusChanged { path, found: epoch.pairs, expected })
    }

    /// Rejects a checkpoint that was trained on other pairs than those that the corpus now has before the position.
    pub(super) fn check_learned(&self, position: Position, now: UnorderedHash) -> Result<(), TrainError> {
        if position.learned == now { Ok(()) } else { Err(TrainError::LearnedElsewhere { path: self.path.to_string() }) }
    }

    /// Encodes the pairs of a block on all cores, and counts the dropped ones.
    pub(super) fn encode(
        &self,
        pairs: &[Pair],
        epoch: u64,
        block: usize,
    ) -> Result<(Vec<Example>, PairCounts), TextError> {
        let first = block.saturating_mul(self.shuffle_buffer);
        let encoded: Vec<Result<_, TextError>> = pairs
            .par_iter()
            .enumerate()
            .map(|(index, pair)| {
                let plain = self.encoder.encode(pair)?;
                Ok(plain.map(|plain| self.encoder.encode_with_dropout(pair, plain, epoch, first + index)))
            })
            .collect();
        let (mut examples, mut counts) = (Vec::with_capacity(pairs.len()), PairCounts::default());
        for example in encoded {
            let example = example?;
            count(&mut counts, &example);
            examples.extend(example);
        }
        Ok((examples, counts))
    }
}
