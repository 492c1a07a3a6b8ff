//! Translation: parallel text, and vocabularies trained on it.

use std::sync::Arc;

use model::random;
use serde::Serialize;
use text::{END_ID, Pair, ParallelPath, Tokenizer, read_parallel};

use super::{Example, Sample, Task, TrainingData, encode};
use crate::config::RunConfig;
use crate::error::TrainError;

/// Where the parallel text is: for each split a TSV file (`source TAB target`), or a pair of files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TranslateConfig {
    pub train: ParallelPath,
    pub validation: ParallelPath,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<ParallelPath>,
}

pub(super) fn task(task: &TranslateConfig, config: &RunConfig) -> Result<Task, TrainError> {
    let tokenizer = config.tokenizer.clone().unwrap_or_default();
    let train = read_parallel(&task.train)?;
    let validation = read_parallel(&task.validation)?;
    let test = task.test.as_ref().map(read_parallel).transpose()?.unwrap_or_default();

    let sources = || train.iter().map(|pair| pair.source.as_str());
    let targets = || train.iter().map(|pair| pair.target.as_str());
    let (source_tokenizer, target_tokenizer) = if tokenizer.joint {
        // Pair by pair, so that a bounded sample sees both languages.
        let both = train.iter().flat_map(|pair| [pair.source.as_str(), pair.target.as_str()]);
        let joint = Arc::new(Tokenizer::train(&tokenizer, both)?);
        (joint.clone(), joint)
    } else {
        (Arc::new(Tokenizer::train(&tokenizer, sources())?), Arc::new(Tokenizer::train(&tokenizer, targets())?))
    };

    let mut notes = vec![format!("{} training pairs", model::summary::grouped(train.len()))];
    let mut encode_all = |split: &str, pairs: Vec<Pair>| -> Result<Vec<Sample>, TrainError> {
        let all = pairs.len();
        let mut samples = Vec::with_capacity(all);
        for pair in pairs {
            let source = encode(&source_tokenizer, &pair.source)?;
            let target = encode(&target_tokenizer, &pair.target)?;
            // One token is the end token alone: an empty side.
            let usable = |ids: &[u32]| (2..=config.model.max_length).contains(&ids.len());
            if usable(&source) && usable(&target) {
                samples.push(Sample { pair, example: Example { source, target } });
            }
        }
        if samples.len() < all {
            notes.push(format!(
                "dropped {} of {all} {split} pairs: a side is empty or exceeds model.max_length = {} tokens",
                all - samples.len(),
                config.model.max_length
            ));
        }
        if samples.is_empty() && all > 0 {
            return Err(TrainError::Data(format!(
                "no {split} pair is left: every one has a side that is empty or exceeds model.max_length = {} tokens; \
                 raise model.max_length",
                config.model.max_length
            )));
        }
        Ok(samples)
    };
    let train = encode_all("training", train)?;
    let mut validation = encode_all("validation", validation)?;
    let mut test = encode_all("test", test)?;
    validation.truncate(config.validation.sentences);
    test.truncate(config.validation.sentences);
    if train.is_empty() || validation.is_empty() {
        return Err(TrainError::Data("the training or validation corpus is empty; give at least one pair".to_string()));
    }
    let training = match tokenizer.dropout {
        0.0 => TrainingData::Corpus(train.into_iter().map(|sample| sample.example).collect()),
        rate => TrainingData::Resegmented(Resegmented {
            samples: train,
            source_tokenizer: source_tokenizer.clone(),
            target_tokenizer: target_tokenizer.clone(),
            rate,
            seed: config.training.seed,
            max_length: config.model.max_length,
        }),
    };
    Ok(Task { source_tokenizer, target_tokenizer, training, validation, test, notes })
}

/// A corpus that BPE-dropout (Provilkov et al. 2020) cuts anew each epoch.
#[derive(Debug)]
pub struct Resegmented {
    samples: Vec<Sample>,
    source_tokenizer: Arc<Tokenizer>,
    target_tokenizer: Arc<Tokenizer>,
    rate: f64,
    seed: u64,
    max_length: usize,
}

/// Keeps the keys of BPE-dropout apart from those of weights, data and dropout under the same seed.
const SUBWORDS: u64 = 0xB9E;

impl Resegmented {
    /// The examples of an epoch: a function of seed, epoch and pair.
    pub fn epoch(&self, epoch: u64) -> Vec<Example> {
        let cut = |tokenizer: &Tokenizer, text: &str, usual: &[u32], at: usize, side: u64| {
            let key = random::key(&[self.seed, SUBWORDS, epoch, at as u64, side]);
            match tokenizer.encode_with_dropout(text, self.rate, key) {
                // Smaller pieces are more pieces; a sentence that no longer fits keeps its usual ones.
                Ok(mut ids) if ids.len() < self.max_length => {
                    ids.push(END_ID);
                    ids
                }
                _ => usual.to_vec(),
            }
        };
        let example = |(at, Sample { pair, example }): (usize, &Sample)| Example {
            source: cut(&self.source_tokenizer, &pair.source, &example.source, at, 0),
            target: cut(&self.target_tokenizer, &pair.target, &example.target, at, 1),
        };
        self.samples.iter().enumerate().map(example).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(rate: f64) -> Resegmented {
        let lines: Vec<String> = (0..200).map(|i| format!("lower lowest newer widest slower number {i}")).collect();
        let config = text::TokenizerConfig { vocab_size: 320, ..Default::default() };
        let tokenizer = Arc::new(Tokenizer::train(&config, lines.iter()).unwrap());
        let sample = |line: &String| {
            let ids = encode(&tokenizer, line).unwrap();
            let pair = Pair { source: line.clone(), target: line.clone() };
            Sample { pair, example: Example { source: ids.clone(), target: ids } }
        };
        Resegmented {
            samples: lines.iter().map(sample).collect(),
            source_tokenizer: tokenizer.clone(),
            target_tokenizer: tokenizer.clone(),
            rate,
            seed: 1,
            max_length: 64,
        }
    }

    #[test]
    fn an_epoch_is_cut_by_its_number_and_still_says_the_same() {
        let corpus = corpus(0.2);
        let (first, second) = (corpus.epoch(0), corpus.epoch(1));
        assert_eq!(first, corpus.epoch(0));
        assert_ne!(first, second);
        for (example, sample) in first.iter().zip(&corpus.samples) {
            assert_eq!(corpus.target_tokenizer.decode(&example.target).unwrap(), sample.pair.target);
            assert_ne!(example.source.last(), example.source.first());
        }
    }

    #[test]
    fn a_sentence_that_grows_too_long_keeps_its_usual_pieces() {
        let short = Resegmented { max_length: 2, ..corpus(0.9) };
        assert!(short.epoch(0).iter().zip(&short.samples).all(|(example, sample)| *example == sample.example));
    }
}
