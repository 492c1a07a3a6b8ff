//! Sampling: each token is drawn at random from the model's distribution, or from its most probable part.
//!
//! With temperature τ, token i has weight exp(log pᵢ / τ). Top-k keeps the k most probable tokens; top-p keeps the fewest
//! that hold at least p of the weight, the nucleus of Holtzman et al. 2020. A draw is a function of the seed and of what is
//! drawn, so that neither batches nor threads change it.

use model::ConfigError;
use model::random::{self, Rng};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, RankedToken};
use crate::error::DecodeError;
use crate::search::greedy::{Choice, decode_rows};
use crate::search::hypothesis::{DecodeInput, Hypothesis};
use crate::search::logits_processor::StepLogits;
use crate::search::options::SearchOptions;
use kernels::decode::logits::largest;

/// The distribution to draw from.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Draws from this many most probable tokens; 0 is all.
    pub top_k: usize,
    /// Draws from the fewest most probable tokens that together hold this share of the probability.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1)))]
    pub top_p: f64,
    /// The divisor of log-probabilities: below 1 probable tokens become more so.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub temperature: f64,
    /// The seed of all draws.
    pub seed: u64,
}

impl Default for Sampling {
    /// The model's own distribution.
    fn default() -> Self {
        Self { top_k: 0, top_p: 1.0, temperature: 1.0, seed: 1 }
    }
}

impl Sampling {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A `top_p` outside (0, 1], or a temperature that is not a number above 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            let (field, expected) = ("sample.top_p", "above 0 and at most 1");
            return Err(ConfigError::new(field, self.top_p, expected, "1 draws from all tokens"));
        }
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            let remedy = "for no chance at all, do not sample";
            return Err(ConfigError::new("sample.temperature", self.temperature, "a number above 0", remedy));
        }
        Ok(())
    }
}

/// Draws `samples` hypotheses for each input, best first. A draw depends on the seed, the index of the input, the number of
/// the sample and the position of the token alone.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
///
/// # Panics
/// A source, or a maximum length, of more tokens than `model.max_length`.
pub fn sample(
    engine: &dyn Engine,
    inputs: &[DecodeInput],
    samples: usize,
    sampling: &Sampling,
    options: &SearchOptions,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    let rows: Vec<usize> = (0..inputs.len() * samples).map(|row| row / samples).collect();
    let chance = |row: usize, len: usize| {
        let (index, number) = (inputs[row / samples].index as u64, (row % samples) as u64);
        Rng::new(random::key(&[sampling.seed, SAMPLE, index, number, len as u64])).uniform()
    };
    let mut by_logits = |row: usize, len: usize, logits: &StepLogits| draw(logits, sampling, chance(row, len));
    let mut among = |row: usize, len: usize, best: &[RankedToken]| draw_among(best, sampling, chance(row, len));
    let choice = match sampling.top_k {
        count @ 1..=FIRST_LOOK => Choice::Among { count, choose: &mut among },
        _ => Choice::By(&mut by_logits),
    };
    let drawn = decode_rows(engine, inputs, &rows, options, choice)?;
    let mut drawn = drawn.into_iter();
    let mut ranked = |_| {
        let mut own: Vec<Hypothesis> = drawn.by_ref().take(samples).collect();
        own.sort_by(Hypothesis::best_first);
        own
    };
    Ok((0..inputs.len()).map(&mut ranked).collect())
}

/// Separates these draws from others under the same seed.
const SAMPLE: u64 = 0x5A;

/// The token at quantile `chance`, from 0 to 1, of the distribution, tokens ordered from most to least probable.
fn draw(logits: &StepLogits, sampling: &Sampling, chance: f64) -> u32 {
    let (candidates, weights) = nucleus(logits, sampling);
    candidates[at_quantile(&weights, chance)]
}

/// As [`draw`], from the tokens that top-k keeps, most probable first: the index of one.
fn draw_among(best: &[RankedToken], sampling: &Sampling, chance: f64) -> usize {
    let peak = best[0].log_probability;
    let weight = |ranked: &RankedToken| ((ranked.log_probability - peak) / sampling.temperature).exp();
    let weights: Vec<f64> = best.iter().map(weight).collect();
    let count = match first_to_reach(sampling.top_p * weights.iter().sum::<f64>(), &weights) {
        Some(last) if sampling.top_p < 1.0 => last + 1,
        _ => weights.len(),
    };
    at_quantile(&weights[..count], chance)
}

/// The index of the weight at quantile `chance`, from 0 to 1, of their sum.
fn at_quantile(weights: &[f64], chance: f64) -> usize {
    let mut rest = chance * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        if rest < *weight {
            return index;
        }
        rest -= weight;
    }
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0) // rounding left a remainder
}

/// The index of the weight with which the sum of those before it reaches `share`.
fn first_to_reach(share: f64, weights: &[f64]) -> Option<usize> {
    let mut sum = 0.0;
    weights.iter().position(|weight| {
        sum += weight;
        sum >= share
    })
}

/// The tokens to draw from, most probable first, with their weights.
fn nucleus(logits: &StepLogits, sampling: &Sampling) -> (Vec<u32>, Vec<f64>) {
    let values = logits.values();
    let max_count = if sampling.top_k == 0 { values.len() } else { sampling.top_k.min(values.len()) };
    let weight = |token: u32, peak: f64| ((logits.value(token) - peak) / sampling.temperature).exp();
    let mut count = if sampling.top_p < 1.0 { max_count.min(FIRST_LOOK) } else { max_count };
    loop {
        let candidates = largest(values, count);
        let peak = logits.value(candidates[0]);
        let weights: Vec<f64> = candidates.iter().map(|&token| weight(token, peak)).collect();
        // Of the tokens that top-k keeps, top-p keeps the fewest that reach its share.
        let total = if max_count == values.len() && sampling.top_p < 1.0 {
            (0..values.len() as u32).map(|token| weight(token, peak)).sum::<f64>()
        } else if count == max_count {
            weights.iter().sum()
        } else {
            f64::INFINITY
        };
        let reached = first_to_reach(sampling.top_p * total, &weights);
        match reached {
            Some(last) if sampling.top_p < 1.0 => return (candidates[..=last].to_vec(), weights[..=last].to_vec()),
            _ if count == max_count => return (candidates, weights),
            _ => count = (count * 8).min(max_count),
        }
    }
}

/// Tokens that are looked at first; most nuclei are smaller. If top-k keeps no more, a GPU finds them and no logits are read
/// from it.
const FIRST_LOOK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::logits_processor::Constraints;

    /// Four tokens of 0.5, 0.25, 0.15 and 0.1, then `<pad>`. With top-k, from all logits and from its tokens alone.
    fn drawn(sampling: Sampling, chance: f64) -> u32 {
        let mut logits = [0.15f32.ln(), 0.5f32.ln(), 0.1f32.ln(), 0.25f32.ln(), 9.0];
        let input = DecodeInput { ids: &[0], min_len: 0, max_len: 9, index: 1 };
        let logits = StepLogits::new(&mut logits, &[], &input, &Constraints::default()).unwrap();
        let token = draw(&logits, &sampling, chance);
        if sampling.top_k > 0 {
            let ranked = |&token: &u32| RankedToken { token, log_probability: logits.value(token) };
            let best: Vec<RankedToken> = [1, 3, 0, 2][..sampling.top_k].iter().map(ranked).collect();
            assert_eq!(best[draw_among(&best, &sampling, chance)].token, token);
        }
        token
    }

    #[test]
    fn tokens_are_drawn_by_their_probability() {
        let at = |chance| drawn(Sampling::default(), chance);
        assert_eq!([0.0, 0.49, 0.51, 0.74, 0.76, 0.89, 0.91, 0.9999999].map(at), [1, 1, 3, 3, 0, 0, 2, 2]);
    }

    #[test]
    fn top_k_top_p_and_temperature_narrow_the_choice() {
        let top_k = |chance| drawn(Sampling { top_k: 2, ..Sampling::default() }, chance);
        assert_eq!([0.66, 0.67, 0.999].map(top_k), [1, 3, 3], "two thirds to one third");
        let top_p = |chance| drawn(Sampling { top_p: 0.6, ..Sampling::default() }, chance);
        assert_eq!([0.66, 0.67, 0.999].map(top_p), [1, 3, 3], "half is too little, three quarters are enough");
        let both = |chance| drawn(Sampling { top_k: 3, top_p: 0.8, ..Sampling::default() }, chance);
        assert_eq!([0.66, 0.67, 0.999].map(both), [1, 3, 3], "0.75 of 0.9 is more than 0.8");
        let cold = |chance| drawn(Sampling { temperature: 0.5, ..Sampling::default() }, chance);
        let squares = [0.25, 0.0625, 0.0225, 0.01];
        let share = squares[0] / squares.iter().sum::<f64>();
        assert_eq!([share - 0.01, share + 0.01].map(cold), [1, 3], "squares of the probabilities");
    }
}
