//! Parallel text: a survey of the training corpus, vocabularies trained on it, and examples to evaluate on.

use std::path::Path;
use std::sync::Arc;

use model::summary::grouped;
use runs::config::TokenizersConfig;
use runs::corpora::CorpusHash;
use runs::layout;
use runs::record::PairCounts;
use text::{END_ID, Pair, ParallelPath, ParallelReader, TextError, Tokenizer, TokenizerConfig, UNKNOWN_ID};

use super::pair_encoder::{PairEncoder, count};
use super::{EvalExample, Example, InMemory, Streamed, TrainingData, UnorderedHash};
use crate::error::TrainError;

/// The tokenizers of the two sides; the same one twice for a joint vocabulary.
#[derive(Clone, Debug)]
pub struct Vocabularies {
    /// The tokenizer of the source side.
    pub source: Arc<Tokenizer>,
    /// The tokenizer of the target side.
    pub target: Arc<Tokenizer>,
}

impl Vocabularies {
    /// Loads the vocabularies of a run folder.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub fn load(run: &Path) -> Result<Self, TextError> {
        let load = |name| Tokenizer::load(&run.join(name)).map(Arc::new);
        Ok(Self { source: load(layout::SOURCE_TOKENIZER)?, target: load(layout::TARGET_TOKENIZER)? })
    }
}

/// The results of one reading of the training corpus.
#[derive(Debug)]
pub struct Survey {
    /// The hash of the corpus in order.
    pub corpus_hash: CorpusHash,
    /// Pairs in each file, or pair of files.
    pub files: Vec<usize>,
    unordered_hash: UnorderedHash,
    first_pairs: Vec<Pair>,
}

impl Survey {
    /// The number of pairs on which the vocabularies are trained.
    pub fn sample_size(tokenizers: &TokenizersConfig) -> usize {
        let (source, target) = (tokenizers.source().sample_lines, tokenizers.target().sample_lines);
        match tokenizers.joint() {
            true => source.div_ceil(2), // a pair has two lines
            false => source.max(target),
        }
    }

    /// Reads a corpus and keeps at most `max_pairs` pairs, the first. A corpus of more than `shuffle_buffer` pairs is read
    /// again in each epoch.
    ///
    /// # Errors
    /// A corpus that cannot be read or is empty, or a pipe that would be read again.
    pub fn read(path: &ParallelPath, max_pairs: usize, shuffle_buffer: usize) -> Result<Self, TrainError> {
        let pipe = path.pipe();
        let (mut corpus_hash, mut unordered_hash) = (CorpusHash::default(), UnorderedHash::default());
        let (mut first_pairs, mut files) = (Vec::new(), vec![0; path.shards()?]);
        let mut reader = ParallelReader::open(path)?;
        while let Some(pair) = reader.next() {
            let pair = pair?;
            files[reader.file_number() - 1] += 1;
            if let Some(path) = pipe.filter(|_| corpus_hash.pairs == shuffle_buffer) {
                return Err(TrainError::Pipe { path: path.to_path_buf(), shuffle_buffer });
            }
            corpus_hash.add(&pair);
            unordered_hash.add(&pair);
            if first_pairs.len() < max_pairs {
                first_pairs.push(pair);
            }
        }
        match corpus_hash.pairs {
            0 => Err(TextError::Empty { origin: path.to_string() }.into()),
            _ => Ok(Self { corpus_hash, files, unordered_hash, first_pairs }),
        }
    }

    /// Trains vocabularies on the first pairs; `path` is named in errors.
    ///
    /// # Errors
    /// Text that is too small for the vocabulary.
    pub fn train_vocabularies(
        &self,
        path: &ParallelPath,
        tokenizers: &TokenizersConfig,
    ) -> Result<Vocabularies, TrainError> {
        let first = || self.first_pairs.iter();
        let (source, target) = (tokenizers.source(), tokenizers.target());
        if tokenizers.joint() {
            // Pair by pair, so that a bounded sample sees both languages.
            let both = first().flat_map(|pair| [pair.source.as_str(), pair.target.as_str()]);
            let joint = Arc::new(train(source, both, &path.to_string(), "tokenizer")?);
            return Ok(Vocabularies { source: joint.clone(), target: joint });
        }
        let (source_table, target_table) = tokenizers.tables();
        let (sources, targets) = (first().map(|pair| pair.source.as_str()), first().map(|pair| pair.target.as_str()));
        Ok(Vocabularies {
            source: Arc::new(train(source, sources, &format!("the source side of {path}"), source_table)?),
            target: Arc::new(train(target, targets, &format!("the target side of {path}"), target_table)?),
        })
    }
}

/// Trains a vocabulary on lines that come from `origin`, with the settings of `table`.
fn train<'a>(
    tokenizer: &TokenizerConfig,
    lines: impl Iterator<Item = &'a str>,
    origin: &str,
    table: &str,
) -> Result<Tokenizer, TrainError> {
    Tokenizer::train(tokenizer, lines).map_err(|source| {
        let origin = origin.to_string();
        match matches!(source, TextError::Empty { .. }) {
            true => TextError::Empty { origin }.into(),
            false => {
                let message = source.to_string().replace("tokenizer.", &format!("{table}."));
                TrainError::Vocabulary { origin, message }
            }
        }
    })
}

/// Returns the training data: in memory if the shuffle buffer holds the corpus, otherwise streamed in each epoch.
///
/// # Errors
/// A corpus without a usable pair.
pub fn training_data(
    path: &ParallelPath,
    shuffle_buffer: usize,
    survey: Survey,
    encoder: PairEncoder,
    notes: &mut Vec<String>,
) -> Result<TrainingData, TrainError> {
    if survey.corpus_hash.pairs > shuffle_buffer {
        let mut counts = PairCounts::default();
        // This fails before a folder is created. Most corpora begin with a usable pair.
        if !has_usable_pair(ParallelReader::open(path)?, &encoder, &mut counts)? {
            return Err(encoder.nothing_left(&counts));
        }
        let (pairs, buffer) = (grouped(survey.corpus_hash.pairs), grouped(shuffle_buffer));
        notes.push(format!("{pairs} training pairs, streamed through a shuffle buffer of {buffer}"));
        let (path, hash) = (path.clone(), survey.unordered_hash);
        return Ok(TrainingData::Streamed(Streamed { path, hash, encoder, shuffle_buffer }));
    }
    let (mut pairs, mut examples, mut counts) = (Vec::new(), Vec::new(), PairCounts::default());
    for pair in survey.first_pairs {
        let example = encoder.encode(&pair)?;
        count(&mut counts, &example);
        if let Ok(example) = example {
            pairs.push(pair);
            examples.push(example);
        }
    }
    notes.push(counts.to_string());
    if examples.is_empty() {
        return Err(encoder.nothing_left(&counts));
    }
    let resample = encoder.resamples().then_some((pairs, encoder));
    Ok(TrainingData::InMemory(InMemory { examples: Arc::new(examples), resample }))
}

/// Returns whether a corpus has a pair to train on, and counts the pairs read.
fn has_usable_pair(reader: ParallelReader, encoder: &PairEncoder, counts: &mut PairCounts) -> Result<bool, TextError> {
    for pair in reader {
        let example = encoder.encode(&pair?)?;
        count(counts, &example);
        if example.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the first `max_count` pairs of a split that fit the model. Dropped pairs are counted in `notes`.
///
/// # Errors
/// A split whose pairs are all dropped.
pub fn eval_examples(
    split: &str,
    pairs: Vec<Pair>,
    max_count: usize,
    encoder: &PairEncoder,
    notes: &mut Vec<String>,
) -> Result<Vec<EvalExample>, TrainError> {
    let all = pairs.len();
    let (mut examples, mut counts) = (Vec::with_capacity(all.min(max_count)), PairCounts::default());
    for pair in pairs {
        if examples.len() == max_count {
            break;
        }
        let example = encoder.encode(&pair)?;
        count(&mut counts, &example);
        if let Ok(example) = example {
            examples.push(EvalExample { pair, example });
        }
    }
    let reason = format!("a side is empty or exceeds model.max_length = {} tokens", encoder.max_length);
    if examples.is_empty() && all > 0 {
        let remedy = encoder.remedy(&counts);
        return Err(TrainError::Data(format!("no {split} pair is left: of each {reason}; {remedy}")));
    }
    if counts.dropped() > 0 {
        notes.push(format!("dropped {} of {} {split} pairs: {reason}", counts.dropped(), counts.pairs));
    }
    if counts.pairs < all {
        let limit = format!("validation.sentences = {max_count}");
        notes.push(format!("of {all} {split} pairs the first {} alone are measured: {limit}", counts.pairs));
    }
    Ok(examples)
}

/// Describes the share of unknown tokens in a split of held-out text, `</s>` not counted.
pub fn unknown_rates(split: &str, examples: &[EvalExample]) -> String {
    let rate = |side: fn(&Example) -> &[u32]| {
        let ids = || examples.iter().flat_map(|example| side(&example.example)).filter(|&&id| id != END_ID);
        100.0 * ids().filter(|&&id| id == UNKNOWN_ID).count() as f64 / ids().count().max(1) as f64
    };
    let (source, target) = (rate(|example| &example.source), rate(|example| &example.target));
    format!("unknown tokens in {split}: {source:.2} % of the source, {target:.2} % of the target")
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
        let text = "unknown tokens in validation: 50.00 % of the source, 25.00 % of the target";
        assert_eq!(unknown_rates("validation", &[EvalExample { pair, example }]), text);
    }

    #[test]
    fn a_survey_keeps_the_sample_of_the_vocabularies() {
        let folder = temp_dir::TempDir::new().unwrap();
        let path = corpus(&folder);
        let whole = Survey::read(&path, 60, 60).unwrap();
        for (joint, sample_lines, pairs) in [(true, 7, 4), (true, 8, 4), (false, 7, 7), (true, 1000, 60)] {
            let tokenizer = TokenizerConfig { kind: TokenizerKind::Word, joint, sample_lines, ..Default::default() };
            let tokenizers = TokenizersConfig::Same(tokenizer);
            let survey = Survey::read(&path, Survey::sample_size(&tokenizers), 60).unwrap();
            assert_eq!((survey.first_pairs.len(), &survey.corpus_hash), (pairs, &whole.corpus_hash));
            let [some, all] = [&survey, &whole].map(|survey| survey.train_vocabularies(&path, &tokenizers).unwrap());
            assert_eq!(some.source.to_json(), all.source.to_json());
            assert_eq!(some.target.to_json(), all.target.to_json());
        }
    }
}
