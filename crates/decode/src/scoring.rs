//! Scoring: the log-probability of given translations, as search computes it for its own.

use text::{END_ID, Pair};

use crate::engine::Engine;
use crate::error::DecodeError;
use crate::search::greedy::{Choice, decode_rows};
use crate::search::hypothesis::{DecodeInput, Hypothesis};
use crate::search::logits_processor::StepLogits;
use crate::search::options::SearchOptions;
use crate::text_problem::TextProblem;
use crate::translation::{Translation, TranslationResult};
use crate::translator::{EncodedInput, Translator};

/// Scores each target (ids without `</s>`) given its source, as search scores a finished hypothesis. The constraints of
/// `options` should be the default ones.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
pub fn score(
    engine: &dyn Engine,
    pairs: &[(DecodeInput, &[u32])],
    options: &SearchOptions,
) -> Result<Vec<Hypothesis>, DecodeError> {
    let inputs: Vec<DecodeInput> =
        pairs.iter().map(|(input, target)| DecodeInput { min_len: 0, max_len: target.len() + 1, ..*input }).collect();
    let rows: Vec<usize> = (0..inputs.len()).collect();
    let targets: Vec<&[u32]> = pairs.iter().map(|(_, target)| *target).collect();
    score_rows(engine, &inputs, &rows, &targets, options)
}

/// As [`score`], with the index of each target's input in `rows`. Targets end where their input's `max_len` is reached.
pub(crate) fn score_rows(
    engine: &dyn Engine,
    inputs: &[DecodeInput],
    rows: &[usize],
    targets: &[&[u32]],
    options: &SearchOptions,
) -> Result<Vec<Hypothesis>, DecodeError> {
    let mut given = |row: usize, len: usize, _: &StepLogits| targets[row].get(len).copied().unwrap_or(END_ID);
    decode_rows(engine, inputs, rows, options, Choice::By(&mut given))
}

/// A pair ready for the model.
struct EncodedPair {
    /// Index among the pairs.
    at: usize,
    source: EncodedInput,
    /// Target ids with those before the text and without `</s>`.
    target: Vec<u32>,
}

impl EncodedPair {
    fn longer(&self) -> usize {
        self.source.ids.len().max(self.target.len() + 1)
    }
}

impl Translator<'_> {
    /// Scores given translations: one result per pair, in order. `first_line` numbers the pairs. A blank side counts as a
    /// bare `</s>`. A target is tokenised as in training and ended with `</s>`; search may have found the same text in other
    /// tokens. A pair that is skipped has no score.
    ///
    /// # Errors
    /// A text longer than the model's positions, unless the settings crop or skip it, or a device that fails.
    pub fn score(&self, pairs: &[Pair], first_line: usize) -> Result<Vec<TranslationResult>, DecodeError> {
        let settings = self.settings();
        let mut encoded = Vec::with_capacity(pairs.len());
        let mut results: Vec<Option<TranslationResult>> = pairs.iter().map(|_| None).collect();
        for (at, pair) in pairs.iter().enumerate() {
            let line = first_line + at;
            let mut source = self.encode_line(&pair.source, line)?;
            let (target, target_problem) = self.encode_target(&pair.target, line)?;
            let skipped = |problem: &Option<TextProblem>| problem.as_ref().is_some_and(TextProblem::is_skipped);
            if skipped(&source.problem) || skipped(&target_problem) {
                let problem = if skipped(&source.problem) { source.problem } else { target_problem };
                let best = Translation::skipped(pair.target.clone(), settings.alignment.is_some());
                let source = pair.source.clone();
                results[at] = Some(TranslationResult { source, unknown: 0, problem, best, alternatives: Vec::new() });
                continue;
            }
            if source.ids.is_empty() {
                source.ids = self.frames().source.wrap(Vec::new());
            }
            source.problem = source.problem.or(target_problem);
            encoded.push(EncodedPair { at, source, target });
        }
        encoded.sort_by_key(EncodedPair::longer);
        let lengths: Vec<usize> = encoded.iter().map(EncodedPair::longer).collect();
        let batches = self.split_into_batches(&lengths, 1).into_iter().map(|batch| &encoded[batch]).collect();
        let scored = self.parallel_map(batches, |batch: &[EncodedPair]| {
            let inputs: Vec<DecodeInput> = batch
                .iter()
                .map(|pair| DecodeInput { max_len: pair.target.len() + 1, ..self.input(&pair.source) })
                .collect();
            let targets: Vec<&[u32]> = batch.iter().map(|pair| &pair.target[..]).collect();
            let rows: Vec<usize> = (0..batch.len()).collect();
            let scored = self.score_rows(&inputs, &rows, &targets)?;
            scored.into_iter().map(|found| self.translation(found)).collect::<Result<Vec<Translation>, DecodeError>>()
        })?;
        for (EncodedPair { at, source, .. }, mut best) in encoded.iter().zip(scored.into_iter().flatten()) {
            best.text.clone_from(&pairs[*at].target);
            let unknown = source.unknown();
            let (source, problem) = (source.text.clone(), source.problem.clone());
            results[*at] = Some(TranslationResult { source, unknown, problem, best, alternatives: Vec::new() });
        }
        Ok(results.into_iter().flatten().collect())
    }
}
