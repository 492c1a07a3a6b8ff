//! Data prepared while the device computes.
//!
//! Two threads: one reads, tokenises and filters the next block while the other cuts the current one into batches, which
//! wait in a short queue.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::Example;
use super::batches::{Batches, NextBatch, Position};
use super::blocks::{Blocks, TrainingData};
use super::encoder::Counts;
use crate::error::TrainError;

/// Updates that wait in the queue at most.
const QUEUE: usize = 8;

/// The data of one update.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefetched {
    /// A batch for each part of the update.
    pub parts: Vec<Vec<Example>>,
    /// Where the next update begins.
    pub after: Position,
    /// What was read of the epoch that ends in this update; of the last one, where a small corpus ends twice in it.
    pub epoch_read: Option<Counts>,
}

/// The data of one update after the other, endlessly. Dropping it ends its threads.
#[derive(Debug)]
pub struct Prefetch {
    queue: Receiver<Result<Prefetched, TrainError>>,
}

impl Prefetch {
    /// Starts to read from `position` on: updates of `parts` batches of at most `part_tokens` tokens.
    ///
    /// # Errors
    /// A system that gives no more threads.
    pub fn start(
        data: Arc<TrainingData>,
        part_tokens: usize,
        parts: usize,
        seed: u64,
        position: Position,
    ) -> Result<Self, TrainError> {
        // No place in between: one block is made while another is used, and no third is held.
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
        let mut batches = Batches::new(next_block, part_tokens, seed, position);
        let (update_done, queue) = mpsc::sync_channel(QUEUE);
        spawn("batches", move || {
            loop {
                let update = next_update(&mut batches, parts);
                let failed = update.is_err();
                if update_done.send(update).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { queue })
    }

    /// The next update's data, and how long it was waited for.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn next_update(&mut self) -> Result<(Prefetched, Duration), TrainError> {
        let started = Instant::now();
        let update = self.queue.recv().unwrap_or_else(|_| Err(ended()))?;
        Ok((update, started.elapsed()))
    }
}

fn next_update<Source>(batches: &mut Batches<Source>, parts: usize) -> Result<Prefetched, TrainError>
where
    Source: FnMut() -> Result<super::Block, TrainError>,
{
    let (mut examples, mut epoch) = (Vec::with_capacity(parts), None);
    for _ in 0..parts {
        let NextBatch { examples: part, epoch_read } = batches.next_batch()?;
        examples.push(part);
        epoch = epoch_read.or(epoch);
    }
    Ok(Prefetched { parts: examples, after: batches.position(), epoch_read: epoch })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), TrainError> {
    let started = thread::Builder::new().name(name.to_string()).spawn(work);
    started.map(drop).map_err(|error| TrainError::Data(format!("cannot start the thread `{name}`: {error}")))
}

fn ended() -> TrainError {
    TrainError::Data("the thread that prepares data has ended unexpectedly; go on with --resume".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::InMemory;

    fn data() -> Arc<TrainingData> {
        let example = |i: usize| Example { source: vec![2; 1 + i % 7], target: vec![2; 1 + i % 11] };
        let examples = Arc::new((0..300).map(example).collect());
        Arc::new(TrainingData::InMemory(InMemory { examples, recut: None }))
    }

    #[test]
    fn what_is_prepared_ahead_is_what_would_be_prepared_in_turn() {
        let mut ahead = Prefetch::start(data(), 100, 3, 5, Position::default()).unwrap();
        let mut blocks = Blocks::new(data(), Position::default());
        let mut batches = Batches::new(|| blocks.next_block(), 100, 5, Position::default());
        for _ in 0..50 {
            assert_eq!(ahead.next_update().unwrap().0, next_update(&mut batches, 3).unwrap());
        }
        assert!(batches.position().epoch > 1);
    }

    #[test]
    fn the_position_is_the_consumers_not_the_prefetchers() {
        let mut whole = Prefetch::start(data(), 100, 2, 5, Position::default()).unwrap();
        let taken: Vec<Prefetched> = (0..20).map(|_| whole.next_update().unwrap().0).collect();
        let mut resumed = Prefetch::start(data(), 100, 2, 5, taken[6].after).unwrap();
        for expected in &taken[7..] {
            assert_eq!(resumed.next_update().unwrap().0, *expected);
        }
    }
}
