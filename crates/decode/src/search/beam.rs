//! Beam search: the most probable prefixes of each step, until none can become the best hypothesis.
//!
//! For each sentence, the `2 * beam` best continuations are candidates. Those among the first `beam` that end the sentence
//! become finished hypotheses; of the others, the best `beam` are the new beams. A sentence is done when it has `beam`
//! finished hypotheses and its best beam, at its current length, scores no better than the worst of them. Scores are
//! log P(y|x) / lp(|y|), with the length penalty lp of [`LengthPenalty`](runs::config::LengthPenalty). This is the procedure
//! of Hugging Face transformers with `early_stopping = False`, so that results can be compared.

use kernels::decode::logits::largest;
use text::END_ID;

use crate::engine::{Engine, RankedToken, StepOutput};
use crate::error::DecodeError;
use crate::search::hypothesis::{DecodeInput, Hypothesis};
use crate::search::logits_processor::StepLogits;
use crate::search::options::SearchOptions;

/// A prefix that may grow.
#[derive(Clone, Debug, Default)]
struct Beam {
    ids: Vec<u32>,
    token_scores: Vec<f32>,
    aligned: Vec<Option<usize>>,
    /// The sum of the values by which its tokens were chosen.
    value: f64,
}

/// A sentence that is being decoded. Its beams are consecutive rows of the batch, best first.
struct Search {
    /// Index of its input.
    sentence: usize,
    beams: Vec<Beam>,
    finished: Vec<Hypothesis>,
}

/// A beam and a token that may continue it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    parent: usize,
    token: u32,
    log_probability: f64,
    /// The sum of values, this token's included.
    value: f64,
}

impl Candidate {
    /// The best `count`, best first; ties in the order of beams and ids, so that the order is the same in every run.
    fn best(mut all: Vec<Self>, count: usize) -> Vec<Self> {
        all.sort_by(|a, b| b.value.total_cmp(&a.value).then((a.parent, a.token).cmp(&(b.parent, b.token))));
        all.truncate(count);
        all
    }
}

/// Decodes a batch: for each input its hypotheses, best first, at most `beam` and at least one.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
///
/// # Panics
/// A source, or a maximum length, of more tokens than `model.max_length`.
pub fn beam_search(
    engine: &dyn Engine,
    inputs: &[DecodeInput],
    beam: usize,
    options: &SearchOptions,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    let sources: Vec<&[u32]> = inputs.iter().map(|input| input.ids).collect();
    let mut state = engine.start(&sources, options.alignment);
    let mut done: Vec<Vec<Hypothesis>> = vec![Vec::new(); inputs.len()];
    let start = |sentence| Search { sentence, beams: vec![Beam::default()], finished: Vec::new() };
    let mut searches: Vec<Search> = (0..inputs.len()).map(start).collect();
    let mut output = StepOutput::default();
    let mut best = Vec::new();
    while !searches.is_empty() {
        let start_token = options.start.unwrap_or(engine.start_token());
        let last = |beam: &Beam| beam.ids.last().copied().unwrap_or(start_token);
        let tokens: Vec<u32> = searches.iter().flat_map(|search| search.beams.iter().map(last)).collect();
        let ranked = options.constraints.is_empty() && state.step_best(&tokens, 2 * beam, &mut best)?;
        if !ranked {
            state.step(&tokens, &mut output)?;
        }
        let (vocabulary, per_row) = (output.logits.len() / tokens.len(), best.len() / tokens.len());
        let mut kept = Vec::with_capacity(tokens.len());
        let mut first = 0;
        for search in &mut searches {
            let rows = search.beams.len();
            let candidates = match ranked {
                true => search.ranked_candidates(&best[first * per_row..][..rows * per_row], 2 * beam),
                false => {
                    let own = &mut output.logits[first * vocabulary..][..rows * vocabulary];
                    search.candidates(own, vocabulary, &inputs[search.sentence], options, 2 * beam)?
                }
            };
            let aligned = output.aligned.get(first..first + rows);
            let parents = search.advance(&candidates, aligned, &inputs[search.sentence], options, beam);
            kept.extend(parents.into_iter().map(|parent| first + parent));
            first += rows;
        }
        searches.retain_mut(|search| {
            if search.beams.is_empty() {
                done[search.sentence] = search.ranked();
            }
            !search.beams.is_empty()
        });
        if !kept.is_empty() && !kept.iter().copied().eq(0..tokens.len()) {
            state.select(&kept);
        }
    }
    Ok(done)
}

impl Search {
    /// Finishes hypotheses and selects the new beams of one step. Returns the index of each new beam's parent. `aligned` is
    /// the source position of each beam's next token, if tokens are aligned.
    fn advance(
        &mut self,
        candidates: &[Candidate],
        aligned: Option<&[Option<usize>]>,
        input: &DecodeInput,
        options: &SearchOptions,
        beam: usize,
    ) -> Vec<usize> {
        let length = self.beams[0].ids.len() + 1;
        let score = |value: f64| value / options.length_penalty.divisor(length);
        let (mut next, mut parents) = (Vec::with_capacity(beam), Vec::with_capacity(beam));
        for (rank, candidate) in candidates.iter().enumerate() {
            let Candidate { parent, token, log_probability, value } = *candidate;
            let ends = token == END_ID;
            if if ends { rank >= beam } else { next.len() >= beam } {
                continue;
            }
            let mut grown = Beam { value, ..self.beams[parent].clone() };
            grown.token_scores.push(log_probability as f32);
            if ends {
                self.finished.push(grown.into_hypothesis(true, score));
            } else {
                grown.ids.push(token);
                grown.aligned.extend(aligned.map(|aligned| aligned[parent]));
                next.push(grown);
                parents.push(parent);
            }
        }
        self.finished.sort_by(Hypothesis::best_first);
        self.finished.truncate(beam);

        let worst = self.finished.get(beam - 1).map(|hypothesis| hypothesis.score);
        let hopeless = worst.is_some_and(|worst| next.first().is_none_or(|best: &Beam| score(best.value) <= worst));
        if hopeless {
            (next, parents) = (Vec::new(), Vec::new());
        } else if next.is_empty() && self.finished.is_empty() {
            // The rules forbid every token: the tokens so far are the answer.
            let len = self.beams[0].token_scores.len().max(1);
            let score = |value: f64| value / options.length_penalty.divisor(len);
            let old = std::mem::take(&mut self.beams).into_iter();
            self.finished.extend(old.map(|beam| beam.into_hypothesis(false, score)));
        } else if length >= input.max_len {
            // Beams that reach the limit compete as they are.
            self.finished.extend(std::mem::take(&mut next).into_iter().map(|beam| beam.into_hypothesis(false, score)));
            self.finished.sort_by(Hypothesis::best_first);
            self.finished.truncate(beam);
            parents.clear();
        }
        self.beams = next;
        parents
    }

    /// The best continuations of all beams, best first.
    ///
    /// # Errors
    /// Logits that are not finite.
    fn candidates(
        &self,
        logits: &mut [f32],
        vocabulary: usize,
        input: &DecodeInput,
        options: &SearchOptions,
        count: usize,
    ) -> Result<Vec<Candidate>, DecodeError> {
        let mut all: Vec<Candidate> = Vec::with_capacity(self.beams.len() * count);
        for (parent, (beam, logits)) in self.beams.iter().zip(logits.chunks_exact_mut(vocabulary)).enumerate() {
            let logits = StepLogits::new(logits, &beam.ids, input, &options.constraints)?;
            let tokens = match options.constraints.forced(beam.ids.len()) {
                Some(forced) => vec![forced],
                None => largest(logits.values(), count),
            };
            let given = options.constraints.is_given(beam.ids.len());
            let candidate = |token| {
                let (log_probability, value) =
                    if given { (0.0, 0.0) } else { (logits.log_probability(token), logits.value(token)) };
                Candidate { parent, token, log_probability, value: beam.value + value }
            };
            all.extend(tokens.into_iter().map(candidate).filter(|candidate| candidate.value > f64::NEG_INFINITY));
        }
        Ok(Candidate::best(all, count))
    }

    /// As [`candidates`](Self::candidates), of the most probable tokens of each beam, without rules.
    fn ranked_candidates(&self, best: &[RankedToken], count: usize) -> Vec<Candidate> {
        let per_beam = (best.len() / self.beams.len()).max(1);
        let of_beam = |(parent, (beam, best)): (usize, (&Beam, &[RankedToken]))| -> Vec<Candidate> {
            let candidate = |ranked: &RankedToken| {
                let RankedToken { token, log_probability } = *ranked;
                Candidate { parent, token, log_probability, value: beam.value + log_probability }
            };
            let possible = |candidate: &Candidate| candidate.value > f64::NEG_INFINITY;
            best.iter().map(candidate).filter(possible).collect()
        };
        let all = self.beams.iter().zip(best.chunks_exact(per_beam)).enumerate().flat_map(of_beam).collect();
        Candidate::best(all, count)
    }

    /// All hypotheses, best first.
    fn ranked(&mut self) -> Vec<Hypothesis> {
        let mut finished = std::mem::take(&mut self.finished);
        finished.sort_by(Hypothesis::best_first);
        finished
    }
}

impl Beam {
    fn into_hypothesis(self, finished: bool, score: impl Fn(f64) -> f64) -> Hypothesis {
        let Self { ids, token_scores, aligned, value } = self;
        Hypothesis { ids, finished, token_scores, score: score(value), aligned }
    }
}
