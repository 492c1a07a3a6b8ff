//! Greedy search whose choices are read every few tokens, against that which reads each.

use std::sync::Mutex;

use decode::DecodeError;
use decode::alignment::AlignmentHeads;
use decode::engine::{self, Engine, Outputs, RankedToken, Recording, State, StepOutput};
use decode::search::greedy::{STEPS_BETWEEN_READS, greedy};
use decode::search::hypothesis::{DecodeInput, Hypothesis};
use decode::search::options::SearchOptions;
use kernels::decode::logits::{largest, log_sum_exp};
use model::{Transformer, VocabularySizes, backend, weights};
use runs::config::DecodingPrecision;
use testing::run::{MAX_LENGTH, config, random_weights};
use text::END_ID;

/// An engine that feeds its own choices back, as one on a GPU does.
#[derive(Debug)]
struct FeedsBack<'a> {
    engine: &'a dyn Engine,
    /// Steps of each reading.
    reads: &'a Mutex<Vec<usize>>,
    /// Whether logits are wrong from the beginning.
    broken: bool,
}

struct FeedsBackState<'a> {
    engine: &'a FeedsBack<'a>,
    state: Box<dyn State + 'a>,
}

impl Engine for FeedsBack<'_> {
    fn parameters(&self) -> usize {
        self.engine.parameters()
    }

    fn precision(&self) -> DecodingPrecision {
        self.engine.precision()
    }

    fn supports_workers(&self) -> bool {
        false
    }

    fn max_rows(&self) -> usize {
        self.engine.max_rows()
    }

    fn start_token(&self) -> u32 {
        self.engine.start_token()
    }

    fn start<'s>(&'s self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> Box<dyn State + 's> {
        Box::new(FeedsBackState { engine: self, state: self.engine.start(sources, alignment) })
    }

    fn start_for<'s>(&'s self, _: &[&[u32]], _: Option<AlignmentHeads>, _: &Outputs) -> Box<dyn State + 's> {
        unreachable!("there is no shortlist")
    }

    fn record_from(&self, start: u32, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError> {
        self.engine.record_from(start, source, target)
    }
}

impl State for FeedsBackState<'_> {
    fn step(&mut self, _: &[u32], _: &mut StepOutput) -> Result<(), DecodeError> {
        unreachable!("no logits are read")
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
        let mut output = StepOutput::default();
        for _ in 0..steps {
            self.state.step(&read, &mut output)?;
            let logits = output.logits.chunks_exact(output.logits.len() / tokens.len());
            for ((logits, read), ended) in logits.zip(&mut read).zip(&mut ended) {
                let logits = &logits[..logits.len() - 1]; // `<pad>` is last
                *read = largest(logits, 1)[0];
                let log_probability = f64::from(logits[*read as usize]) - log_sum_exp(logits);
                let log_probability = if *ended { f64::NAN } else { log_probability };
                *ended |= *read == END_ID;
                best.push(RankedToken { token: *read, log_probability });
            }
        }
        Ok(true)
    }

    fn select(&mut self, rows: &[usize]) {
        self.state.select(rows);
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

fn search(engine: &dyn Engine, sources: &[Vec<u32>], max_len: impl Fn(usize) -> usize) -> Vec<Hypothesis> {
    let input = |(at, ids): (usize, _)| DecodeInput { ids, min_len: 0, max_len: max_len(at), index: at + 1 };
    let inputs: Vec<DecodeInput> = sources.iter().map(Vec::as_slice).enumerate().map(input).collect();
    greedy(engine, &inputs, &SearchOptions::default()).unwrap()
}

#[test]
fn choices_read_every_few_tokens_are_those_read_one_by_one() {
    let engine = small();
    let sources: Vec<Vec<u32>> =
        (0..40).map(|i| (0..1 + i % 9).map(|at| (2 + (i + 3 * at) % 10) as u32).chain([END_ID]).collect()).collect();
    let limits: [(&str, fn(usize) -> usize); 3] =
        [("the model's", |_| MAX_LENGTH), ("one", |_| 1), ("each its own", |at| 1 + at * 5 % MAX_LENGTH)];
    for (limit, max_len) in limits {
        let expected = search(&*engine, &sources, max_len);
        let reads = Mutex::default();
        let found = search(&FeedsBack { engine: &*engine, reads: &reads, broken: false }, &sources, max_len);
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
fn logits_that_are_not_finite_are_rejected() {
    let engine = small();
    let engine = FeedsBack { engine: &*engine, reads: &Mutex::default(), broken: true };
    let input = DecodeInput { ids: &[2, END_ID], min_len: 0, max_len: 9, index: 1 };
    assert!(matches!(greedy(&engine, &[input], &SearchOptions::default()), Err(DecodeError::NotFinite)));
}
