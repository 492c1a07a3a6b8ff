//! Sampling: each token is drawn from what the model thinks probable.

use model::ConfigError;
use model::random::{self, Rng};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::DecodeError;
use crate::search::greedy::row_by_row;
use crate::search::hypothesis::{Hypothesis, Source};
use crate::search::logits_processor::{Next, Rules};
use kernels::decode::logits::largest;
use runs::config::LengthPenalty;

/// From what to draw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Only from so many most probable tokens; 0 is all of them.
    pub top_k: usize,
    /// Only from the fewest most probable tokens that together are at least so probable (Holtzman et al. 2020).
    pub top_p: f64,
    /// Log-probabilities are divided by this: below 1 the probable becomes more so.
    pub temperature: f64,
    pub seed: u64,
}

impl Default for Sampling {
    /// From the model's own distribution.
    fn default() -> Self {
        Self { top_k: 0, top_p: 1.0, temperature: 1.0, seed: 1 }
    }
}

impl Sampling {
    /// # Errors
    /// A probability that is none, or a temperature that is not above 0.
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

/// Draws `samples` hypotheses for each source, best first. A draw depends on the seed, the source's place, the number of
/// the sample and that of the token alone.
///
/// # Errors
/// A device that fails, or a model whose logits are not finite.
///
/// # Panics
/// A source, or a limit in `rules`, of more tokens than `model.max_length`.
pub fn sample(
    engine: &Engine,
    sources: &[Source],
    samples: usize,
    sampling: &Sampling,
    rules: &Rules,
    length_penalty: LengthPenalty,
) -> Result<Vec<Vec<Hypothesis>>, DecodeError> {
    let rows: Vec<usize> = (0..sources.len() * samples).map(|row| row / samples).collect();
    let drawn = row_by_row(engine, sources, &rows, rules, length_penalty, |row, said, next| {
        let (place, number) = (sources[row / samples].place as u64, (row % samples) as u64);
        let key = random::key(&[sampling.seed, SAMPLE, place, number, said as u64]);
        draw(next, sampling, Rng::new(key).uniform())
    })?;
    let mut drawn = drawn.into_iter();
    let mut ranked = |_| {
        let mut own: Vec<Hypothesis> = drawn.by_ref().take(samples).collect();
        own.sort_by(Hypothesis::best_first);
        own
    };
    Ok((0..sources.len()).map(&mut ranked).collect())
}

/// Keeps these draws apart from others under the same seed.
const SAMPLE: u64 = 0x5A;

/// The token at `chance`, from 0 to 1, of the distribution's way from the most to the least probable.
fn draw(next: &Next, sampling: &Sampling, chance: f64) -> u32 {
    let (candidates, weights) = nucleus(next, sampling);
    let total: f64 = weights.iter().sum();
    let mut rest = chance * total;
    for (&token, weight) in candidates.iter().zip(&weights) {
        if rest < *weight {
            return token;
        }
        rest -= weight;
    }
    candidates[weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)] // rounding left a little over
}

/// The tokens to draw from, most probable first, and how much each counts.
fn nucleus(next: &Next, sampling: &Sampling) -> (Vec<u32>, Vec<f64>) {
    let values = next.values();
    let most = if sampling.top_k == 0 { values.len() } else { sampling.top_k.min(values.len()) };
    let weight = |token: u32, peak: f64| ((next.value(token) - peak) / sampling.temperature).exp();
    let mut count = if sampling.top_p < 1.0 { most.min(FIRST_LOOK) } else { most };
    loop {
        let candidates = largest(values, count);
        let peak = next.value(candidates[0]);
        let weights: Vec<f64> = candidates.iter().map(|&token| weight(token, peak)).collect();
        // Of what top-k leaves, top-p keeps the least number that reaches its share.
        let whole = if most == values.len() && sampling.top_p < 1.0 {
            (0..values.len() as u32).map(|token| weight(token, peak)).sum::<f64>()
        } else if count == most {
            weights.iter().sum()
        } else {
            f64::INFINITY
        };
        let reached = weights
            .iter()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .position(|sum| sum >= sampling.top_p * whole);
        match reached {
            Some(last) if sampling.top_p < 1.0 => return (candidates[..=last].to_vec(), weights[..=last].to_vec()),
            _ if count == most => return (candidates, weights),
            _ => count = (count * 8).min(most),
        }
    }
}

/// Most nuclei are smaller.
const FIRST_LOOK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Four tokens of 0.5, 0.25, 0.15 and 0.1, then `<pad>`.
    fn drawn(sampling: Sampling, chance: f64) -> u32 {
        let mut logits = [0.15f32.ln(), 0.5f32.ln(), 0.1f32.ln(), 0.25f32.ln(), 9.0];
        let source = Source { ids: &[0], least: 0, limit: 9, place: 1 };
        draw(&Next::new(&mut logits, &[], &source, &Rules::default()).unwrap(), &sampling, chance)
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
