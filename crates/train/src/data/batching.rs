//! Batches of similar lengths, in an order that is a function of seed, epoch and block.

use model::random::{self, Rng};
use runs::record::PairCounts;
use serde::{Deserialize, Serialize};

use super::shuffle_buffer::Block;
use super::{Example, UnorderedHash};
use crate::error::TrainError;

/// A position in the data: the next batch. Checkpoints keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The block in the epoch.
    pub block: usize,
    /// The batch in the block.
    pub batch: usize,
    /// Counts of the epoch's pairs before the block.
    pub before: PairCounts,
    /// The hash of the pairs of a streamed epoch that training has used: all blocks before this one, and this one after its
    /// first batch.
    pub learned: UnorderedHash,
}

/// An endless sequence of batches of examples of similar length.
pub struct Batches<Source> {
    blocks: Source,
    max_tokens: usize,
    seed: u64,
    position: Position,
    block: Option<Planned>,
}

/// A block and its batches, as indices of examples.
struct Planned {
    block: Block,
    batches: Vec<Vec<usize>>,
}

/// A batch, and the counts of the epoch that ends with it.
#[derive(Clone, Debug, PartialEq)]
pub struct NextBatch {
    /// The examples.
    pub examples: Vec<Example>,
    /// Counts of the epoch's pairs, if the epoch ends with this batch.
    pub epoch_read: Option<PairCounts>,
}

impl<Source: FnMut() -> Result<Block, TrainError>> Batches<Source> {
    /// Batches of at most `max_tokens` target (and source) tokens, padding included. `blocks` returns one block after the
    /// other, starting with that of `position`.
    pub fn new(blocks: Source, max_tokens: usize, seed: u64, position: Position) -> Self {
        Self { blocks, max_tokens, seed, position, block: None }
    }

    /// The next batch.
    ///
    /// # Errors
    /// Those of `blocks`.
    pub fn next_batch(&mut self) -> Result<NextBatch, TrainError> {
        let mut epoch_read = None;
        loop {
            let planned = match &mut self.block {
                Some(planned) => planned,
                None => self.block.insert(Planned::new((self.blocks)()?, self.max_tokens, self.seed)),
            };
            let Planned { block, batches } = planned;
            let batch = batches.get(self.position.batch);
            let examples: Option<Vec<Example>> =
                batch.map(|batch| batch.iter().map(|&index| block.examples[index].clone()).collect());
            let (last, mut read, mut learned) = (block.last, self.position.before, self.position.learned);
            read += block.counts;
            if self.position.batch == 0 {
                learned += block.hash;
            }
            let ended = self.position.batch + 1 >= batches.len();
            self.position = match (ended, last) {
                (false, _) => Position { batch: self.position.batch + 1, learned, ..self.position },
                (true, false) => {
                    Position { epoch: block.epoch, block: block.index + 1, batch: 0, before: read, learned }
                }
                (true, true) => Position { epoch: block.epoch + 1, ..Position::default() },
            };
            if ended {
                self.block = None;
                epoch_read = last.then_some(read).or(epoch_read);
            }
            // A block may have no usable pair.
            if let Some(examples) = examples {
                return Ok(NextBatch { examples, epoch_read });
            }
        }
    }

    /// The position after the batches taken so far.
    pub fn position(&self) -> Position {
        self.position
    }
}

impl Planned {
    fn new(block: Block, max_tokens: usize, seed: u64) -> Self {
        // One number for epoch and block.
        let key = random::key(&[seed, ORDER, block.epoch ^ ((block.index as u64) << 32)]);
        Self { batches: split_into_batches(&block.examples, max_tokens, key), block }
    }
}

/// Keeps the keys of data order apart from those of weights and dropout under the same seed.
const ORDER: u64 = 0x0DE2;
/// Batches whose sentences are sorted by length together; more means less padding and less randomness.
const SORTED_TOGETHER: usize = 64;

/// Splits a block into batches: indices shuffled, sorted by length within windows, split by the token budget, and the
/// batches shuffled.
fn split_into_batches(examples: &[Example], max_tokens: usize, key: u64) -> Vec<Vec<usize>> {
    let mut rng = Rng::new(key);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    rng.shuffle(&mut order);

    let total: usize = examples.iter().map(|example| example.target.len()).sum();
    let per_batch = max_tokens.saturating_mul(examples.len()).div_ceil(total.max(1)).max(1);
    let mut batches = Vec::new();
    for window in order.chunks_mut(per_batch.saturating_mul(SORTED_TOGETHER)) {
        // Stable, so equal lengths keep their shuffled order.
        window.sort_by_key(|&index| (examples[index].target.len(), examples[index].source.len()));
        let (mut batch, mut width) = (Vec::new(), 0);
        for &index in window.iter() {
            let wider = width.max(examples[index].longer());
            if !batch.is_empty() && (batch.len() + 1) * wider > max_tokens {
                batches.push(std::mem::take(&mut batch));
                width = 0;
            }
            width = width.max(examples[index].longer());
            batch.push(index);
        }
        batches.push(batch);
    }
    rng.shuffle(&mut batches);
    batches
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn examples() -> Vec<Example> {
        (0..1000).map(|i| Example { source: vec![2; 1 + i % 7], target: vec![2; 1 + i % 11] }).collect()
    }

    /// Epochs of three blocks, the second of which is empty.
    fn blocks(position: Position) -> impl FnMut() -> Result<Block, TrainError> {
        let (mut epoch, mut index) = (position.epoch, position.block);
        move || {
            let examples = Arc::new(if index == 1 { Vec::new() } else { examples() });
            let counts = PairCounts { pairs: 1000, ..PairCounts::default() };
            let hash = UnorderedHash::default();
            let block = Block { epoch, index, examples, counts, hash, last: index == 2 };
            (epoch, index) = if index == 2 { (epoch + 1, 0) } else { (epoch, index + 1) };
            Ok(block)
        }
    }

    #[test]
    fn a_block_has_every_example_once_within_budget() {
        let (examples, mut seen) = (examples(), vec![0; 1000]);
        let batches = split_into_batches(&examples, 100, 1);
        for batch in &batches {
            let width = batch.iter().map(|&i| examples[i].longer()).max().unwrap();
            assert!(batch.len() * width <= 100);
            batch.iter().for_each(|&i| seen[i] += 1);
        }
        assert!(seen.iter().all(|&count| count == 1));
        let padded: usize = batches.iter().map(|b| b.len() * b.iter().map(|&i| 1 + i % 11).max().unwrap()).sum();
        let real: usize = (0..1000).map(|i| 1 + i % 11).sum();
        assert!((real as f64) > 0.9 * padded as f64, "padding above 10 %: {real} of {padded}");
    }

    #[test]
    fn the_order_depends_on_seed_epoch_and_block() {
        let order = |seed, epoch, index| {
            let (examples, counts) = (Arc::new(examples()), PairCounts::default());
            let hash = UnorderedHash::default();
            Planned::new(Block { epoch, index, examples, counts, hash, last: true }, 100, seed).batches
        };
        let orders = [order(5, 0, 0), order(6, 0, 0), order(5, 1, 0), order(5, 0, 1)];
        for (i, one) in orders.iter().enumerate() {
            assert!(orders[i + 1..].iter().all(|other| one != other), "order {i} comes again");
        }
        assert!(orders[0] == order(5, 0, 0), "it is a function of these three");
    }

    #[test]
    fn neighbours_in_the_input_are_separated() {
        // One length, so that sorting by it moves nothing.
        let examples = vec![Example { source: vec![2; 10], target: vec![2; 10] }; 1000];
        let batches = split_into_batches(&examples, 100, 1);
        let pairs: Vec<&[usize]> = batches.iter().flat_map(|batch| batch.windows(2)).collect();
        let neighbours = pairs.iter().filter(|pair| pair[0] + 1 == pair[1]).count();
        assert_eq!(pairs.len(), 900);
        assert!(neighbours < 20, "{neighbours} times the next example follows, by chance it would be about once");
    }

    #[test]
    fn batches_are_not_sorted_by_length() {
        let examples = examples();
        let batches = split_into_batches(&examples, 100, 1);
        let lengths: Vec<usize> = batches.iter().map(|batch| examples[batch[0]].target.len()).collect();
        let rises = lengths.windows(2).filter(|pair| pair[0] < pair[1]).count();
        let falls = lengths.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!(rises.min(falls) > lengths.len() / 4, "{rises} rises and {falls} falls in {lengths:?}");
    }

    #[test]
    fn batches_resume_at_a_position() {
        let mut whole = Batches::new(blocks(Position::default()), 100, 5, Position::default());
        let mut met = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let position = whole.position();
            met.insert((position.epoch, position.block));
            let mut resumed = Batches::new(blocks(position), 100, 5, position);
            assert_eq!(whole.next_batch().unwrap(), resumed.next_batch().unwrap());
            assert_eq!(whole.position(), resumed.position());
        }
        assert!(met.contains(&(0, 2)) && met.contains(&(1, 0)), "the test crosses blocks and epochs: {met:?}");
    }

    #[test]
    fn the_last_batch_of_an_epoch_has_its_counts() {
        let mut batches = Batches::new(blocks(Position::default()), 100, 5, Position::default());
        let epochs: Vec<PairCounts> = (0..400).filter_map(|_| batches.next_batch().unwrap().epoch_read).collect();
        assert!(epochs.len() > 1);
        assert!(epochs.iter().all(|counts| counts.pairs == 3000));
    }

    #[test]
    fn an_example_over_budget_is_a_batch_of_its_own() {
        let long = Example { source: vec![2; 50], target: vec![2; 50] };
        let batches = split_into_batches(&[long.clone(), long], 10, 1);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }
}
