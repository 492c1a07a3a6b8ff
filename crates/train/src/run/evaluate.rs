//! How well it goes: the decoder that users get, on sentences that training never saw.

use decode::{TrainedModel, Translator};
use model::{Batch, Pass};
use serde::Serialize;
use text::exact_match;
use text::metrics::{Bleu, Chrf};

use crate::error::TrainError;
use crate::task::Sample;
use runs::config::{Metric, ValidationConfig};

/// Tokens per batch when measuring.
const BATCH_TOKENS: usize = 4096;

/// What a validation (or the final test) found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub sentences: usize,
    /// Hypotheses per sentence; 1 = greedy.
    pub beam: usize,
    /// Share of sentences whose output is the reference, word for word.
    pub exact_match: f64,
    /// Share of target tokens predicted right, given the true ones before them.
    pub token_accuracy: f64,
    /// Negative log-likelihood in nats per target token, without smoothing.
    pub nll: f64,
    /// e^nll.
    pub perplexity: f64,
    /// Corpus BLEU of the outputs as sacreBLEU computes it, 0 to 100.
    pub bleu: f64,
    /// Corpus chrF of the outputs as sacreBLEU computes it, 0 to 100.
    pub chrf: f64,
    /// A few sentences to look at.
    pub samples: Vec<Triple>,
}

impl Report {
    /// The number by which weights are compared; higher is better.
    pub fn score(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Exact => self.exact_match,
            Metric::Bleu => self.bleu,
            Metric::Chrf => self.chrf,
            Metric::Nll => -self.nll,
        }
    }
}

/// A source with what was asked for, as the target's vocabulary writes it, and what came out.
#[derive(Clone, Debug, Serialize)]
pub struct Triple {
    pub source: String,
    pub reference: String,
    pub output: String,
}

/// Decodes `samples` and scores the outputs against the references as the target's tokenizer normalises them, keeping
/// the first few to look at.
///
/// # Errors
/// A device that fails.
pub fn validate(trained: &TrainedModel, samples: &[Sample], config: &ValidationConfig) -> Result<Report, TrainError> {
    let sources: Vec<String> = samples.iter().map(|sample| sample.pair.source.clone()).collect();
    let translations = Translator::new(trained, BATCH_TOKENS)?.translate(&sources, 1)?;
    let outputs: Vec<&str> = translations.iter().map(|translation| translation.text()).collect();
    // What the vocabulary can say: outputs are lower-cased and composed, where that was asked for, and words are joined
    // in its way, and so are these.
    let written = |sample: &Sample| trained.target_tokenizer.normalize(&sample.pair.target);
    let references: Vec<String> = samples.iter().map(written).collect::<Result<_, _>>()?;
    let triples = samples.iter().zip(&references).zip(&outputs).take(config.samples);
    let triples = triples.map(|((sample, reference), output)| Triple {
        source: sample.pair.source.clone(),
        reference: reference.clone(),
        output: output.to_string(),
    });
    let forced = teacher_forced(trained, samples)?;
    let nll = forced.nll / forced.tokens as f64;
    Ok(Report {
        sentences: samples.len(),
        beam: trained.decoding.beam,
        exact_match: exact_match(&outputs, &references)?,
        token_accuracy: forced.right as f64 / forced.tokens as f64,
        nll,
        perplexity: nll.exp(),
        bleu: Bleu { tokenization: config.tokenize, ..Bleu::default() }.score(&outputs, &references)?.score,
        chrf: Chrf::default().score(&outputs, &references)?.score,
        samples: triples.collect(),
    })
}

#[derive(Default)]
struct TeacherForced {
    nll: f64,
    right: usize,
    tokens: usize,
}

/// Scores the references themselves: each token given the true ones before it.
fn teacher_forced(trained: &TrainedModel, samples: &[Sample]) -> Result<TeacherForced, TrainError> {
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    let longest = |sample: &Sample| sample.example.source.len().max(sample.example.target.len());
    sorted.sort_by_key(|sample| longest(sample));
    let (network, mut total) = (trained.network()?, TeacherForced::default());
    let mut rest = &sorted[..];
    while !rest.is_empty() {
        let fits = |count: &usize| count * longest(rest[count - 1]) <= BATCH_TOKENS;
        let (samples, others) = rest.split_at((2..=rest.len()).take_while(fits).last().unwrap_or(1));
        rest = others;
        let pairs: Vec<(&[u32], &[u32])> =
            samples.iter().map(|sample| (&sample.example.source[..], &sample.example.target[..])).collect();
        let batch = Batch::new(&pairs, trained.sizes, &trained.device);
        let scores = network.score(&batch, &mut Pass::inference());
        let failed = |error: burn::tensor::TensorReadError| TrainError::Device(error.to_string());
        total.nll += f64::from(scores.nll.try_into_scalar::<f32>().map_err(failed)?);
        total.right += scores.right.try_into_scalar::<i32>().map_err(failed)? as usize;
        total.tokens += batch.target_tokens;
    }
    Ok(total)
}
