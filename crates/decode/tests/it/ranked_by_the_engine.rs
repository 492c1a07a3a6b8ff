//! Searches whose tokens the engine ranks, as one on a GPU does, against those that read all logits.

use std::sync::Mutex;

use decode::DecodeError;
use decode::alignment::AlignmentHeads;
use decode::engine::{self, Engine, Outputs, RankedToken, Recording, State, StepOutput};
use decode::search::beam::beam_search;
use decode::search::greedy::{STEPS_BETWEEN_READS, greedy};
use decode::search::hypothesis::{DecodeInput, Hypothesis};
use decode::search::options::SearchOptions;
use decode::search::sampling::{Sampling, sample};
use kernels::decode::logits::{largest, log_sum_exp};
use model::{Transformer, VocabularySizes, backend, weights};
use runs::config::DecodingPrecision;
use testing::run::{MAX_LENGTH, config, random_weights};
use text::END_ID;

/// An engine that ranks tokens and feeds its own choices back, and shows no logits.
#[derive(Debug)]
struct Ranks<'a> {
    engine: &'a dyn Engine,
    /// Steps of each reading of its own choices.
    reads: &'a Mutex<Vec<usize>>,
    /// Whether logits are wrong from the beginning.
    broken: bool,
}

struct RanksState<'a> {
    engine: &'a Ranks<'a>,
    state: Box<dyn State + 'a>,
}

impl Engine for Ranks<'_> {
    fn parameters(&self) -> usize {
        self.engine.parameters()
    }

    fn precision(&self) -> DecodingPrecision {
        self.engine.precision()
    }

    fn supports_workers(&self) -> bool {
        false
    }

    fn max_rows(&self, rows_each: usize) -> usize {
        self.engine.max_rows(rows_each)
    }

    fn start_token(&self) -> u32 {
        self.engine.start_token()
    }

    fn start<'s>(&'s self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> Box<dyn State + 's> {
        Box::new(RanksState { engine: self, state: self.engine.start(sources, alignment) })
    }

    fn start_for<'s>(&'s self, _: &[&[u32]], _: Option<AlignmentHeads>, _: &Outputs) -> Box<dyn State + 's> {
        unreachable!("there is no shortlist")
    }

    fn record_from(&self, start: u32, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError> {
        self.engine.record_from(start, source, target)
    }
}

impl State for RanksState<'_> {
    fn step(&mut self, _: &[u32], _: &mut StepOutput) -> Result<(), DecodeError> {
        unreachable!("no logits are read")
    }

    fn step_best(&mut self, tokens: &[u32], count: usize, best: &mut Vec<RankedToken>) -> Result<bool, DecodeError> {
        *best = self.ranked(tokens, count)?;
        Ok(true)
    }

    /// As a device that continues after `</s>`, whatever comes of it: log-probabilities there are NaN.
    fn step_greedily(
        &mut self,
        tokens: &[u32],
        steps: usize,
        best: &mut Vec<RankedToken>,
    ) -> Result<bool, DecodeError> {
        self.engine.reads.lock().unwrap().push(steps);
        best.clear();
        let mut read = tokens.to_vec();
        let mut ended = vec![self.engine.broken; tokens.len()];
        for _ in 0..steps {
            let chosen = self.ranked(&read, 1)?;
            for (ranked, (read, ended)) in chosen.into_iter().zip(read.iter_mut().zip(&mut ended)) {
                let RankedToken { token, log_probability } = ranked;
                best.push(RankedToken { token, log_probability: if *ended { f64::NAN } else { log_probability } });
                *ended |= token == END_ID;
                *read = token;
            }
        }
        Ok(true)
    }

    fn select(&mut self, rows: &[usize]) {
        self.state.select(rows);
    }
}

impl RanksState<'_> {
    fn ranked(&mut self, tokens: &[u32], count: usize) -> Result<Vec<RankedToken>, DecodeError> {
        let mut output = StepOutput::default();
        self.state.step(tokens, &mut output)?;
        let of_row = |logits: &[f32]| -> Vec<RankedToken> {
            let logits = &logits[..logits.len() - 1]; // `<pad>` is last
            let total = log_sum_exp(logits);
            let ranked = |token: u32| {
                let log_probability = f64::from(logits[token as usize]) - total;
                RankedToken { token, log_probability }
            };
            largest(logits, count.min(logits.len())).into_iter().map(ranked).collect()
        };
        Ok(output.logits.chunks_exact(output.logits.len() / tokens.len()).flat_map(of_row).collect())
    }
}

/// The engine of a small model with random weights, for ids below 12.
fn small() -> Box<dyn Engine> {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).unwrap();
    let sizes = VocabularySizes::joint(13);
    let (tensors, _) = weights::from_safetensors(&random_weights(&config(), sizes)).unwrap();
    let model = weights::load(Transformer::blank(&config(), sizes, &device).unwrap(), tensors).unwrap();
    engine::from_network(&model, &config(), sizes, &device)
}

/// Forty sources of one to nine words.
fn sources() -> Vec<Vec<u32>> {
    let word = |i: usize, at: usize| (2 + (i + 3 * at) % 10) as u32;
    (0..40).map(|i| (0..1 + i % 9).map(|at| word(i, at)).chain([END_ID]).collect()).collect()
}

/// Sources with their maximum lengths.
fn inputs(sources: &[Vec<u32>], max_len: impl Fn(usize) -> usize) -> Vec<DecodeInput<'_>> {
    let input = |(at, ids)| DecodeInput { ids, min_len: 0, max_len: max_len(at), index: at + 1 };
    sources.iter().map(Vec::as_slice).enumerate().map(input).collect()
}

#[test]
fn choices_read_every_few_tokens_are_those_read_one_by_one() {
    let engine = small();
    let sources = sources();
    type Limit = fn(usize) -> usize;
    let limits: [(&str, Limit); 3] =
        [("the model's", |_| MAX_LENGTH), ("one", |_| 1), ("each its own", |at| 1 + at * 5 % MAX_LENGTH)];
    for (limit, max_len) in limits {
        let inputs = inputs(&sources, max_len);
        let search = |engine: &dyn Engine| greedy(engine, &inputs, &SearchOptions::default()).unwrap();
        let expected = search(&*engine);
        let reads = Mutex::default();
        let found = search(&Ranks { engine: &*engine, reads: &reads, broken: false });
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((&found.ids, found.finished), (&expected.ids, expected.finished), "limit: {limit}");
            assert_eq!(found.token_scores, expected.token_scores, "limit: {limit}");
            assert!((found.score - expected.score).abs() < 1e-6, "limit: {limit}");
        }
        let longest = expected.iter().map(|hypothesis| hypothesis.token_scores.len()).max().unwrap();
        let reads = reads.into_inner().unwrap();
        assert_eq!(reads.len(), longest.div_ceil(STEPS_BETWEEN_READS), "limit: {limit}");
        assert!(reads.iter().sum::<usize>() <= (0..40).map(max_len).max().unwrap(), "no step after the limit: {limit}");
        if limit == "the model's" {
            let ended = expected.iter().filter(|hypothesis| hypothesis.finished).count();
            assert!((1..40).contains(&ended), "{ended} of 40 end by themselves: the test needs both");
        }
    }
}

#[test]
fn beams_and_samples_of_few_tokens_need_no_logits() {
    let engine = small();
    let ranks = Ranks { engine: &*engine, reads: &Mutex::default(), broken: false };
    let (sources, options) = (sources(), SearchOptions::default());
    let inputs = inputs(&sources, |at| 3 + at % 9);
    let ids = |found: Vec<Vec<Hypothesis>>| -> Vec<(Vec<u32>, bool)> {
        found.into_iter().flatten().map(|hypothesis| (hypothesis.ids, hypothesis.finished)).collect()
    };
    for beam in [2, 5] {
        let search = |engine: &dyn Engine| ids(beam_search(engine, &inputs, beam, &options).unwrap());
        assert_eq!(search(&ranks), search(&*engine), "a beam of {beam}");
    }
    for (top_k, top_p, temperature) in [(1, 1.0, 1.0), (4, 1.0, 2.0), (4, 0.7, 0.9), (64, 0.9, 1.0)] {
        let sampling = Sampling { top_k, top_p, temperature, seed: 3 };
        let search = |engine: &dyn Engine| ids(sample(engine, &inputs, 3, &sampling, &options).unwrap());
        assert_eq!(search(&ranks), search(&*engine), "{sampling:?}");
    }
}

#[test]
fn logits_that_are_not_finite_are_rejected() {
    let engine = small();
    let engine = Ranks { engine: &*engine, reads: &Mutex::default(), broken: true };
    let input = DecodeInput { ids: &[2, END_ID], min_len: 0, max_len: 9, index: 1 };
    assert!(matches!(greedy(&engine, &[input], &SearchOptions::default()), Err(DecodeError::NotFinite)));
}
