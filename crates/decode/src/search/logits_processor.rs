//! Logits processors: rules that change logits before a token is chosen.
//!
//! | rule | effect |
//! |---|---|
//! | padding | `<pad>`, the last id, is never a candidate and has no share in the probabilities |
//! | forced prefix | the first tokens are given; those of every target of the model have probability 1 |
//! | [`RepetitionPenalty`] | z ← z / p if z > 0, else z · p, for tokens of the target (Keskar et al. 2019, section 4.1) |
//! | [`NoRepeatNgram`] | z ← −∞ for a token that would repeat n tokens of the target |
//! | [`MinLength`] | z ← −∞ for `</s>` while the target is too short |
//!
//! A decoder that starts with a token other than `<pad>`, such as BART's `</s>`, counts it among those of the target in the
//! repetition penalty. It does not in [`NoRepeatNgram`], which for n = 1 would forbid `</s>` for ever.
//!
//! Two numbers belong to a token: the model's log-probability, which is reported, and the processed value, by which it is
//! chosen. Another rule is another implementation of [`LogitsProcessor`].

use std::fmt::Debug;

use runs::config::DecodingConfig;
use text::END_ID;

use crate::error::DecodeError;
use crate::search::hypothesis::DecodeInput;

/// A rule that changes the logits of the next token.
pub trait LogitsProcessor: Debug + Send + Sync {
    /// Changes `logits`, which follow the target tokens `ids` of `input`.
    fn process(&self, logits: &mut StepLogits, ids: &[u32], input: &DecodeInput);
}

/// The forced prefix and the logits processors of a batch, in the order in which they apply.
#[derive(Debug, Default)]
pub struct Constraints<'a> {
    /// The first tokens of every target. They may repeat each other.
    pub prefix: &'a [u32],
    /// The number of tokens of the prefix that belong to every target of the model, such as a language token. They have
    /// probability 1.
    pub given: usize,
    /// The rules that change logits.
    pub processors: Vec<Box<dyn LogitsProcessor>>,
}

impl<'a> Constraints<'a> {
    /// The rules of a configuration; those without effect are skipped. `start` is the decoder's start unless it is `<pad>`.
    pub fn new(prefix: &'a [u32], given: usize, start: Option<u32>, decoding: &DecodingConfig) -> Self {
        let mut processors: Vec<Box<dyn LogitsProcessor>> = Vec::new();
        if decoding.repetition_penalty != 1.0 {
            processors.push(Box::new(RepetitionPenalty { penalty: decoding.repetition_penalty as f32, start }));
        }
        if decoding.no_repeat_ngram > 0 {
            processors.push(Box::new(NoRepeatNgram { n: decoding.no_repeat_ngram, prefix_len: prefix.len() }));
        }
        if decoding.min_length > 0 || decoding.min_length_ratio > 0.0 {
            processors.push(Box::new(MinLength));
        }
        Self { prefix, given, processors }
    }

    /// Whether nothing is forced and no logit changes.
    pub fn is_empty(&self) -> bool {
        self.prefix.is_empty() && self.processors.is_empty()
    }

    /// Whether the token after `len` tokens is one of every target of the model.
    pub fn is_given(&self, len: usize) -> bool {
        len < self.given
    }

    /// The token that the prefix forces after `len` tokens.
    pub fn forced(&self, len: usize) -> Option<u32> {
        self.prefix.get(len).copied()
    }
}

/// Divides the logits of tokens that the target holds by a penalty, or multiplies them if negative.
#[derive(Clone, Copy, Debug)]
pub struct RepetitionPenalty {
    /// The divisor; 1 changes nothing.
    pub penalty: f32,
    /// The decoder's start, if it counts.
    pub start: Option<u32>,
}

impl LogitsProcessor for RepetitionPenalty {
    fn process(&self, logits: &mut StepLogits, ids: &[u32], _: &DecodeInput) {
        for &token in ids.iter().chain(&self.start) {
            let logit = logits.model_logit(token); // so that a repeated token is penalised once
            logits.set(token, if logit > 0.0 { logit / self.penalty } else { logit * self.penalty });
        }
    }
}

/// Forbids tokens that would repeat a sequence of `n` tokens.
#[derive(Clone, Copy, Debug)]
pub struct NoRepeatNgram {
    /// The length of a sequence, at least 1.
    pub n: usize,
    /// The length of the forced prefix, in which repetition is allowed.
    pub prefix_len: usize,
}

impl LogitsProcessor for NoRepeatNgram {
    fn process(&self, logits: &mut StepLogits, ids: &[u32], _: &DecodeInput) {
        if ids.len() >= self.prefix_len {
            repeats(ids, self.n).for_each(|token| logits.set(token, f32::NEG_INFINITY));
        }
    }
}

/// Forbids `</s>` while a target is shorter than its input's minimum.
#[derive(Clone, Copy, Debug)]
pub struct MinLength;

impl LogitsProcessor for MinLength {
    fn process(&self, logits: &mut StepLogits, ids: &[u32], input: &DecodeInput) {
        if ids.len() < input.min_len {
            logits.set(END_ID, f32::NEG_INFINITY);
        }
    }
}

/// The logits of one row in one step, before and after the processors.
pub struct StepLogits<'a> {
    /// The processed logits, by token; −∞ for a forbidden token.
    values: &'a mut [f32],
    /// log Σ exp of the model's logits; log-probabilities are logits minus this.
    log_sum_exp: f64,
    /// The model's logits of changed tokens.
    changed: Vec<(u32, f32)>,
}

impl<'a> StepLogits<'a> {
    /// Applies the processors to the logits that follow the target tokens `ids`.
    ///
    /// # Errors
    /// Logits that are not finite.
    pub fn new(
        logits: &'a mut [f32],
        ids: &[u32],
        input: &DecodeInput,
        constraints: &Constraints,
    ) -> Result<Self, DecodeError> {
        let candidates = logits.len() - 1; // `<pad>` is last
        let values = &mut logits[..candidates];
        let log_sum_exp = log_sum_exp(values)?;
        let mut logits = Self { values, log_sum_exp, changed: Vec::new() };
        constraints.processors.iter().for_each(|processor| processor.process(&mut logits, ids, input));
        Ok(logits)
    }

    /// Replaces the value of a token.
    pub fn set(&mut self, token: u32, value: f32) {
        let logit = &mut self.values[token as usize];
        if !self.changed.iter().any(|(changed, _)| *changed == token) {
            self.changed.push((token, *logit));
        }
        *logit = value;
    }

    /// The processed logits, one per token, in the same order as [`value`](Self::value).
    pub fn values(&self) -> &[f32] {
        self.values
    }

    /// The value by which a token is chosen: its processed log-probability, −∞ if it is forbidden.
    pub fn value(&self, token: u32) -> f64 {
        f64::from(self.values[token as usize]) - self.log_sum_exp
    }

    /// The model's own log-probability of a token, in nats.
    pub fn log_probability(&self, token: u32) -> f64 {
        f64::from(self.model_logit(token)) - self.log_sum_exp
    }

    /// The model's logit of a token, before any processor.
    pub fn model_logit(&self, token: u32) -> f32 {
        let changed = self.changed.iter().find(|(changed, _)| *changed == token);
        changed.map_or(self.values[token as usize], |(_, logit)| *logit)
    }
}

/// log Σ exp of a model's logits, which normalises them to log-probabilities. Search over logits that are not finite would
/// return an answer without meaning.
///
/// # Errors
/// Logits that are not finite.
pub fn log_sum_exp(logits: &[f32]) -> Result<f64, DecodeError> {
    let sum = kernels::decode::logits::log_sum_exp(logits);
    if sum.is_finite() { Ok(sum) } else { Err(DecodeError::NotFinite) }
}

/// The tokens that would repeat a sequence of `n` tokens of `ids`.
fn repeats(ids: &[u32], n: usize) -> impl Iterator<Item = u32> {
    let last = ids.get((ids.len() + 1).wrapping_sub(n)..).filter(|_| n > 0);
    let windows = last.map(|last| ids.windows(n).filter(move |window| window[..n - 1] == *last));
    windows.into_iter().flatten().map(move |window| window[n - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(min_len: usize) -> DecodeInput<'static> {
        DecodeInput { ids: &[0], min_len, max_len: 9, index: 1 }
    }

    fn constraints(change: impl FnOnce(&mut DecodingConfig)) -> Constraints<'static> {
        let mut decoding = DecodingConfig { repetition_penalty: 2.0, min_length: 1, ..DecodingConfig::default() };
        change(&mut decoding);
        Constraints::new(&[], 0, None, &decoding)
    }

    #[test]
    fn a_repeated_sequence_is_found_by_its_beginning() {
        let tokens = |ids: &[u32], n| repeats(ids, n).collect::<Vec<_>>();
        assert_eq!(tokens(&[5, 6, 7, 5, 6], 3), [7]);
        assert_eq!(tokens(&[5, 6, 7, 5], 2), [6]);
        assert_eq!(tokens(&[5, 6], 1), [5, 6]);
        assert!(tokens(&[5, 6, 7, 5], 0).is_empty());
        assert!(tokens(&[5], 3).is_empty());
        assert!(tokens(&[], 1).is_empty());
    }

    #[test]
    fn rules_change_the_value_not_the_probability() {
        let logits = [1.0, 0.5, 2.0, 3.0, 99.0];
        let mut plain = logits;
        let plain = StepLogits::new(&mut plain, &[], &input(0), &Constraints::default()).unwrap();
        assert_eq!(plain.values(), &logits[..4], "`<pad>` is not a candidate");
        let total: f64 = (0..4).map(|token| plain.log_probability(token).exp()).sum();
        assert!((total - 1.0).abs() < 1e-6, "nor does it count: {total}");

        let mut ruled = logits;
        let rules = constraints(|decoding| decoding.no_repeat_ngram = 1);
        let ruled = StepLogits::new(&mut ruled, &[3], &input(2), &rules).unwrap();
        assert_eq!(ruled.values(), [f32::NEG_INFINITY, 0.5, 2.0, f32::NEG_INFINITY]);
        (0..4).for_each(|token| assert_eq!(ruled.log_probability(token), plain.log_probability(token)));

        let mut penalised = logits;
        let penalised = StepLogits::new(&mut penalised, &[2, 2], &input(0), &constraints(|_| {})).unwrap();
        assert_eq!(penalised.values(), [1.0, 0.5, 1.0, 3.0], "once, however often it occurs");
        assert_eq!(penalised.value(3), plain.value(3));
    }

    #[test]
    fn the_decoders_start_is_penalised_but_never_forbidden() {
        let decoding = DecodingConfig { repetition_penalty: 2.0, no_repeat_ngram: 1, ..DecodingConfig::default() };
        let rules = Constraints::new(&[], 0, Some(0), &decoding);
        let mut logits = [1.0, 0.5, 2.0, 3.0, 99.0];
        let processed = StepLogits::new(&mut logits, &[3], &input(0), &rules).unwrap();
        assert_eq!(processed.values(), [0.5, 0.5, 2.0, f32::NEG_INFINITY]);
    }

    #[test]
    fn logits_that_are_not_finite_are_rejected() {
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut logits = [1.0, 0.5, wrong, 3.0, 99.0];
            let found = StepLogits::new(&mut logits, &[], &input(0), &Constraints::default());
            assert!(matches!(found, Err(DecodeError::NotFinite)), "{wrong}");
        }
        let mut pad = [1.0, 0.5, f32::NAN];
        let found = StepLogits::new(&mut pad, &[], &input(0), &Constraints::default());
        assert!(found.is_ok(), "`<pad>` is not a candidate");
    }
}
