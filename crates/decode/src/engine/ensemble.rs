//! Several models as one engine: the mean of their log-probabilities.
//!
//! The logits of a step are the mean of log p over the models, so that search, scores and sampling use the normalised
//! geometric mean of their distributions. All models read the same tokens. Alignment is that of the first.

use kernels::decode::logits::log_sum_exp;
use runs::config::DecodingPrecision;

use super::{Engine, Outputs, Recording, State, StepOutput};
use crate::alignment::AlignmentHeads;
use crate::error::DecodeError;

/// Models with the same vocabularies, at least one.
#[derive(Debug)]
pub struct Ensemble {
    first: Box<dyn Engine>,
    others: Vec<Box<dyn Engine>>,
}

impl Ensemble {
    /// The ensemble of `first` and `others`, or `first` itself if there are no others.
    pub fn joined(first: Box<dyn Engine>, others: Vec<Box<dyn Engine>>) -> Box<dyn Engine> {
        if others.is_empty() { first } else { Box::new(Self { first, others }) }
    }

    fn all(&self) -> impl Iterator<Item = &dyn Engine> {
        std::iter::once(&*self.first).chain(self.others.iter().map(|engine| &**engine))
    }

    /// The states of all models, of which the first aligns.
    fn state<'a>(
        &'a self,
        alignment: Option<AlignmentHeads>,
        start: impl Fn(&'a dyn Engine, Option<AlignmentHeads>) -> Box<dyn State + 'a>,
    ) -> Box<dyn State + 'a> {
        let first = start(&*self.first, alignment);
        let others = self.others.iter().map(|engine| start(&**engine, None)).collect();
        Box::new(EnsembleState { first, others, output: StepOutput::default() })
    }
}

impl Engine for Ensemble {
    fn parameters(&self) -> usize {
        self.all().map(Engine::parameters).sum()
    }

    fn bytes(&self) -> usize {
        self.all().map(Engine::bytes).sum()
    }

    fn precision(&self) -> DecodingPrecision {
        self.first.precision()
    }

    fn supports_workers(&self) -> bool {
        self.all().all(Engine::supports_workers)
    }

    fn max_rows(&self, rows_each: usize) -> usize {
        self.all().map(|engine| engine.max_rows(rows_each)).fold(usize::MAX, usize::min)
    }

    fn start_token(&self) -> u32 {
        self.first.start_token()
    }

    fn start<'a>(&'a self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> Box<dyn State + 'a> {
        self.state(alignment, |engine, alignment| engine.start(sources, alignment))
    }

    fn start_for<'a>(
        &'a self,
        sources: &[&[u32]],
        alignment: Option<AlignmentHeads>,
        outputs: &Outputs,
    ) -> Box<dyn State + 'a> {
        self.state(alignment, |engine, alignment| engine.start_for(sources, alignment, outputs))
    }

    /// Records the attention of the first model.
    fn record_from(&self, start: u32, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError> {
        self.first.record_from(start, source, target)
    }
}

/// The rows of a batch in all models.
struct EnsembleState<'a> {
    first: Box<dyn State + 'a>,
    others: Vec<Box<dyn State + 'a>>,
    /// The output of one of the others.
    output: StepOutput,
}

impl State for EnsembleState<'_> {
    fn step(&mut self, tokens: &[u32], output: &mut StepOutput) -> Result<(), DecodeError> {
        self.first.step(tokens, output)?;
        let vocabulary = output.logits.len() / tokens.len().max(1);
        normalize(&mut output.logits, vocabulary);
        for other in &mut self.others {
            other.step(tokens, &mut self.output)?;
            normalize(&mut self.output.logits, vocabulary);
            for (sum, value) in output.logits.iter_mut().zip(&self.output.logits) {
                *sum += value;
            }
        }
        let models = (1 + self.others.len()) as f32;
        output.logits.iter_mut().for_each(|sum| *sum /= models);
        Ok(())
    }

    fn select(&mut self, rows: &[usize]) {
        self.first.select(rows);
        self.others.iter_mut().for_each(|other| other.select(rows));
    }
}

/// Turns the logits of each row into log-probabilities.
fn normalize(logits: &mut [f32], vocabulary: usize) {
    for row in logits.chunks_exact_mut(vocabulary.max(1)) {
        let total = log_sum_exp(row) as f32;
        row.iter_mut().for_each(|logit| *logit -= total);
    }
}
