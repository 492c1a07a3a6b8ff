//! Translation: parallel text, and vocabularies trained on it.

use std::sync::Arc;

use serde::Serialize;
use text::{Pair, ParallelPath, ParallelReader, TextError, Tokenizer, TokenizerConfig, UNKNOWN_ID, read_parallel};

use super::{Corpora, Fingerprint, Sample, Task, Vocabularies};
use crate::config::RunConfig;
use crate::data::{Counts, Example, InMemory, PairEncoder, Streamed, TrainingData};
use crate::error::TrainError;

/// Where the parallel text is: for each split a TSV file (`source TAB target`), or a pair of files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TranslateConfig {
    pub train: ParallelPath,
    pub validation: ParallelPath,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<ParallelPath>,
}

pub(super) fn task(
    task: &TranslateConfig,
    config: &RunConfig,
    vocabularies: Option<Vocabularies>,
) -> Result<Task, TrainError> {
    let tokenizer = config.tokenizer.clone().unwrap_or_default();
    let data = config.data.clone().unwrap_or_default();
    let survey = Survey::new(&task.train, data.shuffle_buffer, &tokenizer)?;
    let validation = read_parallel(&task.validation)?;
    let test = task.test.as_ref().map(read_parallel).transpose()?.unwrap_or_default();
    let corpora = Corpora {
        train: Some(survey.fingerprint.clone()),
        validation: Some(Fingerprint::of(&validation)),
        test: task.test.as_ref().map(|_| Fingerprint::of(&test)),
    };
    let Vocabularies { source, target } = match vocabularies {
        Some(vocabularies) => vocabularies,
        None => survey.vocabularies(&tokenizer)?,
    };

    let encoder = PairEncoder {
        source_tokenizer: source.clone(),
        target_tokenizer: target.clone(),
        max_length: data.longest(&config.model),
        max_ratio: data.max_ratio,
        dropout: tokenizer.dropout,
        seed: config.training.seed,
    };
    // What is measured is measured whole, as far as the model has positions for it.
    let whole = PairEncoder { max_length: config.model.max_length, max_ratio: 0.0, ..encoder.clone() };
    let mut notes = Vec::new();
    let mut validation = samples("validation", validation, &whole, &mut notes)?;
    let mut test = samples("test", test, &whole, &mut notes)?;
    validation.truncate(config.validation.sentences);
    test.truncate(config.validation.sentences);
    let training = training(task, data.shuffle_buffer, survey, encoder, &mut notes)?;
    notes.push(unknown_rates(&validation));
    Ok(Task {
        source_tokenizer: source,
        target_tokenizer: target,
        training: Arc::new(training),
        validation,
        test,
        corpora,
        notes,
    })
}

/// What one reading of the training corpus tells.
struct Survey {
    fingerprint: Fingerprint,
    /// The first pairs: all of them, if the shuffle buffer holds them, and enough to train vocabularies on.
    first: Vec<Pair>,
}

impl Survey {
    fn new(path: &ParallelPath, shuffle_buffer: usize, tokenizer: &TokenizerConfig) -> Result<Self, TrainError> {
        let most = shuffle_buffer.max(tokenizer.sample_lines);
        let (mut fingerprint, mut first) = (Fingerprint::new(), Vec::new());
        for pair in ParallelReader::open(path)? {
            let pair = pair?;
            fingerprint.add(&pair);
            if first.len() < most {
                first.push(pair);
            }
        }
        match fingerprint.pairs {
            0 => Err(TextError::Empty { origin: path.to_string() }.into()),
            _ => Ok(Self { fingerprint, first }),
        }
    }

    fn vocabularies(&self, tokenizer: &TokenizerConfig) -> Result<Vocabularies, TrainError> {
        let first = || self.first.iter();
        if tokenizer.joint {
            // Pair by pair, so that a bounded sample sees both languages.
            let both = first().flat_map(|pair| [pair.source.as_str(), pair.target.as_str()]);
            let joint = Arc::new(Tokenizer::train(tokenizer, both)?);
            return Ok(Vocabularies { source: joint.clone(), target: joint });
        }
        Ok(Vocabularies {
            source: Arc::new(Tokenizer::train(tokenizer, first().map(|pair| pair.source.as_str()))?),
            target: Arc::new(Tokenizer::train(tokenizer, first().map(|pair| pair.target.as_str()))?),
        })
    }
}

/// The training corpus: in memory if the shuffle buffer holds it, else read anew each epoch.
fn training(
    task: &TranslateConfig,
    shuffle_buffer: usize,
    survey: Survey,
    encoder: PairEncoder,
    notes: &mut Vec<String>,
) -> Result<TrainingData, TrainError> {
    if survey.fingerprint.pairs > shuffle_buffer {
        let pairs = model::summary::grouped(survey.fingerprint.pairs);
        let buffer = model::summary::grouped(shuffle_buffer);
        notes.push(format!("{pairs} training pairs, streamed through a shuffle buffer of {buffer}"));
        return Ok(TrainingData::Streamed(Streamed { path: task.train.clone(), encoder, shuffle_buffer }));
    }
    let (mut pairs, mut examples, mut counts) = (Vec::new(), Vec::new(), Counts::default());
    for pair in survey.first {
        let example = encoder.encode(&pair)?;
        counts.add(example.as_ref().err().copied());
        if let Ok(example) = example {
            pairs.push(pair);
            examples.push(example);
        }
    }
    notes.push(counts.to_string());
    if examples.is_empty() {
        return Err(TrainError::Data(format!("no training pair is left: {counts}; raise data.max_length")));
    }
    let recut = (encoder.dropout > 0.0).then_some((pairs, encoder));
    Ok(TrainingData::InMemory(InMemory { examples: Arc::new(examples), recut }))
}

/// The pairs of a split to measure on. Those that the model cannot read are dropped, and that is said.
fn samples(
    split: &str,
    pairs: Vec<Pair>,
    encoder: &PairEncoder,
    notes: &mut Vec<String>,
) -> Result<Vec<Sample>, TrainError> {
    let all = pairs.len();
    let mut samples = Vec::with_capacity(all);
    for pair in pairs {
        if let Ok(example) = encoder.encode(&pair)? {
            samples.push(Sample { pair, example });
        }
    }
    let reason = format!("a side is empty or exceeds model.max_length = {} tokens", encoder.max_length);
    if samples.is_empty() && all > 0 {
        return Err(TrainError::Data(format!("no {split} pair is left: of each {reason}; raise model.max_length")));
    }
    if samples.len() < all {
        notes.push(format!("dropped {} of {all} {split} pairs: {reason}", all - samples.len()));
    }
    Ok(samples)
}

/// How much of unseen text the vocabularies lack.
fn unknown_rates(samples: &[Sample]) -> String {
    let rate = |side: fn(&Example) -> &[u32]| {
        let ids = || samples.iter().flat_map(|sample| side(&sample.example));
        100.0 * ids().filter(|&&id| id == UNKNOWN_ID).count() as f64 / ids().count().max(1) as f64
    };
    let (source, target) = (rate(|example| &example.source), rate(|example| &example.target));
    format!("unknown tokens in validation: {source:.2} % of the source, {target:.2} % of the target")
}
