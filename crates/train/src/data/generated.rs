//! Sequences of digits for the tasks without a corpus.
//!
//! Each sequence belongs to training, validation or test by a hash of its own symbols, so the three are disjoint for any
//! seed.

use std::collections::HashSet;

use model::random::{self, Rng};
use runs::config::GeneratedConfig;
use text::{END_ID, Pair};

use super::{EvalExample, Example};

/// The part of the data to which a sequence belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Eight tenths of all sequences.
    Training,
    /// One tenth.
    Validation,
    /// One tenth.
    Test,
}

impl Split {
    /// The split of a sequence: a hash of its symbols, independent of the seed.
    fn from_symbols(symbols: &[usize]) -> Self {
        let symbols: Vec<u64> = symbols.iter().map(|&symbol| symbol as u64).collect();
        match random::key(&symbols) % 10 {
            0 => Split::Validation,
            1 => Split::Test,
            _ => Split::Training,
        }
    }
}

/// A generator of sequences, which are a function of seed, epoch and index.
#[derive(Clone, Debug)]
pub struct Generator {
    config: GeneratedConfig,
    seed: u64,
}

/// Sequences per epoch.
const EPOCH: usize = 20_000;
/// Draws without a new sequence after which a split counts as exhausted.
const MAX_DRAWS: usize = 10_000;
/// Keeps the keys of data apart from those of weights and dropout under the same seed.
const SEQUENCES: u64 = 0x5EC;

impl Generator {
    /// A generator of the task's sequences.
    pub fn new(config: GeneratedConfig, seed: u64) -> Self {
        Self { config, seed }
    }

    /// The symbols as words, in the order of their ids.
    pub fn words(&self) -> Vec<String> {
        (0..self.config.symbols).map(|symbol| symbol.to_string()).collect()
    }

    /// The training examples of an epoch.
    pub fn epoch(&self, epoch: u64) -> Vec<Example> {
        let mut stream = self.stream(Split::Training, epoch);
        let mut examples = Vec::with_capacity(EPOCH);
        while examples.len() < EPOCH {
            let symbols = self.draw(&mut stream);
            if Split::from_symbols(&symbols) == Split::Training {
                examples.push(self.example(&symbols));
            }
        }
        examples
    }

    /// Up to `count` distinct sequences of a split; fewer if the task has no more.
    pub fn held_out(&self, split: Split, count: usize) -> Vec<EvalExample> {
        let mut stream = self.stream(split, 0);
        let (mut seen, mut examples, mut draws) = (HashSet::new(), Vec::new(), 0);
        while examples.len() < count && draws < MAX_DRAWS {
            draws += 1;
            let symbols = self.draw(&mut stream);
            if Split::from_symbols(&symbols) == split && seen.insert(symbols.clone()) {
                draws = 0;
                let pair = Pair { source: join(&symbols), target: join(&self.config.rule.apply(&symbols)) };
                examples.push(EvalExample { pair, example: self.example(&symbols) });
            }
        }
        examples
    }

    /// Returns whether the task has a sequence to train on.
    pub fn is_trainable(&self) -> bool {
        let is_training =
            |i: u64| Split::from_symbols(&self.draw(&mut self.stream(Split::Training, i))) == Split::Training;
        (0..MAX_DRAWS as u64).any(is_training)
    }

    fn stream(&self, split: Split, epoch: u64) -> Rng {
        Rng::new(random::key(&[self.seed, SEQUENCES, split as u64, epoch]))
    }

    fn draw(&self, stream: &mut Rng) -> Vec<usize> {
        let GeneratedConfig { rule: _, symbols, min_length, max_length } = self.config;
        let length = min_length + stream.below(max_length - min_length + 1);
        (0..length).map(|_| stream.below(symbols)).collect()
    }

    fn example(&self, symbols: &[usize]) -> Example {
        Example { source: ids(symbols), target: ids(&self.config.rule.apply(symbols)) }
    }
}

/// Ids of a word vocabulary: `</s>`, `<unk>`, then the symbols.
fn ids(symbols: &[usize]) -> Vec<u32> {
    symbols.iter().map(|&symbol| symbol as u32 + 2).chain([END_ID]).collect()
}

fn join(symbols: &[usize]) -> String {
    symbols.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use runs::config::GeneratedTask;

    use super::*;

    fn generator(seed: u64) -> Generator {
        Generator::new(GeneratedConfig::new(GeneratedTask::Sort), seed)
    }

    #[test]
    fn the_three_splits_are_disjoint_for_any_seed() {
        let sources = |examples: &[EvalExample]| -> HashSet<Vec<u32>> {
            examples.iter().map(|example| example.example.source.clone()).collect()
        };
        let validation = sources(&generator(1).held_out(Split::Validation, 1000));
        let test = sources(&generator(2).held_out(Split::Test, 1000));
        assert_eq!((validation.len(), test.len()), (1000, 1000), "distinct");
        assert!(validation.is_disjoint(&test));
        for epoch in 0..3 {
            for example in generator(3).epoch(epoch) {
                assert!(!validation.contains(&example.source) && !test.contains(&example.source));
            }
        }
    }

    #[test]
    fn an_epoch_is_a_function_of_seed_and_number() {
        assert_eq!(generator(1).epoch(4), generator(1).epoch(4));
        assert_ne!(generator(1).epoch(4), generator(1).epoch(5));
        assert_ne!(generator(1).epoch(4), generator(2).epoch(4));
    }

    #[test]
    fn lengths_and_symbols_are_as_configured() {
        let lengths: HashSet<usize> = generator(1).epoch(0).iter().map(|e| e.source.len() - 1).collect();
        assert_eq!(lengths, (1..=10).collect());
        let symbols: HashSet<u32> = generator(1).epoch(0).into_iter().flat_map(|e| e.target).collect();
        assert_eq!(symbols, std::iter::once(END_ID).chain(2..12).collect());
    }
}
