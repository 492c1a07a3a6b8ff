//! Preparation of data on two threads while the device computes. One reads, tokenises and filters the next block; the
//! other splits the current block into batches, which wait in a short queue.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use runs::record::PairCounts;

use super::Example;
use super::TrainingData;
use super::batching::{Batches, NextBatch, Position};
use super::shuffle_buffer::{Block, Blocks};
use crate::error::TrainError;

/// Maximum number of updates in the queue.
const QUEUE: usize = 8;

/// The data of one update.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefetched {
    /// The examples of each micro-batch.
    pub micro_batches: Vec<Vec<Example>>,
    /// The position of the next update.
    pub after: Position,
    /// Counts of the epoch that ends in this update; of the last one, if a small corpus ends twice in it.
    pub epoch_read: Option<PairCounts>,
}

/// An endless sequence of updates' data. Dropping it ends its threads.
#[derive(Debug)]
pub struct Prefetch {
    queue: Receiver<Result<Prefetched, TrainError>>,
}

impl Prefetch {
    /// Starts reading at `position`: updates of `micro_batches` batches of at most `max_tokens` tokens each.
    ///
    /// # Errors
    /// A system without another thread.
    pub fn start(
        data: Arc<TrainingData>,
        max_tokens: usize,
        micro_batches: usize,
        seed: u64,
        position: Position,
    ) -> Result<Self, TrainError> {
        // A queue of length 0: one block is prepared while another is in use, and there is no third.
        let (block_done, next_block) = mpsc::sync_channel(0);
        let mut blocks = Blocks::new(data, position);
        spawn("read-ahead", move || {
            loop {
                let block = blocks.next_block();
                let failed = block.is_err();
                if block_done.send(block).is_err() || failed {
                    return;
                }
            }
        })?;
        let next_block = move || next_block.recv().unwrap_or_else(|_| Err(ended()));
        let mut batches = Batches::new(next_block, max_tokens, seed, position);
        let (update_done, queue) = mpsc::sync_channel(QUEUE);
        spawn("batches", move || {
            loop {
                let update = next_update(&mut batches, micro_batches);
                let failed = update.is_err();
                if update_done.send(update).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { queue })
    }

    /// Returns the data of the next update, and the time spent waiting for them.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn next_update(&mut self) -> Result<(Prefetched, Duration), TrainError> {
        let started = Instant::now();
        let update = self.queue.recv().unwrap_or_else(|_| Err(ended()))?;
        Ok((update, started.elapsed()))
    }
}

fn next_update<Source>(batches: &mut Batches<Source>, count: usize) -> Result<Prefetched, TrainError>
where
    Source: FnMut() -> Result<Block, TrainError>,
{
    let (mut micro_batches, mut epoch) = (Vec::with_capacity(count), None);
    for _ in 0..count {
        let NextBatch { examples, epoch_read } = batches.next_batch()?;
        micro_batches.push(examples);
        epoch = epoch_read.or(epoch);
    }
    Ok(Prefetched { micro_batches, after: batches.position(), epoch_read: epoch })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), TrainError> {
    let started = thread::Builder::new().name(name.to_string()).spawn(work);
    started.map(drop).map_err(|error| TrainError::Data(format!("cannot start the thread `{name}`: {error}")))
}

fn ended() -> TrainError {
    TrainError::Data("the thread that prepares data has ended unexpectedly; resume with --resume".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::InMemory;

    fn data() -> Arc<TrainingData> {
        let example = |i: usize| Example { source: vec![2; 1 + i % 7], target: vec![2; 1 + i % 11] };
        let examples = Arc::new((0..300).map(example).collect());
        Arc::new(TrainingData::InMemory(InMemory { examples, resample: None }))
    }

    #[test]
    fn prefetched_data_equal_data_read_in_turn() {
        let mut ahead = Prefetch::start(data(), 100, 3, 5, Position::default()).unwrap();
        let mut blocks = Blocks::new(data(), Position::default());
        let mut batches = Batches::new(|| blocks.next_block(), 100, 5, Position::default());
        for _ in 0..50 {
            assert_eq!(ahead.next_update().unwrap().0, next_update(&mut batches, 3).unwrap());
        }
        assert!(batches.position().epoch > 1);
    }

    #[test]
    fn the_position_is_that_of_the_consumer() {
        let mut whole = Prefetch::start(data(), 100, 2, 5, Position::default()).unwrap();
        let taken: Vec<Prefetched> = (0..20).map(|_| whole.next_update().unwrap().0).collect();
        let mut resumed = Prefetch::start(data(), 100, 2, 5, taken[6].after).unwrap();
        for expected in &taken[7..] {
            assert_eq!(resumed.next_update().unwrap().0, *expected);
        }
    }
}
