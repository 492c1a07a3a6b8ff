//! Translation: parallel text, and vocabularies trained on it.

use std::sync::Arc;

use text::{
    END_ID, Pair, ParallelPath, ParallelReader, TextError, Tokenizer, TokenizerConfig, UNKNOWN_ID, read_parallel,
};

use super::{Contents, Corpora, Fingerprint, Sample, Task, Vocabularies};
use crate::data::{Counts, Example, InMemory, PairEncoder, Streamed, TrainingData};
use crate::error::TrainError;
use runs::config::{RunConfig, TranslateConfig};

pub(super) fn task(
    task: &TranslateConfig,
    config: &RunConfig,
    vocabularies: Option<Vocabularies>,
) -> Result<Task, TrainError> {
    let tokenizer = config.tokenizer.clone().unwrap_or_default();
    let data = config.data.clone().unwrap_or_default();
    let sampled = if vocabularies.is_some() { 0 } else { sampled(&tokenizer) };
    let survey = Survey::new(&task.train, data.shuffle_buffer.max(sampled))?;
    let validation = read_parallel(&task.validation)?;
    let test = task.test.as_ref().map(read_parallel).transpose()?.unwrap_or_default();
    let corpora = Corpora {
        train: Some(survey.fingerprint.clone()),
        validation: Some(Fingerprint::of(&validation)),
        test: task.test.as_ref().map(|_| Fingerprint::of(&test)),
    };
    let Vocabularies { source, target } = match vocabularies {
        Some(vocabularies) => vocabularies,
        None => survey.vocabularies(&task.train, &tokenizer)?,
    };

    let encoder = PairEncoder {
        source_tokenizer: source.clone(),
        target_tokenizer: target.clone(),
        max_length: data.longest(&config.model),
        max_length_key: data.longest_key(&config.model),
        max_ratio: data.max_ratio,
        dropout: tokenizer.dropout,
        seed: config.training.seed,
    };
    // What is measured is measured whole, as far as the model has positions for it.
    let whole = PairEncoder {
        max_length: config.model.max_length,
        max_length_key: "model.max_length",
        max_ratio: 0.0,
        ..encoder.clone()
    };
    let from = config.training.init_from.iter();
    let mut notes: Vec<String> =
        from.map(|run| format!("the vocabularies are those of {}, not trained anew", run.display())).collect();
    let most = config.validation.sentences;
    let validation = samples("validation", validation, most, &whole, &mut notes)?;
    let test = samples("test", test, most, &whole, &mut notes)?;
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
    contents: Contents,
    /// The first pairs, as many as asked for.
    first: Vec<Pair>,
}

/// How many pairs vocabularies are trained on.
fn sampled(tokenizer: &TokenizerConfig) -> usize {
    match tokenizer.joint {
        true => tokenizer.sample_lines.div_ceil(2), // a pair has two lines
        false => tokenizer.sample_lines,
    }
}

impl Survey {
    fn new(path: &ParallelPath, most: usize) -> Result<Self, TrainError> {
        let (mut fingerprint, mut contents, mut first) = (Fingerprint::new(), Contents::default(), Vec::new());
        for pair in ParallelReader::open(path)? {
            let pair = pair?;
            fingerprint.add(&pair);
            contents.add(&pair);
            if first.len() < most {
                first.push(pair);
            }
        }
        match fingerprint.pairs {
            0 => Err(TextError::Empty { origin: path.to_string() }.into()),
            _ => Ok(Self { fingerprint, contents, first }),
        }
    }

    /// Vocabularies trained on the first pairs of the corpus at `path`.
    fn vocabularies(&self, path: &ParallelPath, tokenizer: &TokenizerConfig) -> Result<Vocabularies, TrainError> {
        let first = || self.first.iter();
        if tokenizer.joint {
            // Pair by pair, so that a bounded sample sees both languages.
            let both = first().flat_map(|pair| [pair.source.as_str(), pair.target.as_str()]);
            let joint = Arc::new(trained(tokenizer, both, &path.to_string())?);
            return Ok(Vocabularies { source: joint.clone(), target: joint });
        }
        let side = |name: &str| format!("the {name} side of {path}");
        Ok(Vocabularies {
            source: Arc::new(trained(tokenizer, first().map(|pair| pair.source.as_str()), &side("source"))?),
            target: Arc::new(trained(tokenizer, first().map(|pair| pair.target.as_str()), &side("target"))?),
        })
    }
}

/// A vocabulary of these lines, which come from `origin`.
fn trained<'a>(
    tokenizer: &TokenizerConfig,
    lines: impl Iterator<Item = &'a str>,
    origin: &str,
) -> Result<Tokenizer, TrainError> {
    Tokenizer::train(tokenizer, lines).map_err(|error| match error {
        TextError::Empty { .. } => TextError::Empty { origin: origin.to_string() }.into(),
        source => TrainError::Vocabulary { origin: origin.to_string(), source },
    })
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
        let mut counts = Counts::default();
        // Refused before a folder is made; most corpora begin with a usable pair.
        if !any_usable(ParallelReader::open(&task.train)?, &encoder, &mut counts)? {
            return Err(encoder.nothing_left(&counts));
        }
        let pairs = model::summary::grouped(survey.fingerprint.pairs);
        let buffer = model::summary::grouped(shuffle_buffer);
        notes.push(format!("{pairs} training pairs, streamed through a shuffle buffer of {buffer}"));
        let (path, contents) = (task.train.clone(), survey.contents);
        return Ok(TrainingData::Streamed(Streamed { path, contents, encoder, shuffle_buffer }));
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
        return Err(encoder.nothing_left(&counts));
    }
    let recut = (encoder.dropout > 0.0).then_some((pairs, encoder));
    Ok(TrainingData::InMemory(InMemory { examples: Arc::new(examples), recut }))
}

/// Whether a corpus has a pair to train on. What was read until then is counted.
fn any_usable(reader: ParallelReader, encoder: &PairEncoder, counts: &mut Counts) -> Result<bool, TextError> {
    for pair in reader {
        let unusable = encoder.encode(&pair?)?.err();
        counts.add(unusable);
        if unusable.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The pairs of a split to measure on, at most so many. Those that the model cannot read are dropped, and that is said.
fn samples(
    split: &str,
    pairs: Vec<Pair>,
    most: usize,
    encoder: &PairEncoder,
    notes: &mut Vec<String>,
) -> Result<Vec<Sample>, TrainError> {
    let all = pairs.len();
    let (mut samples, mut counts) = (Vec::with_capacity(all.min(most)), Counts::default());
    for pair in pairs {
        if samples.len() == most {
            break;
        }
        let example = encoder.encode(&pair)?;
        counts.add(example.as_ref().err().copied());
        if let Ok(example) = example {
            samples.push(Sample { pair, example });
        }
    }
    let reason = format!("a side is empty or exceeds model.max_length = {} tokens", encoder.max_length);
    if samples.is_empty() && all > 0 {
        let remedy = encoder.remedy(&counts);
        return Err(TrainError::Data(format!("no {split} pair is left: of each {reason}; {remedy}")));
    }
    if counts.dropped() > 0 {
        notes.push(format!("dropped {} of {} {split} pairs: {reason}", counts.dropped(), counts.pairs));
    }
    if counts.pairs < all {
        let limit = format!("validation.sentences = {most}");
        notes.push(format!("of {all} {split} pairs the first {} alone are measured: {limit}", counts.pairs));
    }
    Ok(samples)
}

/// How much of unseen text the vocabularies lack; `</s>`, which ends each side, is no part of it.
fn unknown_rates(samples: &[Sample]) -> String {
    let rate = |side: fn(&Example) -> &[u32]| {
        let ids = || samples.iter().flat_map(|sample| side(&sample.example)).filter(|&&id| id != END_ID);
        100.0 * ids().filter(|&&id| id == UNKNOWN_ID).count() as f64 / ids().count().max(1) as f64
    };
    let (source, target) = (rate(|example| &example.source), rate(|example| &example.target));
    format!("unknown tokens in validation: {source:.2} % of the source, {target:.2} % of the target")
}

#[cfg(test)]
mod tests {
    use text::TokenizerKind;

    use super::*;

    fn corpus(folder: &temp_dir::TempDir) -> ParallelPath {
        let path = folder.path().join("train.tsv");
        let lines: String = (0..60).map(|i| format!("number {i}\tNummer {i}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        ParallelPath::Tsv(path.into())
    }

    #[test]
    fn unknown_tokens_are_a_share_of_the_text() {
        let pair = Pair { source: "who knows".to_string(), target: "wer weiß".to_string() };
        let example = Example { source: vec![UNKNOWN_ID, 2, END_ID], target: vec![2, 3, 4, UNKNOWN_ID, END_ID] };
        let told = "unknown tokens in validation: 50.00 % of the source, 25.00 % of the target";
        assert_eq!(unknown_rates(&[Sample { pair, example }]), told);
    }

    #[test]
    fn as_many_pairs_are_held_as_vocabularies_are_trained_on() {
        let folder = temp_dir::TempDir::new().unwrap();
        let path = corpus(&folder);
        let whole = Survey::new(&path, 60).unwrap();
        for (joint, sample_lines, pairs) in [(true, 7, 4), (true, 8, 4), (false, 7, 7), (true, 1000, 60)] {
            let tokenizer = TokenizerConfig { kind: TokenizerKind::Word, joint, sample_lines, ..Default::default() };
            let survey = Survey::new(&path, sampled(&tokenizer)).unwrap();
            assert_eq!((survey.first.len(), &survey.fingerprint), (pairs, &whole.fingerprint));
            let [some, all] = [&survey, &whole].map(|survey| survey.vocabularies(&path, &tokenizer).unwrap());
            assert_eq!(some.source.to_json(), all.source.to_json());
            assert_eq!(some.target.to_json(), all.target.to_json());
        }
    }
}
