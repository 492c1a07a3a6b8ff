//! Watches a model read a source and say a target: one pass over both, with everything recorded.

use burn::tensor::Tensor;
use model::recorder::HeadVectors;
use model::{Batch, ByAttention, Pass};
use text::{END_ID, Tokenizer};

use super::{Attention, Candidate, Kinds, Matrix, Sentence, Step, Target, Vectors};
use decode::Settings;
use decode::error::DecodeError;
use decode::search::hypothesis::Hypothesis;
use decode::search::logits_processor::normaliser;
use decode::trained_model::TrainedModel;
use decode::translator::{Item, Translator};
use kernels::decode::logits::largest;

/// Names the form of an [`Attention`]; another number means that a reader of this one must look again.
const FORMAT: &str = "attend.attention/1";
/// Candidates of a step.
const CANDIDATES: usize = 5;

/// What the model attends to when it reads `text` and says `target`; without one, what it says itself, decoded as
/// the settings say.
///
/// # Errors
/// A text or target without tokens or with more of them than the model has positions, a device that fails, or a model
/// whose logits are not finite.
pub fn attend(
    trained: &TrainedModel,
    settings: &Settings,
    text: &str,
    target: Option<&str>,
) -> Result<Attention, DecodeError> {
    attend_up_to(trained, settings, text, target, usize::MAX)
}

/// The same, unless what the model says itself has more than `most` tokens: what is recorded grows with their square.
///
/// # Errors
/// As [`attend`], or a longer translation.
pub fn attend_up_to(
    trained: &TrainedModel,
    settings: &Settings,
    text: &str,
    target: Option<&str>,
    most: usize,
) -> Result<Attention, DecodeError> {
    let translator = Translator::new(trained, settings.clone())?;
    let source = translator.encode(&Item { text, place: 1 })?;
    if source.is_empty() {
        return Err(DecodeError::NoTokens { side: "text" });
    }
    let target_ids = match target {
        Some(target) => given(trained, target)?,
        None => own(&translator, &source, most)?,
    };
    let target_text = match target {
        Some(target) => target.to_string(),
        None => trained.target_tokenizer.decode(words(&target_ids))?,
    };

    let (mut maps, mut vectors) = (ByAttention::default(), ByAttention::default());
    let batch = Batch::new(&[(&source[..], &target_ids[..])], trained.sizes, &trained.device);
    let logits = trained.network()?.forward(&batch, &mut Pass::recording_vectors(&mut maps, &mut vectors));

    let start = [trained.target_tokenizer.pad_id()];
    let read: Vec<u32> = start.iter().chain(&target_ids[..target_ids.len() - 1]).copied().collect();
    Ok(Attention {
        format: FORMAT,
        source: Sentence { text: text.to_string(), tokens: labels(&trained.source_tokenizer, &source) },
        target: Target {
            text: target_text,
            inputs: labels(&trained.target_tokenizer, &read),
            outputs: labels(&trained.target_tokenizer, &target_ids),
            given: target.is_some(),
        },
        n_heads: trained.config.n_heads,
        d_model: trained.config.d_model,
        maps: Kinds {
            encoder: layers(&maps.encoder, matrices)?,
            decoder: layers(&maps.decoder, matrices)?,
            cross: layers(&maps.cross, matrices)?,
        },
        vectors: Kinds {
            encoder: layers(&vectors.encoder, head_vectors)?,
            decoder: layers(&vectors.decoder, head_vectors)?,
            cross: layers(&vectors.cross, head_vectors)?,
        },
        steps: steps(logits, &target_ids, &trained.target_tokenizer)?,
    })
}

/// The ids of a target to be told, `</s>` included.
fn given(trained: &TrainedModel, target: &str) -> Result<Vec<u32>, DecodeError> {
    let mut ids = trained.target_tokenizer.encode(target)?;
    if ids.is_empty() {
        return Err(DecodeError::NoTokens { side: "target" });
    }
    ids.push(END_ID);
    let (found, limit) = (ids.len(), trained.config.max_length);
    if found > limit {
        return Err(DecodeError::TargetTooLong { place: "the target".to_string(), found, limit });
    }
    Ok(ids)
}

/// The ids of what the model says by itself, with `</s>` where it says so.
fn own(translator: &Translator, source: &[u32], most: usize) -> Result<Vec<u32>, DecodeError> {
    let found = translator.decode(&[translator.source(source, 1)])?;
    let said = |Hypothesis { mut ids, finished, .. }: Hypothesis| {
        ids.extend(finished.then_some(END_ID));
        ids
    };
    let ids = found.into_iter().flatten().map(said).next().unwrap_or_default();
    match ids.len() {
        0 => Err(DecodeError::NoTokens { side: "translation" }),
        found if found > most => Err(DecodeError::TooLongToShow { found, limit: most }),
        _ => Ok(ids),
    }
}

/// A target without the `</s>` that may end it.
fn words(ids: &[u32]) -> &[u32] {
    ids.strip_suffix(&[END_ID]).unwrap_or(ids)
}

/// Tokens to be read by people: as they stand in the vocabulary.
fn labels(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|&id| label(tokenizer, id)).collect()
}

fn label(tokenizer: &Tokenizer, id: u32) -> String {
    tokenizer.token(id).unwrap_or_default().to_string()
}

fn layers<T, U>(recorded: &[T], read: impl Fn(&T) -> Result<U, DecodeError>) -> Result<Vec<U>, DecodeError> {
    recorded.iter().map(read).collect()
}

/// `[1, head, row, column]` to one matrix per head.
fn matrices(tensor: &Tensor<4>) -> Result<Vec<Matrix>, DecodeError> {
    let [_, _, rows, columns] = tensor.dims();
    let values = floats(tensor.clone())?;
    let matrix = |head: &[f32]| head.chunks_exact(columns).map(<[f32]>::to_vec).collect();
    Ok(values.chunks_exact(rows * columns).map(matrix).collect())
}

fn head_vectors(recorded: &HeadVectors) -> Result<Vectors, DecodeError> {
    Ok(Vectors {
        queries: matrices(&recorded.queries)?,
        keys: matrices(&recorded.attended.keys)?,
        values: matrices(&recorded.attended.values)?,
    })
}

/// How probable each token of the target was, and what else was. `logits` is `[target_len, vocabulary]`.
fn steps(logits: Tensor<2>, target: &[u32], tokenizer: &Tokenizer) -> Result<Vec<Step>, DecodeError> {
    let [_, vocabulary] = logits.dims();
    let logits = floats(logits)?;
    let step = |(row, &id): (&[f32], &u32)| -> Result<Step, DecodeError> {
        // `<pad>` is the last id and never an answer.
        let row = &row[..vocabulary - 1];
        let normaliser = normaliser(row)?;
        let probability = |id: u32| (f64::from(row[id as usize]) - normaliser).exp() as f32;
        let candidate = |id| Candidate { token: label(tokenizer, id), probability: probability(id) };
        Ok(Step {
            token: label(tokenizer, id),
            probability: probability(id),
            candidates: largest(row, CANDIDATES).into_iter().map(candidate).collect(),
        })
    };
    logits.chunks_exact(vocabulary).zip(target).map(step).collect()
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DecodeError> {
    tensor.try_into_vec_as::<f32>().map_err(|error| DecodeError::Device(error.to_string()))
}
