//! An engine with the outputs of a batch's candidates alone. To search, a candidate's index is its token.

use runs::config::DecodingPrecision;

use super::Shortlist;
use crate::alignment::AlignmentHeads;
use crate::engine::{Engine, Outputs, RankedToken, Recording, State, StepOutput};
use crate::error::DecodeError;
use crate::search::hypothesis::DecodeInput;

/// The candidates of a batch, ascending: `</s>` and `<unk>` keep their ids, and `<pad>` is last.
#[derive(Debug)]
pub(crate) struct Restricted<'a> {
    engine: &'a dyn Engine,
    /// The candidates of all sentences together, and for each sentence those that are not its own.
    outputs: Outputs,
}

impl<'a> Restricted<'a> {
    /// The candidates of these sentences; the given tokens belong to each.
    pub fn new(engine: &'a dyn Engine, shortlist: &Shortlist, inputs: &[DecodeInput], given: &[u32]) -> Self {
        let own = |input: &DecodeInput| {
            let mut own = shortlist.candidates(input.ids);
            own.extend_from_slice(given);
            own.sort_unstable();
            own.dedup();
            own
        };
        let lists: Vec<Vec<u32>> = inputs.iter().map(own).collect();
        let mut candidates = lists.concat();
        candidates.sort_unstable();
        candidates.dedup();
        let others = |own: &Vec<u32>| {
            let is_other = |index: &usize| own.binary_search(&candidates[*index]).is_err();
            (0..candidates.len()).filter(is_other).collect()
        };
        let excluded = lists.iter().map(others).collect();
        Self { engine, outputs: Outputs { tokens: candidates, excluded } }
    }

    /// The index of a candidate.
    pub fn index(&self, token: u32) -> u32 {
        self.outputs.tokens.binary_search(&token).unwrap_or_default() as u32
    }

    /// The indices of candidates.
    pub fn indices(&self, tokens: &[u32]) -> Vec<u32> {
        tokens.iter().map(|&token| self.index(token)).collect()
    }

    /// Replaces indices by tokens.
    pub fn restore(&self, indices: &mut [u32]) {
        indices.iter_mut().for_each(|index| *index = self.outputs.tokens[*index as usize]);
    }
}

impl Engine for Restricted<'_> {
    fn parameters(&self) -> usize {
        self.engine.parameters()
    }

    fn precision(&self) -> DecodingPrecision {
        self.engine.precision()
    }

    fn supports_workers(&self) -> bool {
        self.engine.supports_workers()
    }

    fn max_rows(&self, rows_each: usize) -> usize {
        self.engine.max_rows(rows_each)
    }

    fn start_token(&self) -> u32 {
        self.outputs.tokens.len() as u32 - 1
    }

    fn start<'s>(&'s self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> Box<dyn State + 's> {
        let state = self.engine.start_for(sources, alignment, &self.outputs);
        Box::new(RestrictedState { engine: self, state, tokens: Vec::new() })
    }

    fn start_for<'s>(
        &'s self,
        sources: &[&[u32]],
        alignment: Option<AlignmentHeads>,
        outputs: &Outputs,
    ) -> Box<dyn State + 's> {
        self.engine.start_for(sources, alignment, outputs)
    }

    fn record_from(&self, start: u32, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError> {
        self.engine.record_from(start, source, target)
    }
}

/// The rows of a batch, which read indices of candidates.
struct RestrictedState<'a> {
    engine: &'a Restricted<'a>,
    state: Box<dyn State + 'a>,
    tokens: Vec<u32>,
}

impl RestrictedState<'_> {
    /// Sets the tokens of these indices.
    fn restore(&mut self, indices: &[u32]) {
        self.tokens.clear();
        self.tokens.extend_from_slice(indices);
        self.engine.restore(&mut self.tokens);
    }
}

impl State for RestrictedState<'_> {
    fn step(&mut self, tokens: &[u32], output: &mut StepOutput) -> Result<(), DecodeError> {
        self.restore(tokens);
        self.state.step(&self.tokens, output)
    }

    fn step_best(&mut self, tokens: &[u32], count: usize, best: &mut Vec<RankedToken>) -> Result<bool, DecodeError> {
        self.restore(tokens);
        self.state.step_best(&self.tokens, count, best)
    }

    fn step_greedily(
        &mut self,
        tokens: &[u32],
        steps: usize,
        best: &mut Vec<RankedToken>,
    ) -> Result<bool, DecodeError> {
        self.restore(tokens);
        self.state.step_greedily(&self.tokens, steps, best)
    }

    fn select(&mut self, rows: &[usize]) {
        self.state.select(rows);
    }
}
