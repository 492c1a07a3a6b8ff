//! An ensemble of models that read or write tokens in different orders: each order proposes, all models decide.
//!
//! A model that begins with the last token cannot share the search of one that begins with the first. The models of each
//! order search for themselves. Every hypothesis that one of the searches finds is then scored by all models: the
//! log-probability of a token is the mean of theirs (Liu et al. 2016, *Agreement on target-bidirectional neural machine
//! translation*). All ids outside this file are in the order of the first model.

use model::ConfigError;
use text::{Frame, Frames};

use crate::engine::Engine;
use crate::error::DecodeError;
use crate::scoring::score_rows;
use crate::search::hypothesis::{DecodeInput, Hypothesis};
use crate::search::logits_processor::Constraints;
use crate::search::options::SearchOptions;
use crate::settings::Settings;
use crate::trained_model::TrainedModel;
use crate::translator::Translator;

/// The models of an ensemble whose order of tokens is not that of the first.
#[derive(Debug)]
pub struct Opposite {
    /// These models as one.
    pub engine: Box<dyn Engine>,
    /// Their share of all models, between 0 and 1.
    pub share: f64,
    /// Whether they read sources in reverse.
    pub reverses_source: bool,
    /// Whether they write targets in reverse.
    pub reverses_target: bool,
}

impl Opposite {
    /// The ids of sources in the order of these models.
    fn sources(&self, inputs: &[DecodeInput], frame: &Frame) -> Vec<Vec<u32>> {
        let source = |input: &DecodeInput| {
            let mut ids = input.ids.to_vec();
            let end = ids.len() - frame.after.len();
            if self.reverses_source {
                ids[frame.before.len()..end].reverse();
            }
            ids
        };
        inputs.iter().map(source).collect()
    }

    /// What belongs to the tokens of a target, in the order of these models or back. The first `before` values, and those
    /// from `end` on, belong to its frame.
    fn reorder<T>(&self, values: &mut [T], before: usize, end: usize) {
        if self.reverses_target {
            let end = end.min(values.len());
            values[before.min(end)..end].reverse();
        }
    }
}

/// Rejects settings that need one search over all models.
pub(crate) fn check(settings: &Settings, model: &TrainedModel) -> Result<(), ConfigError> {
    if model.opposite.is_none() || settings.sampling.is_none() {
        return Ok(());
    }
    let expected = "search, since these models have different directions (tokenizer.direction)";
    Err(ConfigError::new("sample", true, expected, "draw from models of one direction"))
}

impl Translator<'_> {
    /// The number of rows that one sentence takes in a batch: models of both directions score what both searches find.
    pub fn rows_per_sentence(&self) -> usize {
        self.settings().rows_per_sentence() * if self.model().opposite.is_some() { 2 } else { 1 }
    }

    /// The hypotheses of the searches of both orders, scored by all models, best first.
    ///
    /// # Errors
    /// A device that fails, or a model whose logits are not finite.
    pub(crate) fn decode_both(
        &self,
        opposite: &Opposite,
        inputs: &[DecodeInput],
    ) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
        let Frames { source, target } = self.frames();
        let reordered = opposite.sources(inputs, source);
        let of_opposite: Vec<DecodeInput> =
            inputs.iter().zip(&reordered).map(|(input, ids)| DecodeInput { ids, ..*input }).collect();
        let mut found = self.search(&*self.model().engine, inputs)?;
        for (own, others) in found.iter_mut().zip(self.search(&*opposite.engine, &of_opposite)?) {
            for mut other in others {
                let end = other.ids.len();
                opposite.reorder(&mut other.ids, target.before.len(), end);
                if own.iter().all(|own| own.ids != other.ids) {
                    own.push(other);
                }
            }
        }
        let rows: Vec<usize> = found.iter().enumerate().flat_map(|(row, all)| vec![row; all.len()]).collect();
        let targets: Vec<&[u32]> = found.iter().flatten().map(|hypothesis| &hypothesis.ids[..]).collect();
        let mut scored = self.score_rows(inputs, &rows, &targets)?.into_iter();
        let of_row = |all: &Vec<Hypothesis>| {
            let mut all: Vec<Hypothesis> = scored.by_ref().take(all.len()).collect();
            all.sort_by(Hypothesis::best_first);
            all
        };
        Ok(found.iter().map(of_row).collect())
    }

    /// Scores given targets (ids without `</s>`) by all models. `rows` has the index of each target's input.
    ///
    /// # Errors
    /// As [`decode_both`](Self::decode_both).
    pub(crate) fn score_rows(
        &self,
        inputs: &[DecodeInput],
        rows: &[usize],
        targets: &[&[u32]],
    ) -> Result<Vec<Hypothesis>, DecodeError> {
        let Frames { source, target } = self.frames();
        let before = target.before.len();
        let options = |alignment| SearchOptions {
            start: Some(target.start),
            constraints: Constraints { given: before, ..Constraints::default() },
            length_penalty: self.settings().decoding.length_penalty,
            alignment,
        };
        let options = [self.settings().alignment, None].map(options);
        let inputs: Vec<DecodeInput> = inputs.iter().map(|input| DecodeInput { min_len: 0, ..*input }).collect();
        let mut found = score_rows(&*self.model().engine, &inputs, rows, targets, &options[0])?;
        let Some(opposite) = &self.model().opposite else { return Ok(found) };

        let reordered = opposite.sources(&inputs, source);
        let inputs: Vec<DecodeInput> =
            inputs.iter().zip(&reordered).map(|(input, ids)| DecodeInput { ids, ..*input }).collect();
        let mut targets: Vec<Vec<u32>> = targets.iter().map(|ids| ids.to_vec()).collect();
        for ids in &mut targets {
            let end = ids.len();
            opposite.reorder(ids, before, end);
        }
        let targets: Vec<&[u32]> = targets.iter().map(|ids| &ids[..]).collect();
        let others = score_rows(&*opposite.engine, &inputs, rows, &targets, &options[1])?;
        for (found, mut other) in found.iter_mut().zip(others) {
            opposite.reorder(&mut other.token_scores, before, found.ids.len());
            let share = opposite.share as f32;
            for (score, other) in found.token_scores.iter_mut().zip(other.token_scores) {
                *score = (1.0 - share) * *score + share * other;
            }
            let length = found.token_scores.len().max(1);
            found.score = found.log_probability() / options[0].length_penalty.divisor(length);
        }
        Ok(found)
    }
}
