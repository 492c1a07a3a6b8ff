//! Beam search: at each step the few most probable prefixes of all, until none can still become the best.
//!
//! Of each sentence the `2 * beam` best continuations are looked at. Those among the first `beam` that end the sentence
//! are its finished hypotheses; of the others the best `beam` live on. A sentence is done when it has `beam` finished
//! hypotheses and its best living one, at its present length, is no better than the worst of them. This is the procedure
//! of Hugging Face transformers (with `early_stopping = False`), so that results can be compared.

use burn::tensor::{Device, Int, Tensor, TensorData};
use model::batch::SourceBatch;
use model::cache::DecoderCache;
use model::{Pass, Transformer, VocabularySizes};
use rayon::prelude::*;
use text::END_ID;

use crate::config::LengthPenalty;
use crate::decoded::{Decoded, Hypothesis, Source};
use crate::error::InferError;
use crate::logits::{largest, log_sum_exp};

/// How wide to search, and how lengths compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamSearch {
    pub beam: usize,
    pub length_penalty: LengthPenalty,
}

/// A prefix that may still grow.
#[derive(Clone, Debug)]
struct Living {
    ids: Vec<u32>,
    log_probability: f64,
}

/// A sentence that is being decoded. Its living hypotheses are consecutive rows of the batch, best first.
struct Search {
    /// Its place among the sources.
    sentence: usize,
    living: Vec<Living>,
    finished: Vec<Hypothesis>,
}

/// One way to go on: from which living hypothesis, with which token.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Continuation {
    from: usize,
    token: u32,
    log_probability: f64,
}

/// Decodes a batch of sources: for each its hypotheses, best first, at most `beam` and at least one.
///
/// # Errors
/// A device that fails.
pub fn beam_search(
    model: &Transformer,
    sizes: VocabularySizes,
    sources: &[Source],
    search: BeamSearch,
    device: &Device,
) -> Result<Vec<Vec<Hypothesis>>, InferError> {
    let mut pass = Pass::inference();
    let sentences: Vec<&[u32]> = sources.iter().map(|source| source.ids).collect();
    let memory = model.encode(SourceBatch::new(&sentences, sizes, device), &mut pass);
    let mut cache = model.cache(&memory);
    let mut done: Vec<Vec<Hypothesis>> = vec![Vec::new(); sources.len()];
    let start =
        |sentence| Search { sentence, living: vec![Living { ids: vec![], log_probability: 0.0 }], finished: vec![] };
    let mut searches: Vec<Search> = (0..sources.len()).map(start).collect();
    while !searches.is_empty() {
        let logits = next_logits(model, &searches, &mut cache, sizes, device, &mut pass)?;
        let vocabulary = sizes.target;
        let first_rows: Vec<usize> = searches
            .iter()
            .scan(0, |next, search| Some(std::mem::replace(next, *next + search.living.len())))
            .collect();
        // Each sentence by itself, on any core.
        let moved: Vec<Vec<usize>> = searches
            .par_iter_mut()
            .zip(first_rows.par_iter())
            .map(|(state, &first)| {
                let rows = &logits[first * vocabulary..][..state.living.len() * vocabulary];
                let from = state.advance(rows, vocabulary, sources[state.sentence].limit, search);
                from.into_iter().map(|from| first + from).collect()
            })
            .collect();
        let kept: Vec<usize> = moved.into_iter().flatten().collect();
        searches.retain_mut(|state| {
            if state.living.is_empty() {
                done[state.sentence] = state.ranked();
            }
            !state.living.is_empty()
        });
        let rows = logits.len() / vocabulary;
        if !kept.is_empty() && !kept.iter().copied().eq(0..rows) {
            cache.select(&kept, device);
        }
    }
    Ok(done)
}

/// The logits of every living hypothesis' next token, row after row.
fn next_logits(
    model: &Transformer,
    searches: &[Search],
    cache: &mut DecoderCache,
    sizes: VocabularySizes,
    device: &Device,
    pass: &mut Pass,
) -> Result<Vec<f32>, InferError> {
    let last = |living: &Living| living.ids.last().map_or(sizes.target_pad() as i32, |&id| id as i32);
    let tokens: Vec<i32> = searches.iter().flat_map(|search| search.living.iter().map(last)).collect();
    let count = tokens.len();
    let tokens = Tensor::<1, Int>::from_data(TensorData::new(tokens, [count]), device);
    let logits = model.step(tokens, cache, pass);
    logits.try_into_vec_as::<f32>().map_err(|error| InferError::Device(error.to_string()))
}

impl Search {
    /// One step: which hypotheses end, and which live on. Returns from which of the old ones the new ones came.
    fn advance(&mut self, logits: &[f32], vocabulary: usize, limit: usize, search: BeamSearch) -> Vec<usize> {
        let BeamSearch { beam, length_penalty } = search;
        let candidates = self.candidates(logits, vocabulary, 2 * beam);
        let length = self.living[0].ids.len() + 1;
        let score = |log_probability: f64| log_probability / length_penalty.of(length);
        let (mut next, mut from) = (Vec::with_capacity(beam), Vec::with_capacity(beam));
        for (rank, continuation) in candidates.iter().enumerate() {
            let Continuation { from: parent, token, log_probability } = *continuation;
            let mut ids = self.living[parent].ids.clone();
            if token == END_ID {
                if rank < beam {
                    let score = score(log_probability);
                    let decoded = Decoded { ids, finished: true };
                    self.finished.push(Hypothesis { decoded, log_probability, score });
                }
            } else if next.len() < beam {
                ids.push(token);
                next.push(Living { ids, log_probability });
                from.push(parent);
            }
        }
        self.finished.sort_by(Hypothesis::best_first);
        self.finished.truncate(beam);

        let worst = self.finished.get(beam - 1).map(|hypothesis| hypothesis.score);
        let hopeless = worst.is_some_and(|worst| next.first().is_none_or(|best| score(best.log_probability) <= worst));
        if hopeless {
            (next, from) = (Vec::new(), Vec::new());
        } else if length >= limit {
            // Cut off: what has not ended competes as it is.
            let cut = |living: Living| Hypothesis {
                decoded: Decoded { ids: living.ids, finished: false },
                log_probability: living.log_probability,
                score: score(living.log_probability),
            };
            self.finished.extend(std::mem::take(&mut next).into_iter().map(cut));
            from.clear();
        }
        self.living = next;
        from
    }

    /// The most probable continuations of all living hypotheses, best first.
    fn candidates(&self, logits: &[f32], vocabulary: usize, count: usize) -> Vec<Continuation> {
        let mut all: Vec<Continuation> = Vec::with_capacity(self.living.len() * count);
        for (from, (living, logits)) in self.living.iter().zip(logits.chunks_exact(vocabulary)).enumerate() {
            // `<pad>` is the last id and never an answer.
            let logits = &logits[..vocabulary - 1];
            let normaliser = log_sum_exp(logits);
            let continuation = |token: u32| Continuation {
                from,
                token,
                log_probability: living.log_probability + f64::from(logits[token as usize]) - normaliser,
            };
            all.extend(largest(logits, count).into_iter().map(continuation));
        }
        // Equal ones in the order of hypotheses and ids, so that nothing depends on chance.
        all.sort_by(|a, b| {
            b.log_probability.total_cmp(&a.log_probability).then((a.from, a.token).cmp(&(b.from, b.token)))
        });
        all.truncate(count);
        all
    }

    /// All hypotheses, best first.
    fn ranked(&mut self) -> Vec<Hypothesis> {
        let mut finished = std::mem::take(&mut self.finished);
        finished.sort_by(Hypothesis::best_first);
        finished
    }
}
