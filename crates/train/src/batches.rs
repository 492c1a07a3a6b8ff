//! The order of training data: a function of seed and epoch, with a position that can be saved and found again.

use std::borrow::Cow;

use model::random::{self, Stream};
use serde::{Deserialize, Serialize};

use crate::task::{Example, TrainingData};

/// Where training stands in its data: the next batch of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub epoch: u64,
    pub batch: usize,
}

/// An endless sequence of batches of examples of similar length.
pub struct Batches<'a> {
    data: &'a TrainingData,
    max_tokens: usize,
    seed: u64,
    position: Position,
    examples: Cow<'a, [Example]>,
    plan: Vec<Vec<usize>>,
}

impl<'a> Batches<'a> {
    /// Batches of at most `max_tokens` target (and source) tokens, padding included, from `position` on.
    pub fn new(data: &'a TrainingData, max_tokens: usize, seed: u64, position: Position) -> Self {
        let mut batches = Self { data, max_tokens, seed, position, examples: Cow::Borrowed(&[]), plan: Vec::new() };
        batches.plan_epoch();
        batches
    }

    /// The next batch.
    pub fn next_batch(&mut self) -> Vec<&Example> {
        // At the end of an epoch, or beyond it where the corpus has shrunk since a checkpoint.
        if self.position.batch >= self.plan.len() {
            self.position = Position { epoch: self.position.epoch + 1, batch: 0 };
            self.plan_epoch();
        }
        let batch = &self.plan[self.position.batch];
        self.position.batch += 1;
        batch.iter().map(|&index| &self.examples[index]).collect()
    }

    /// The position after the batches already taken.
    pub fn position(&self) -> Position {
        self.position
    }

    fn plan_epoch(&mut self) {
        self.examples = self.data.epoch(self.position.epoch);
        let key = random::key(&[self.seed, ORDER, self.position.epoch]);
        self.plan = plan(&self.examples, self.max_tokens, key);
    }
}

/// Keeps the keys of data order apart from those of weights and dropout under the same seed.
const ORDER: u64 = 0x0DE2;
/// Batches whose sentences are sorted by length together; more means less padding and less chance.
const SORTED_TOGETHER: usize = 64;

/// Indices of every example, shuffled, sorted by length within windows, cut by the token budget, batches shuffled.
fn plan(examples: &[Example], max_tokens: usize, key: u64) -> Vec<Vec<usize>> {
    let mut stream = Stream::new(key);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    stream.shuffle(&mut order);

    let total: usize = examples.iter().map(|example| example.target.len()).sum();
    let per_batch = max_tokens.saturating_mul(examples.len()).div_ceil(total.max(1)).max(1);
    let mut batches = Vec::new();
    for window in order.chunks_mut(per_batch.saturating_mul(SORTED_TOGETHER)) {
        // Stable, so equal lengths keep their shuffled order.
        window.sort_by_key(|&index| (examples[index].target.len(), examples[index].source.len()));
        let (mut batch, mut width) = (Vec::new(), 0);
        for &index in window.iter() {
            let wider = width.max(examples[index].source.len()).max(examples[index].target.len());
            if !batch.is_empty() && (batch.len() + 1) * wider > max_tokens {
                batches.push(std::mem::take(&mut batch));
                width = 0;
            }
            width = width.max(examples[index].source.len()).max(examples[index].target.len());
            batch.push(index);
        }
        batches.push(batch);
    }
    stream.shuffle(&mut batches);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> TrainingData {
        let example = |i: usize| Example { source: vec![2; 1 + i % 7], target: vec![2; 1 + i % 11] };
        TrainingData::Corpus((0..1000).map(example).collect())
    }

    #[test]
    fn an_epoch_holds_every_example_once_within_the_budget() {
        let data = data();
        let mut seen = vec![0; 1000];
        let batches = plan(&data.epoch(0), 100, 1);
        for batch in &batches {
            let width = batch.iter().map(|&i| (1 + i % 11).max(1 + i % 7)).max().unwrap();
            assert!(batch.len() * width <= 100);
            batch.iter().for_each(|&i| seen[i] += 1);
        }
        assert!(seen.iter().all(|&count| count == 1));
        let padded: usize = batches.iter().map(|b| b.len() * b.iter().map(|&i| 1 + i % 11).max().unwrap()).sum();
        let real: usize = (0..1000).map(|i| 1 + i % 11).sum();
        assert!((real as f64) > 0.9 * padded as f64, "padding above 10 %: {real} of {padded}");
    }

    #[test]
    fn a_position_continues_where_it_was_taken() {
        let data = data();
        let mut whole = Batches::new(&data, 100, 5, Position::default());
        for _ in 0..100 {
            whole.next_batch();
        }
        let mut resumed = Batches::new(&data, 100, 5, whole.position());
        for _ in 0..100 {
            assert_eq!(whole.next_batch(), resumed.next_batch());
        }
        assert!(whole.position().epoch > 0, "the test crosses an epoch");
    }

    #[test]
    fn an_example_over_the_budget_is_a_batch_of_its_own() {
        let long = Example { source: vec![2; 50], target: vec![2; 50] };
        let data = TrainingData::Corpus(vec![long.clone(), long]);
        assert_eq!(plan(&data.epoch(0), 10, 1).iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }
}
