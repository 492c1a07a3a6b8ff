//! Beam search: at each step the few most probable prefixes of all, until none can still become the best.
//!
//! Of each sentence the `2 * beam` best continuations are looked at. Those among the first `beam` that end the sentence
//! are its finished hypotheses; of the others the best `beam` live on. A sentence is done when it has `beam` finished
//! hypotheses and its best living one, at its present length, is no better than the worst of them. This is the procedure
//! of Hugging Face transformers (with `early_stopping = False`), so that results can be compared.

use kernels::decode::logits::largest;
use text::END_ID;

use crate::engine::Engine;
use crate::error::DecodeError;
use crate::search::hypothesis::{Hypothesis, Source};
use crate::search::logits_processor::{Next, Rules};
use runs::config::LengthPenalty;

/// How wide to search, and how lengths compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamSearch {
    pub beam: usize,
    pub length_penalty: LengthPenalty,
}

/// A prefix that may still grow.
#[derive(Clone, Debug, Default)]
struct Living {
    ids: Vec<u32>,
    token_scores: Vec<f32>,
    /// The sum of the values by which its tokens were chosen.
    value: f64,
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
    /// The sum of values with this token's.
    value: f64,
}

/// Decodes a batch of sources: for each its hypotheses, best first, at most `beam` and at least one.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
///
/// # Panics
/// A source, or a limit in `rules`, of more tokens than `model.max_length`.
pub fn beam_search(
    engine: &Engine,
    sources: &[Source],
    rules: &Rules,
    search: BeamSearch,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    let sentences: Vec<&[u32]> = sources.iter().map(|source| source.ids).collect();
    let mut state = engine.start(&sentences);
    let mut done: Vec<Vec<Hypothesis>> = vec![Vec::new(); sources.len()];
    let start = |sentence| Search { sentence, living: vec![Living::default()], finished: Vec::new() };
    let mut searches: Vec<Search> = (0..sources.len()).map(start).collect();
    let mut logits = Vec::new();
    while !searches.is_empty() {
        let last = |living: &Living| living.ids.last().copied().unwrap_or(engine.start_token());
        let tokens: Vec<u32> = searches.iter().flat_map(|search| search.living.iter().map(last)).collect();
        engine.step(&tokens, &mut state, &mut logits)?;
        let vocabulary = logits.len() / tokens.len();
        let mut kept = Vec::with_capacity(tokens.len());
        let (mut first, mut rest) = (0, &mut logits[..]);
        for sentence in &mut searches {
            let rows = sentence.living.len();
            let (own, others) = rest.split_at_mut(rows * vocabulary);
            let from = sentence.advance(own, vocabulary, &sources[sentence.sentence], rules, search)?;
            kept.extend(from.into_iter().map(|from| first + from));
            (first, rest) = (first + rows, others);
        }
        searches.retain_mut(|search| {
            if search.living.is_empty() {
                done[search.sentence] = search.ranked();
            }
            !search.living.is_empty()
        });
        if !kept.is_empty() && !kept.iter().copied().eq(0..tokens.len()) {
            state.select(&kept);
        }
    }
    Ok(done)
}

impl Search {
    /// One step: which hypotheses end, and which live on. Returns from which of the old ones the new ones came.
    ///
    /// # Errors
    /// Logits that are not finite.
    fn advance(
        &mut self,
        logits: &mut [f32],
        vocabulary: usize,
        source: &Source,
        rules: &Rules,
        search: BeamSearch,
    ) -> Result<Vec<usize>, DecodeError> {
        let BeamSearch { beam, length_penalty } = search;
        let candidates = self.candidates(logits, vocabulary, source, rules, 2 * beam)?;
        let length = self.living[0].ids.len() + 1;
        let score = |value: f64| value / length_penalty.divisor(length);
        let (mut next, mut from) = (Vec::with_capacity(beam), Vec::with_capacity(beam));
        for (rank, continuation) in candidates.iter().enumerate() {
            let Continuation { from: parent, token, log_probability, value } = *continuation;
            let ends = token == END_ID;
            if if ends { rank >= beam } else { next.len() >= beam } {
                continue;
            }
            let Living { mut ids, mut token_scores, .. } = self.living[parent].clone();
            token_scores.push(log_probability as f32);
            if ends {
                self.finished.push(Hypothesis { ids, finished: true, token_scores, score: score(value) });
            } else {
                ids.push(token);
                next.push(Living { ids, token_scores, value });
                from.push(parent);
            }
        }
        self.finished.sort_by(Hypothesis::best_first);
        self.finished.truncate(beam);

        let worst = self.finished.get(beam - 1).map(|hypothesis| hypothesis.score);
        let hopeless = worst.is_some_and(|worst| next.first().is_none_or(|best: &Living| score(best.value) <= worst));
        if hopeless {
            (next, from) = (Vec::new(), Vec::new());
        } else if next.is_empty() && self.finished.is_empty() {
            // The rules forbid every token: what has been said so far is the answer.
            let said = self.living[0].token_scores.len().max(1);
            let score = |value: f64| value / length_penalty.divisor(said);
            self.finished.extend(std::mem::take(&mut self.living).into_iter().map(|living| living.cut(score)));
        } else if length >= source.limit {
            // Cut off: what has not ended competes as it is.
            self.finished.extend(std::mem::take(&mut next).into_iter().map(|living| living.cut(score)));
            self.finished.sort_by(Hypothesis::best_first);
            self.finished.truncate(beam);
            from.clear();
        }
        self.living = next;
        Ok(from)
    }

    /// The best continuations of all living hypotheses, best first.
    fn candidates(
        &self,
        logits: &mut [f32],
        vocabulary: usize,
        source: &Source,
        rules: &Rules,
        count: usize,
    ) -> Result<Vec<Continuation>, DecodeError> {
        let mut all: Vec<Continuation> = Vec::with_capacity(self.living.len() * count);
        for (from, (living, logits)) in self.living.iter().zip(logits.chunks_exact_mut(vocabulary)).enumerate() {
            let next = Next::new(logits, &living.ids, source, rules)?;
            let tokens = match rules.prefix.get(living.ids.len()) {
                Some(&forced) => vec![forced],
                None => largest(next.values(), count),
            };
            let continuation = |token| Continuation {
                from,
                token,
                log_probability: next.log_probability(token),
                value: living.value + next.value(token),
            };
            all.extend(tokens.into_iter().map(continuation).filter(|way| way.value > f64::NEG_INFINITY));
        }
        // Equal ones in the order of hypotheses and ids, so that nothing depends on chance.
        all.sort_by(|a, b| b.value.total_cmp(&a.value).then((a.from, a.token).cmp(&(b.from, b.token))));
        all.truncate(count);
        Ok(all)
    }

    /// All hypotheses, best first.
    fn ranked(&mut self) -> Vec<Hypothesis> {
        let mut finished = std::mem::take(&mut self.finished);
        finished.sort_by(Hypothesis::best_first);
        finished
    }
}

impl Living {
    /// As an answer, though it has not ended.
    fn cut(self, score: impl Fn(f64) -> f64) -> Hypothesis {
        Hypothesis { ids: self.ids, finished: false, token_scores: self.token_scores, score: score(self.value) }
    }
}
