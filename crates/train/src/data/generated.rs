//! Tasks without a corpus: sequences of digits to copy, reverse or sort.
//!
//! Each sequence belongs to training, validation or test by a hash of its own symbols, so the three are disjoint
//! whatever the seed.

use std::collections::HashSet;
use std::sync::Arc;

use model::random::{self, Rng};
use text::{END_ID, Pair, Tokenizer};

use super::{Corpora, Sample, Task};
use crate::data::{Example, TrainingData};
use crate::error::TrainError;
use runs::config::{GeneratedConfig, RunConfig};

/// What is to be said about a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Copy,
    Reverse,
    Sort,
}

impl Rule {
    /// The right answer.
    ///
    /// ```
    /// use train::task::Rule;
    /// assert_eq!(Rule::Reverse.apply(&[3, 1, 2]), [2, 1, 3]);
    /// assert_eq!(Rule::Sort.apply(&[3, 1, 3]), [1, 3, 3]);
    /// ```
    pub fn apply(self, symbols: &[usize]) -> Vec<usize> {
        let mut answer = symbols.to_vec();
        match self {
            Rule::Copy => {}
            Rule::Reverse => answer.reverse(),
            Rule::Sort => answer.sort(),
        }
        answer
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    Training,
    Validation,
    Test,
}

/// A tenth of all sequences each for validation and test, by a hash that does not know the seed.
fn split_of(symbols: &[usize]) -> Split {
    let symbols: Vec<u64> = symbols.iter().map(|&symbol| symbol as u64).collect();
    match random::key(&symbols) % 10 {
        0 => Split::Validation,
        1 => Split::Test,
        _ => Split::Training,
    }
}

/// Draws sequences; a function of seed, epoch and index.
#[derive(Clone, Debug)]
pub struct Generator {
    rule: Rule,
    config: GeneratedConfig,
    seed: u64,
}

/// Sequences in what counts as one epoch.
const EPOCH: usize = 20_000;
/// Draws without a new sequence after which there is none left.
const TRIES: usize = 10_000;
/// Keeps the keys of data apart from those of weights and dropout under the same seed.
const SEQUENCES: u64 = 0x5EC;

impl Generator {
    /// The training examples of an epoch.
    pub fn epoch(&self, epoch: u64) -> Vec<Example> {
        let mut stream = self.stream(Split::Training, epoch);
        let mut examples = Vec::with_capacity(EPOCH);
        while examples.len() < EPOCH {
            let symbols = self.draw(&mut stream);
            if split_of(&symbols) == Split::Training {
                examples.push(self.example(&symbols));
            }
        }
        examples
    }

    /// Up to `count` distinct sequences of a held-out split.
    fn held_out(&self, split: Split, count: usize) -> Vec<Sample> {
        let mut stream = self.stream(split, 0);
        let (mut seen, mut samples, mut tries) = (HashSet::new(), Vec::new(), 0);
        while samples.len() < count && tries < TRIES {
            tries += 1;
            let symbols = self.draw(&mut stream);
            if split_of(&symbols) == split && seen.insert(symbols.clone()) {
                tries = 0;
                let pair = Pair { source: written(&symbols), target: written(&self.rule.apply(&symbols)) };
                samples.push(Sample { pair, example: self.example(&symbols) });
            }
        }
        samples
    }

    fn stream(&self, split: Split, epoch: u64) -> Rng {
        Rng::new(random::key(&[self.seed, SEQUENCES, split as u64, epoch]))
    }

    fn draw(&self, stream: &mut Rng) -> Vec<usize> {
        let GeneratedConfig { symbols, min_length, max_length } = self.config;
        let length = min_length + stream.below(max_length - min_length + 1);
        (0..length).map(|_| stream.below(symbols)).collect()
    }

    fn example(&self, symbols: &[usize]) -> Example {
        Example { source: ids(symbols), target: ids(&self.rule.apply(symbols)) }
    }
}

/// Ids of a word vocabulary: `</s>`, `<unk>`, then the symbols.
fn ids(symbols: &[usize]) -> Vec<u32> {
    symbols.iter().map(|&symbol| symbol as u32 + 2).chain([END_ID]).collect()
}

fn written(symbols: &[usize]) -> String {
    symbols.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn task(rule: Rule, task: &GeneratedConfig, config: &RunConfig) -> Result<Task, TrainError> {
    let words: Vec<String> = (0..task.symbols).map(|symbol| symbol.to_string()).collect();
    let tokenizer = Arc::new(Tokenizer::from_words(&words));
    let generator = Generator { rule, config: task.clone(), seed: config.training.seed };
    let validation = generator.held_out(Split::Validation, config.validation.sentences);
    let test = generator.held_out(Split::Test, config.validation.sentences);
    let trainable = (0..TRIES as u64)
        .any(|i| split_of(&generator.draw(&mut generator.stream(Split::Training, i))) == Split::Training);
    if validation.is_empty() || test.is_empty() || !trainable {
        return Err(TrainError::Data(
            "the task has too few sequences to hold some out; raise task.symbols or task.max_length".to_string(),
        ));
    }
    let mut notes = Vec::new();
    if validation.len() < config.validation.sentences {
        notes.push(format!("only {} sequences to validate on: the task has no more", validation.len()));
    }
    Ok(Task {
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        training: Arc::new(TrainingData::Generated(generator)),
        validation,
        test,
        corpora: Corpora::default(),
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(seed: u64) -> Generator {
        Generator { rule: Rule::Sort, config: GeneratedConfig::default(), seed }
    }

    #[test]
    fn the_three_splits_are_disjoint_for_any_seed() {
        let sources = |samples: &[Sample]| -> HashSet<Vec<u32>> {
            samples.iter().map(|sample| sample.example.source.clone()).collect()
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
    fn lengths_and_symbols_are_as_asked() {
        let lengths: HashSet<usize> = generator(1).epoch(0).iter().map(|e| e.source.len() - 1).collect();
        assert_eq!(lengths, (1..=10).collect());
        let symbols: HashSet<u32> = generator(1).epoch(0).into_iter().flat_map(|e| e.target).collect();
        assert_eq!(symbols, std::iter::once(END_ID).chain(2..12).collect());
    }
}
