//! What may be said next: limits on length, repetition control, a forced beginning.

use text::END_ID;

use crate::error::DecodeError;
use crate::search::hypothesis::Source;
use kernels::decode::logits::log_sum_exp;

/// Rules for all sentences of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules<'a> {
    /// The target begins with these tokens.
    pub prefix: &'a [u32],
    /// No sequence of so many tokens is said twice, except by the prefix; 0 allows everything.
    pub no_repeat_ngram: usize,
    /// The logit of a token that has been said is divided by this when choosing, or multiplied if it is negative (Keskar
    /// et al. 2019, section 4.1); 1 changes nothing.
    pub repetition_penalty: f64,
}

impl Default for Rules<'_> {
    /// Everything is allowed.
    fn default() -> Self {
        Self { prefix: &[], no_repeat_ngram: 0, repetition_penalty: 1.0 }
    }
}

/// A row of logits on its way to a choice.
///
/// Two numbers belong to a token: the model's log-probability, and the value by which it is chosen, which the rules
/// change.
pub struct Next<'a> {
    /// The values, by token; −∞ where a token must not be said. They are logits: the normaliser is still to be taken off.
    values: &'a mut [f32],
    normaliser: f64,
    /// What the rules changed: token and logit, in the order of the tokens.
    changed: Vec<(u32, f32)>,
}

impl<'a> Next<'a> {
    /// What may follow `said`. `<pad>`, the last token, never does, and is not counted among the probabilities.
    ///
    /// # Errors
    /// Logits that are not finite.
    pub fn new(logits: &'a mut [f32], said: &[u32], source: &Source, rules: &Rules) -> Result<Self, DecodeError> {
        let answers = logits.len() - 1;
        let values = &mut logits[..answers];
        let normaliser = normaliser(values)?;
        let mut next = Self { values, normaliser, changed: Vec::new() };
        next.apply(said, source, rules);
        Ok(next)
    }

    fn apply(&mut self, said: &[u32], source: &Source, rules: &Rules) {
        if rules.repetition_penalty != 1.0 {
            for &token in said {
                let (logit, penalty) = (self.logit(token), rules.repetition_penalty as f32);
                self.change(token, if logit > 0.0 { logit / penalty } else { logit * penalty });
            }
        }
        // What is told to be said is said, though it repeat itself.
        if said.len() >= rules.prefix.len() {
            for token in repeated(said, rules.no_repeat_ngram) {
                self.change(token, f32::NEG_INFINITY);
            }
        }
        if said.len() < source.least {
            self.change(END_ID, f32::NEG_INFINITY);
        }
    }

    fn change(&mut self, token: u32, value: f32) {
        let logit = &mut self.values[token as usize];
        if !self.changed.iter().any(|(changed, _)| *changed == token) {
            self.changed.push((token, *logit));
        }
        *logit = value;
    }

    /// The values to choose by, one per token; their order is that of [`value`](Self::value).
    pub fn values(&self) -> &[f32] {
        self.values
    }

    /// The value that a token is chosen by: its log-probability, but for the rules; −∞ if it must not be said.
    pub fn value(&self, token: u32) -> f64 {
        f64::from(self.values[token as usize]) - self.normaliser
    }

    /// The model's own log-probability of a token, in nats.
    pub fn log_probability(&self, token: u32) -> f64 {
        f64::from(self.logit(token)) - self.normaliser
    }

    /// What the model said, before any rule.
    fn logit(&self, token: u32) -> f32 {
        let changed = self.changed.iter().find(|(changed, _)| *changed == token);
        changed.map_or(self.values[token as usize], |(_, logit)| *logit)
    }
}

/// What is taken from a model's logits to make them log-probabilities. What is decoded from logits that are no numbers
/// would look like an answer, and be none.
///
/// # Errors
/// Logits that are not finite.
pub fn normaliser(logits: &[f32]) -> Result<f64, DecodeError> {
    let normaliser = log_sum_exp(logits);
    if normaliser.is_finite() { Ok(normaliser) } else { Err(DecodeError::NotFinite) }
}

/// Tokens that would repeat a sequence of `n` tokens that `said` holds already.
fn repeated(said: &[u32], n: usize) -> impl Iterator<Item = u32> {
    let last = said.get((said.len() + 1).wrapping_sub(n)..).filter(|_| n > 0);
    let windows = last.map(|last| said.windows(n).filter(move |window| window[..n - 1] == *last));
    windows.into_iter().flatten().map(move |window| window[n - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(least: usize) -> Source<'static> {
        Source { ids: &[0], least, limit: 9, place: 1 }
    }

    #[test]
    fn a_repeated_sequence_is_told_by_its_beginning() {
        let tokens = |said: &[u32], n| repeated(said, n).collect::<Vec<_>>();
        assert_eq!(tokens(&[5, 6, 7, 5, 6], 3), [7]);
        assert_eq!(tokens(&[5, 6, 7, 5], 2), [6]);
        assert_eq!(tokens(&[5, 6], 1), [5, 6]);
        assert!(tokens(&[5, 6, 7, 5], 0).is_empty());
        assert!(tokens(&[5], 3).is_empty());
        assert!(tokens(&[], 1).is_empty());
    }

    #[test]
    fn rules_change_the_choice_but_not_the_probability() {
        let logits = [1.0, 0.5, 2.0, 3.0, 99.0];
        let mut plain = logits;
        let plain = Next::new(&mut plain, &[], &source(0), &Rules::default()).unwrap();
        assert_eq!(plain.values(), &logits[..4], "`<pad>` is no answer");
        let total: f64 = (0..4).map(|token| plain.log_probability(token).exp()).sum();
        assert!((total - 1.0).abs() < 1e-6, "nor does it count: {total}");

        let mut ruled = logits;
        let rules = Rules { no_repeat_ngram: 1, repetition_penalty: 2.0, ..Rules::default() };
        let ruled = Next::new(&mut ruled, &[3], &source(2), &rules).unwrap();
        assert_eq!(ruled.values(), [f32::NEG_INFINITY, 0.5, 2.0, f32::NEG_INFINITY]);
        (0..4).for_each(|token| assert_eq!(ruled.log_probability(token), plain.log_probability(token)));

        let mut penalised = logits;
        let rules = Rules { repetition_penalty: 2.0, ..Rules::default() };
        let penalised = Next::new(&mut penalised, &[2, 2], &source(0), &rules).unwrap();
        assert_eq!(penalised.values(), [1.0, 0.5, 1.0, 3.0], "once, however often it was said");
        assert_eq!(penalised.value(3), plain.value(3));
    }

    #[test]
    fn logits_that_are_not_finite_are_no_choice() {
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut logits = [1.0, 0.5, wrong, 3.0, 99.0];
            let found = Next::new(&mut logits, &[], &source(0), &Rules::default());
            assert!(matches!(found, Err(DecodeError::NotFinite)), "{wrong}");
        }
        let mut pad = [1.0, 0.5, f32::NAN];
        assert!(Next::new(&mut pad, &[], &source(0), &Rules::default()).is_ok(), "`<pad>` is no answer");
    }
}
