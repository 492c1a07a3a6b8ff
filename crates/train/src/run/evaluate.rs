//! Scores of a model on held-out pairs: decoded as for users, and teacher-forced.

use std::sync::Arc;

use burn::tensor::{Device, TensorReadError};
use decode::engine;
use decode::{DecodeError, TrainedModel, Translator};
use model::weights::NamedTensor;
use model::{Batch, Pass, Transformer, VocabularySizes};
use runs::config::{Metric, RunConfig, ValidationConfig};
use runs::record::{Prediction, Scores};
use runs::{DecodingConfig, SavedModel};
use text::metrics::{Bleu, Chrf};
use text::{TextError, Tokenizer, exact_match, token_error_rate};

use crate::data::EvalExample;
use crate::error::TrainError;

/// Maximum tokens per batch.
const BATCH_TOKENS: usize = 4096;

/// Returns the score of a metric, negated where lower is better.
pub fn score(scores: &Scores, metric: Metric) -> f64 {
    match metric {
        Metric::Exact => scores.exact_match,
        Metric::WordErrorRate => scores.exact_match - 1.0,
        Metric::TokenErrorRate => -scores.token_error_rate,
        Metric::Bleu => scores.bleu,
        Metric::Chrf => scores.chrf,
        Metric::Nll => -scores.nll,
    }
}

/// Models for decoding with the weights of the moment. Validations have their own beam size.
#[derive(Debug)]
pub struct Decoder {
    saved: SavedModel,
    device: Device,
}

impl Decoder {
    /// A decoder of a run's models.
    pub fn new(config: &RunConfig, source: Arc<Tokenizer>, target: Arc<Tokenizer>, device: Device) -> Self {
        let decoding = DecodingConfig { beam: config.validation.beam, ..config.decoding.clone() };
        Self { saved: SavedModel::new(config.model.clone(), decoding, source, target), device }
    }

    /// The sizes of the two vocabularies.
    pub fn sizes(&self) -> VocabularySizes {
        self.saved.sizes
    }

    /// Returns the model with the weights of `network`, which are also in `tensors`.
    pub fn with_weights(&self, network: &Transformer, tensors: &[NamedTensor]) -> TrainedModel {
        let (saved, device) = (self.saved.clone(), self.device.clone());
        let engine = engine::from_collected(network, tensors, &saved.config, saved.sizes, &device);
        TrainedModel { saved, device, engine, opposite: None, shortlist: None }
    }
}

/// Translates texts as validations do.
///
/// # Errors
/// Weights that are not finite, or a device that fails.
pub fn translate(model: &TrainedModel, texts: &[String]) -> Result<Vec<String>, TrainError> {
    let translator = Translator::new(model, model.settings())?.with_batch_tokens(BATCH_TOKENS)?;
    Ok(translator.translate(texts)?.into_iter().map(|translation| translation.best.text).collect())
}

/// Returns the sources of examples.
pub fn sources(examples: &[EvalExample]) -> Vec<String> {
    examples.iter().map(|example| example.pair.source.clone()).collect()
}

/// Scores the translations of the sources against the references, and scores the references with `network`, the same
/// weights as in `model`. References are normalised by the target's tokenizer, as outputs are.
///
/// # Errors
/// A device that fails.
pub fn evaluate(
    outputs: &[String],
    model: &TrainedModel,
    network: &Transformer,
    examples: &[EvalExample],
    config: &ValidationConfig,
) -> Result<Scores, TrainError> {
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let normalize = |example: &EvalExample| model.target_tokenizer.normalize(&example.pair.target);
    let references: Vec<String> = examples.iter().map(normalize).collect::<Result<_, _>>()?;
    let predictions = examples.iter().zip(&references).zip(&outputs).take(config.samples);
    let predictions = predictions.map(|((example, reference), output)| Prediction {
        source: example.pair.source.clone(),
        reference: reference.clone(),
        output: output.to_string(),
    });
    let forced = teacher_forced(model, network, examples)?;
    let nll = forced.nll / forced.tokens as f64;
    Ok(Scores {
        sentences: examples.len(),
        beam: model.decoding.beam,
        exact_match: exact_match(&outputs, &references)?,
        token_error_rate: error_rate(model, &outputs, &references)?,
        token_accuracy: forced.correct as f64 / forced.tokens as f64,
        nll,
        perplexity: nll.exp(),
        bleu: Bleu { tokenization: config.tokenize, ..Bleu::default() }.score(&outputs, &references)?.score,
        chrf: Chrf::default().score(&outputs, &references)?.score,
        samples: predictions.collect(),
    })
}

/// Returns the token error rate in tokens of the target's vocabulary.
fn error_rate(model: &TrainedModel, outputs: &[&str], references: &[String]) -> Result<f64, TextError> {
    let encode = |text: &str| model.target_tokenizer.encode(text);
    let outputs: Vec<Vec<u32>> = outputs.iter().map(|text| encode(text)).collect::<Result<_, _>>()?;
    let references: Vec<Vec<u32>> = references.iter().map(|text| encode(text)).collect::<Result<_, _>>()?;
    token_error_rate(&outputs, &references)
}

#[derive(Default)]
struct TeacherForced {
    nll: f64,
    correct: usize,
    tokens: usize,
}

/// Scores the references: each token given the reference tokens before it.
fn teacher_forced(
    model: &TrainedModel,
    network: &Transformer,
    examples: &[EvalExample],
) -> Result<TeacherForced, TrainError> {
    let mut sorted: Vec<&EvalExample> = examples.iter().collect();
    sorted.sort_by_key(|example| example.example.longer());
    let mut total = TeacherForced::default();
    let frames = model.frames(model.decoding.languages()).map_err(DecodeError::from)?;
    let start = frames.target.start;
    let mut rest = &sorted[..];
    while !rest.is_empty() {
        let fits = |count: &usize| count * rest[count - 1].example.longer() <= BATCH_TOKENS;
        let (batch, others) = rest.split_at((2..=rest.len()).take_while(fits).last().unwrap_or(1));
        rest = others;
        let pairs: Vec<(&[u32], &[u32])> =
            batch.iter().map(|example| (&example.example.source[..], &example.example.target[..])).collect();
        let batch = Batch::starting_with(start, &pairs, model.sizes, &model.device);
        let scores = network.score(&batch, &mut Pass::inference());
        let failed = |error: TensorReadError| TrainError::of_device(&error);
        total.nll += f64::from(scores.nll.try_into_scalar::<f32>().map_err(failed)?);
        total.correct += scores.correct.try_into_scalar::<i32>().map_err(failed)? as usize;
        total.tokens += batch.target_tokens;
    }
    Ok(total)
}
