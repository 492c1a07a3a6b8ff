//! Decoding row by row: at each step every sentence says one token more, until `</s>` or its limit.

use text::END_ID;

use crate::engine::Engine;
use crate::error::DecodeError;
use crate::search::hypothesis::{Hypothesis, Source};
use crate::search::logits_processor::{Next, Rules};
use runs::config::LengthPenalty;

/// Greedy decoding: always the token of the greatest value.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
///
/// # Panics
/// A source, or a limit in `rules`, of more tokens than `model.max_length`.
pub fn greedy(
    engine: &Engine,
    sources: &[Source],
    rules: &Rules,
    length_penalty: LengthPenalty,
) -> Result<Vec<Hypothesis>, DecodeError> {
    let rows: Vec<usize> = (0..sources.len()).collect();
    row_by_row(engine, sources, &rows, rules, length_penalty, |_, _, next| most_probable(next.values()))
}

/// Decodes one row for each entry of `rows`, which names its source; several may name the same. `choose` is given the row,
/// how many tokens it has said, and what may be said next. Rows that end leave the batch, so that no time goes into
/// padding.
pub(crate) fn row_by_row(
    engine: &Engine,
    sources: &[Source],
    rows: &[usize],
    rules: &Rules,
    length_penalty: LengthPenalty,
    mut choose: impl FnMut(usize, usize, &Next) -> u32,
) -> Result<Vec<Hypothesis>, DecodeError> {
    let sentences: Vec<&[u32]> = sources.iter().map(|source| source.ids).collect();
    let mut state = engine.start(&sentences);
    if !rows.iter().copied().eq(0..sources.len()) {
        state.select(rows);
    }
    let mut hypotheses = vec![Hypothesis::default(); rows.len()];
    let mut active: Vec<usize> = (0..rows.len()).collect();
    let mut tokens = vec![engine.start_token(); rows.len()]; // what each of them reads next
    let mut logits = Vec::new();
    while !active.is_empty() {
        engine.step(&tokens, &mut state, &mut logits)?;
        let vocabulary = logits.len() / active.len();
        let mut kept = Vec::with_capacity(active.len());
        tokens.clear();
        for (at, (&row, logits)) in active.iter().zip(logits.chunks_exact_mut(vocabulary)).enumerate() {
            let (source, hypothesis) = (&sources[rows[row]], &mut hypotheses[row]);
            let said = hypothesis.ids.len();
            let next = Next::new(logits, &hypothesis.ids, source, rules)?;
            let token = rules.prefix.get(said).copied().unwrap_or_else(|| choose(row, said, &next));
            if next.value(token) == f64::NEG_INFINITY {
                continue; // the rules forbid every token: what has been said so far is the answer
            }
            hypothesis.token_scores.push(next.log_probability(token) as f32);
            hypothesis.score += next.value(token);
            if token == END_ID {
                hypothesis.finished = true;
                continue;
            }
            hypothesis.ids.push(token);
            if said + 1 < source.limit {
                kept.push(at);
                tokens.push(token);
            }
        }
        if kept.len() < active.len() && !kept.is_empty() {
            state.select(&kept);
        }
        active = kept.iter().map(|&at| active[at]).collect();
    }
    hypotheses.iter_mut().for_each(|found| found.score /= length_penalty.divisor(found.token_scores.len().max(1)));
    Ok(hypotheses)
}

/// The token of the greatest value; of equal ones the first.
fn most_probable(values: &[f32]) -> u32 {
    kernels::decode::logits::largest(values, 1).first().copied().unwrap_or(END_ID)
}
