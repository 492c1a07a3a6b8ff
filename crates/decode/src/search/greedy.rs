//! Greedy search, and the loop that it shares with sampling and scoring: one row per hypothesis, one token per step.
//!
//! Greedy search takes the token of the largest value at each step: ŷₜ = argmax p(y | ŷ₁…ŷₜ₋₁, x).

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
}

impl Choice<'_> {
    fn choose(&mut self, row: usize, len: usize, logits: &StepLogits) -> u32 {
        match self {
            Self::Greedy => argmax(logits.values()),
            Self::By(choose) => choose(row, len, logits),
        }
    }
}

/// A token that was chosen, with the value by which it was, and the model's own log-probability.
struct Chosen {
    token: u32,
    value: f64,
    log_probability: f64,
}

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
    let few = matches!(choice, Choice::Greedy) && options.constraints.is_empty();
    while !active.is_empty() {
        let ranked = few && state.step_best(&tokens, 1, &mut best)?;
        if !ranked {
            state.step(&tokens, &mut output)?;
        }
        let vocabulary = output.logits.len() / active.len();
        let mut kept = Vec::with_capacity(active.len());
        tokens.clear();
        for (at, &row) in active.iter().enumerate() {
            let (input, hypothesis) = (&inputs[rows[row]], &mut hypotheses[row]);
            let len = hypothesis.ids.len();
            let Chosen { token, value, log_probability } = match ranked {
                true => {
                    let RankedToken { token, log_probability } = best[at];
                    Chosen { token, value: log_probability, log_probability }
                }
                false => {
                    let logits = &mut output.logits[at * vocabulary..][..vocabulary];
                    let logits = StepLogits::new(logits, &hypothesis.ids, input, &options.constraints)?;
                    let token = options.constraints.forced(len).unwrap_or_else(|| choice.choose(row, len, &logits));
                    Chosen { token, value: logits.value(token), log_probability: logits.log_probability(token) }
                }
            };
            if value == f64::NEG_INFINITY {
                continue; // the rules forbid every token: the hypothesis ends here
            }
            if options.constraints.is_given(len) {
                hypothesis.token_scores.push(0.0);
            } else {
                hypothesis.token_scores.push(log_probability as f32);
                hypothesis.score += value;
            }
            if token == END_ID {
                hypothesis.finished = true;
                continue;
            }
            hypothesis.ids.push(token);
            hypothesis.aligned.extend(output.aligned.get(at));
            if len + 1 < input.max_len {
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

/// The token of the largest value; of equal ones the first.
fn argmax(values: &[f32]) -> u32 {
    kernels::decode::logits::largest(values, 1).first().copied().unwrap_or(END_ID)
}
