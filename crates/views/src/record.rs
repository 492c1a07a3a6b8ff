//! Recording the attention of a model for a source and a target.

use decode::engine::{LayerRecording, Matrix as Rows};
use decode::search::hypothesis::Hypothesis;
use decode::search::logits_processor::log_sum_exp;
use decode::{DecodeError, EncodedInput, Input, Settings, Side, TextProblem, TooLong, TrainedModel, Translator};
use kernels::decode::logits::largest;
use model::{AttentionKind, ByAttention, ModelConfig};
use text::{END_ID, Tokenizer};

use super::{Attention, Candidate, Matrix, Sentence, Step, Target, Vectors};

/// The name and version of the JSON schema of [`Attention`]. The version changes with every incompatible change.
const FORMAT: &str = "attend.attention/1";
/// Number of candidates per step.
const CANDIDATES: usize = 5;

/// Records the attention of a model for `text` and `target`. Without a target, the model's own translation is decoded under
/// the settings. If they crop texts that are too long, they crop a given target, too. Of an ensemble, which decodes together,
/// the first model is recorded.
///
/// # Errors
/// A text or target without tokens or longer than the model's positions, a device that fails, or logits that are not
/// finite.
pub fn attend(
    model: &TrainedModel,
    settings: &Settings,
    text: &str,
    target: Option<&str>,
) -> Result<Attention, DecodeError> {
    let translator = Translator::new(model, settings.clone())?;
    let source = translator.encode(&Input { text, line: 1 })?;
    let mut target = target.map(|text| EncodedTarget::new(&translator, text)).transpose()?;
    match settings.too_long {
        TooLong::Crop => target.iter_mut().for_each(|target| target.crop(model.config.max_length)),
        // A target that is too long is rejected below: there is no view of a text that is skipped.
        TooLong::Skip | TooLong::Fail => {}
    }
    attend_encoded(&translator, &source, target.as_ref(), usize::MAX)
}

/// A given target, tokenised.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedTarget {
    /// The target text.
    pub text: String,
    /// Target ids, `</s>` included.
    pub ids: Vec<u32>,
    /// Why `ids` are not the whole text.
    pub problem: Option<TextProblem>,
}

impl EncodedTarget {
    /// Tokenises a target.
    ///
    /// # Errors
    /// A text that the tokenizer rejects.
    pub fn new(translator: &Translator, text: &str) -> Result<Self, DecodeError> {
        let ids = translator.model().target_tokenizer.encode_text(text)?;
        Ok(Self { text: text.to_string(), ids: translator.frames().target.wrap(ids), problem: None })
    }

    /// Removes ids beyond `max_length`, and ends the others with `</s>`.
    fn crop(&mut self, max_length: usize) {
        if self.ids.len() > max_length {
            self.problem = Some(TextProblem::Cropped { side: Side::Target, tokens: self.ids.len(), limit: max_length });
            self.ids.truncate(max_length - 1);
            self.ids.push(END_ID);
        }
    }
}

/// As [`attend`], for a source and a target that are tokenised already, with at most `max_tokens` tokens of the model's own
/// translation, since a recording grows quadratically.
///
/// # Errors
/// As [`attend`], or a longer translation.
pub fn attend_encoded(
    translator: &Translator,
    source: &EncodedInput,
    target: Option<&EncodedTarget>,
    max_tokens: usize,
) -> Result<Attention, DecodeError> {
    let model = translator.model();
    if source.ids.is_empty() {
        return Err(DecodeError::NoTokens { side: "text" });
    }
    let frame = &translator.frames().target;
    let target_is_given = target.is_some();
    let target = match target {
        Some(target) => {
            check_target(&target.ids, frame.len(), model.config.max_length)?;
            target.clone()
        }
        None => {
            let ids = translate(translator, source, max_tokens)?;
            EncodedTarget { text: model.target_tokenizer.decode(without_end(&ids))?, ids, problem: None }
        }
    };
    let target_ids = target.ids;

    let start = [frame.start];
    let recording = model.engine.record_from(start[0], &source.ids, &target_ids)?;
    let inputs: Vec<u32> = start.iter().chain(&target_ids[..target_ids.len() - 1]).copied().collect();
    let split = |layers, kind| split(layers, has_scores_of_equation_1(&model.config, kind));
    let (encoder, encoder_vectors) = split(recording.layers.encoder, AttentionKind::Encoder);
    let (decoder, decoder_vectors) = split(recording.layers.decoder, AttentionKind::Decoder);
    let (cross, cross_vectors) = split(recording.layers.cross, AttentionKind::Cross);
    Ok(Attention {
        format: FORMAT,
        source: Sentence {
            text: source.text.clone(),
            tokens: labels(&model.source_tokenizer, &source.ids),
            problem: source.problem.clone(),
        },
        target: Target {
            text: target.text,
            inputs: labels(&model.target_tokenizer, &inputs),
            outputs: labels(&model.target_tokenizer, &target_ids),
            given: target_is_given,
            problem: target.problem,
        },
        n_heads: model.config.n_heads,
        d_model: model.config.d_model,
        maps: ByAttention { encoder, decoder, cross },
        vectors: ByAttention { encoder: encoder_vectors, decoder: decoder_vectors, cross: cross_vectors },
        steps: steps(&recording.logits, &target_ids, frame.before.len(), &model.target_tokenizer)?,
    })
}

/// Checks that a given target has tokens besides those around every text, and at most `max_length`.
fn check_target(ids: &[u32], around: usize, max_length: usize) -> Result<(), DecodeError> {
    match ids.len() {
        found if found <= around => Err(DecodeError::NoTokens { side: "target" }),
        found if found > max_length => Err(DecodeError::TargetTooLong { number: None, found, limit: max_length }),
        _ => Ok(()),
    }
}

/// The ids of the model's own translation, with `</s>` if the model ended it.
fn translate(translator: &Translator, source: &EncodedInput, max_tokens: usize) -> Result<Vec<u32>, DecodeError> {
    let found = translator.decode(&[translator.input(source)])?;
    let with_end = |Hypothesis { mut ids, finished, .. }: Hypothesis| {
        ids.extend(finished.then_some(END_ID));
        ids
    };
    let ids = found.into_iter().flatten().map(with_end).next().unwrap_or_default();
    match ids.len() {
        0 => Err(DecodeError::NoTokens { side: "translation" }),
        found if found > max_tokens => Err(DecodeError::TooLongToShow { found, limit: max_tokens }),
        _ => Ok(ids),
    }
}

/// A target without the `</s>` that may end it.
fn without_end(ids: &[u32]) -> &[u32] {
    ids.strip_suffix(&[END_ID]).unwrap_or(ids)
}

/// The labels of tokens in the vocabulary.
fn labels(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|&id| label(tokenizer, id)).collect()
}

fn label(tokenizer: &Tokenizer, id: u32) -> String {
    tokenizer.token(id).unwrap_or_default().to_string()
}

/// The maps and the vectors of each layer.
fn split(layers: Vec<LayerRecording>, with_vectors: bool) -> (Vec<Vec<Matrix>>, Vec<Vectors>) {
    let layer = |LayerRecording { maps, queries, keys, values }| (maps, Vectors { queries, keys, values });
    let (maps, vectors) = layers.into_iter().map(layer).unzip();
    (maps, if with_vectors { vectors } else { Vec::new() })
}

/// Whether the scores of an attention are q·kᵀ / √d_k: scaled, and without relative positions.
fn has_scores_of_equation_1(config: &ModelConfig, kind: AttentionKind) -> bool {
    config.scale_attention && (!config.has_relative_positions() || kind == AttentionKind::Cross)
}

/// The probability of each target token, with the most probable candidates. The first `before` tokens are those before every
/// text, such as a language: given, so that their probability is 1. `logits` is `[target_len][vocabulary]`.
fn steps(logits: &Rows, target: &[u32], before: usize, tokenizer: &Tokenizer) -> Result<Vec<Step>, DecodeError> {
    let given = |&id: &u32| {
        let (token, probability) = (label(tokenizer, id), 1.0);
        Step { candidates: vec![Candidate { token: token.clone(), probability }], token, probability }
    };
    let step = |(logits, &id): (&Vec<f32>, &u32)| -> Result<Step, DecodeError> {
        let candidates = &logits[..logits.len() - 1]; // `<pad>`, the last id, is never one
        let log_sum_exp = log_sum_exp(candidates)?;
        let probability = |id: u32| (f64::from(candidates[id as usize]) - log_sum_exp).exp() as f32;
        let candidate = |id| Candidate { token: label(tokenizer, id), probability: probability(id) };
        Ok(Step {
            token: label(tokenizer, id),
            probability: probability(id),
            candidates: largest(candidates, CANDIDATES).into_iter().map(candidate).collect(),
        })
    };
    let predicted = logits.iter().zip(target).skip(before).map(step);
    target.iter().take(before).map(given).map(Ok).chain(predicted).collect()
}
