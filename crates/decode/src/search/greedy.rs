//! Greedy search, and the loop that it shares with sampling and scoring: one row per hypothesis, one token per step.
//!
//! Greedy search takes the token of the largest value at each step: ŷₜ = argmax p(y | ŷ₁…ŷₜ₋₁, x). A GPU reads its own
//! choices for several steps, before they are read from it; what follows the end of a row is dropped.

use kernels::decode::logits::largest;
use text::END_ID;

use crate::engine::{Engine, RankedToken, StepOutput};
use crate::error::DecodeError;
use crate::search::hypothesis::{DecodeInput, Hypothesis};
use crate::search::logits_processor::StepLogits;
use crate::search::options::SearchOptions;

/// Decodes a batch greedily: one hypothesis per input.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
///
/// # Panics
/// A source, or a maximum length, of more tokens than `model.max_length`.
pub fn greedy(
    engine: &dyn Engine,
    inputs: &[DecodeInput],
    options: &SearchOptions,
) -> Result<Vec<Hypothesis>, DecodeError> {
    let rows: Vec<usize> = (0..inputs.len()).collect();
    decode_rows(engine, inputs, &rows, options, Choice::Greedy)
}

/// The rule by which the next token of a row is chosen.
pub(crate) enum Choice<'a> {
    /// The most probable.
    Greedy,
    /// As the function returns it, from the row, the number of its tokens so far, and the logits of the next.
    By(&'a mut dyn FnMut(usize, usize, &StepLogits) -> u32),
    /// One of the tokens of the `count` largest values.
    Among {
        /// The number of tokens to choose from.
        count: usize,
        /// Returns the index of the choice, from the row, the number of its tokens so far, and the tokens with their values,
        /// best first.
        choose: &'a mut dyn FnMut(usize, usize, &[RankedToken]) -> usize,
    },
}

impl Choice<'_> {
    fn choose(&mut self, row: usize, len: usize, logits: &StepLogits) -> u32 {
        match self {
            Self::Greedy => argmax(logits.values()),
            Self::By(choose) => choose(row, len, logits),
            Self::Among { count, choose } => {
                let ranked = |&token: &u32| RankedToken { token, log_probability: logits.value(token) };
                let values = logits.values();
                let best: Vec<RankedToken> = largest(values, (*count).min(values.len())).iter().map(ranked).collect();
                best[choose(row, len, &best)].token
            }
        }
    }
}

/// A token that was chosen, with the value by which it was, and the model's own log-probability.
struct Chosen {
    token: u32,
    value: f64,
    log_probability: f64,
}

impl Chosen {
    /// Of the most probable tokens of a device.
    ///
    /// # Errors
    /// Logits that are not finite.
    fn from_ranked(ranked: &RankedToken) -> Result<Self, DecodeError> {
        let RankedToken { token, log_probability } = *ranked;
        match log_probability.is_nan() {
            true => Err(DecodeError::NotFinite),
            false => Ok(Self { token, value: log_probability, log_probability }),
        }
    }
}

/// The steps of greedy search that a device takes before its choices are read. More would compute more tokens after the end
/// of a sentence.
pub const STEPS_BETWEEN_READS: usize = 8;

/// Decodes one row for each entry of `rows`, the index of its input; several rows may share an input. Finished rows are
/// removed from the batch, so that no time goes into padding.
pub(crate) fn decode_rows(
    engine: &dyn Engine,
    inputs: &[DecodeInput],
    rows: &[usize],
    options: &SearchOptions,
    mut choice: Choice,
) -> Result<Vec<Hypothesis>, DecodeError> {
    let sources: Vec<&[u32]> = inputs.iter().map(|input| input.ids).collect();
    let mut state = engine.start(&sources, options.alignment);
    if !rows.iter().copied().eq(0..inputs.len()) {
        state.select(rows);
    }
    let mut hypotheses = vec![Hypothesis::default(); rows.len()];
    let mut active: Vec<usize> = (0..rows.len()).collect();
    let mut tokens = vec![options.start.unwrap_or(engine.start_token()); rows.len()]; // the next input of each active row
    let mut output = StepOutput::default();
    let mut best = Vec::new();
    while !active.is_empty() {
        let ranked = options.constraints.is_empty()
            && match &choice {
                Choice::Greedy => {
                    let len = |row: usize| hypotheses[row].ids.len();
                    let left = active.iter().map(|&row| inputs[rows[row]].max_len.saturating_sub(len(row)));
                    let steps = left.max().unwrap_or(1).clamp(1, STEPS_BETWEEN_READS);
                    state.step_greedily(&tokens, steps, &mut best)?
                }
                Choice::Among { count, .. } => state.step_best(&tokens, *count, &mut best)?,
                Choice::By(_) => false,
            };
        if !ranked {
            state.step(&tokens, &mut output)?;
        }
        let vocabulary = output.logits.len() / active.len();
        let mut kept = Vec::with_capacity(active.len());
        tokens.clear();
        for (at, &row) in active.iter().enumerate() {
            let (input, hypothesis) = (&inputs[rows[row]], &mut hypotheses[row]);
            let len = hypothesis.ids.len();
            let next = if !ranked {
                let logits = &mut output.logits[at * vocabulary..][..vocabulary];
                let logits = StepLogits::new(logits, &hypothesis.ids, input, &options.constraints)?;
                let token = options.constraints.forced(len).unwrap_or_else(|| choice.choose(row, len, &logits));
                let (value, log_probability) = (logits.value(token), logits.log_probability(token));
                let chosen = Chosen { token, value, log_probability };
                append(hypothesis, chosen, output.aligned.get(at).copied(), input, options)
            } else if let Choice::Among { choose, .. } = &mut choice {
                let per_row = best.len() / active.len();
                let own = &best[at * per_row..][..per_row];
                append(hypothesis, Chosen::from_ranked(&own[choose(row, len, own)])?, None, input, options)
            } else {
                let mut next = None;
                for ranked in best[at..].iter().step_by(active.len()) {
                    next = append(hypothesis, Chosen::from_ranked(ranked)?, None, input, options);
                    if next.is_none() {
                        break;
                    }
                }
                next
            };
            if let Some(token) = next {
                kept.push(at);
                tokens.push(token);
            }
        }
        if kept.len() < active.len() && !kept.is_empty() {
            state.select(&kept);
        }
        active = kept.iter().map(|&at| active[at]).collect();
    }
    let penalty = |found: &Hypothesis| options.length_penalty.divisor(found.token_scores.len().max(1));
    hypotheses.iter_mut().for_each(|found| found.score /= penalty(found));
    Ok(hypotheses)
}

/// Appends a chosen token to a hypothesis. Returns it, unless the hypothesis ends here.
fn append(
    hypothesis: &mut Hypothesis,
    chosen: Chosen,
    aligned: Option<Option<usize>>,
    input: &DecodeInput,
    options: &SearchOptions,
) -> Option<u32> {
    let Chosen { token, value, log_probability } = chosen;
    let len = hypothesis.ids.len();
    if value == f64::NEG_INFINITY {
        return None; // the rules forbid every token
    }
    if options.constraints.is_given(len) {
        hypothesis.token_scores.push(0.0);
    } else {
        hypothesis.token_scores.push(log_probability as f32);
        hypothesis.score += value;
    }
    if token == END_ID {
        hypothesis.finished = true;
        return None;
    }
    hypothesis.ids.push(token);
    hypothesis.aligned.extend(aligned);
    (len + 1 < input.max_len).then_some(token)
}

/// The token of the largest value; of equal ones the first.
fn argmax(values: &[f32]) -> u32 {
    largest(values, 1).first().copied().unwrap_or(END_ID)
}
