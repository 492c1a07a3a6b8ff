//! From a pair of sentences to ids, or to the reason why it is not used.

use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;

use model::random;
use model::summary::grouped;
use serde::{Deserialize, Serialize};
use text::{END_ID, Pair, TextError, Tokenizer};

use super::Example;
use crate::error::TrainError;

/// Why a pair is not used for training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A side without a token, or of nothing but white space.
    Empty,
    /// A side over `data.max_length`.
    Long,
    /// Sides of too different lengths for `data.max_ratio`.
    Uneven,
}

/// Pairs read, and how many of them were dropped for which reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub pairs: usize,
    pub empty: usize,
    pub long: usize,
    pub uneven: usize,
}

impl Counts {
    /// Counts one more pair.
    pub fn add(&mut self, unusable: Option<Unusable>) {
        self.pairs += 1;
        match unusable {
            None => {}
            Some(Unusable::Empty) => self.empty += 1,
            Some(Unusable::Long) => self.long += 1,
            Some(Unusable::Uneven) => self.uneven += 1,
        }
    }

    pub fn dropped(&self) -> usize {
        self.empty + self.long + self.uneven
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.empty += other.empty;
        self.long += other.long;
        self.uneven += other.uneven;
    }
}

impl fmt::Display for Counts {
    /// `1,000 training pairs, 3 dropped (1 with an empty side, 2 too long)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} training pairs", grouped(self.pairs))?;
        let reasons = [
            (self.empty, "with an empty side"),
            (self.long, "too long"),
            (self.uneven, "less even than data.max_ratio"),
        ];
        let told: Vec<String> = reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, reason)| format!("{} {reason}", grouped(*count)))
            .collect();
        match told.is_empty() {
            true => Ok(()),
            false => write!(f, ", {} dropped ({})", grouped(self.dropped()), told.join(", ")),
        }
    }
}

/// Turns pairs into examples.
#[derive(Clone, Debug)]
pub struct PairEncoder {
    pub source_tokenizer: Arc<Tokenizer>,
    pub target_tokenizer: Arc<Tokenizer>,
    /// Most tokens on either side, `</s>` included.
    pub max_length: usize,
    /// The key that says so, for messages.
    pub max_length_key: &'static str,
    /// Most tokens of the longer side for each of the shorter; 0 = any.
    pub max_ratio: f64,
    /// Rate of BPE-dropout.
    pub dropout: f64,
    pub seed: u64,
}

/// Keeps the keys of BPE-dropout apart from those of weights, data and dropout under the same seed.
const SUBWORDS: u64 = 0xB9E;

impl PairEncoder {
    /// The pair as the tokenizers cut it.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn encode(&self, pair: &Pair) -> Result<Result<Example, Unusable>, TextError> {
        // To subwords a space is a token as any other.
        if pair.source.trim().is_empty() || pair.target.trim().is_empty() {
            return Ok(Err(Unusable::Empty));
        }
        let ended = |tokenizer: &Tokenizer, text: &str| {
            tokenizer.encode(text).map(|mut ids| {
                ids.push(END_ID);
                ids
            })
        };
        let source = ended(&self.source_tokenizer, &pair.source)?;
        let target = ended(&self.target_tokenizer, &pair.target)?;
        let (shorter, longer) = (source.len().min(target.len()), source.len().max(target.len()));
        Ok(if shorter < 2 {
            Err(Unusable::Empty)
        } else if longer > self.max_length {
            Err(Unusable::Long)
        } else if self.max_ratio > 0.0 && (longer - 1) as f64 > self.max_ratio * (shorter - 1) as f64 {
            Err(Unusable::Uneven)
        } else {
            Ok(Example { source, target })
        })
    }

    /// The error of a corpus of which no pair is left, with what to do about the commonest reason.
    pub fn nothing_left(&self, counts: &Counts) -> TrainError {
        TrainError::Data(format!("no training pair is left: {counts}; {}", self.remedy(counts)))
    }

    /// What to do about the commonest reason for which pairs were dropped.
    pub fn remedy(&self, counts: &Counts) -> String {
        let remedies = [
            (counts.empty, "check that both columns, or both files, hold text".to_string()),
            (counts.uneven, "raise data.max_ratio, or set it to 0".to_string()),
            (counts.long, format!("raise {}", self.max_length_key)),
        ];
        remedies.into_iter().max_by_key(|(count, _)| *count).map(|(_, remedy)| remedy).unwrap_or_default()
    }

    /// The pair as BPE-dropout (Provilkov et al. 2020) cuts it in an epoch: a function of the seed, the epoch and the
    /// pair's place. `usual` is what [`encode`](Self::encode) gives, and comes back where there is no dropout.
    pub fn cut_anew(&self, pair: &Pair, usual: Example, epoch: u64, at: usize) -> Example {
        if self.dropout == 0.0 {
            return usual;
        }
        let cut = |tokenizer: &Tokenizer, text: &str, usual: Vec<u32>, side: u64| {
            let key = random::key(&[self.seed, SUBWORDS, epoch, at as u64, side]);
            match tokenizer.encode_with_dropout(text, self.dropout, key) {
                // Smaller pieces are more pieces; a sentence that no longer fits keeps its usual ones.
                Ok(mut ids) if ids.len() < self.max_length => {
                    ids.push(END_ID);
                    ids
                }
                _ => usual,
            }
        };
        Example {
            source: cut(&self.source_tokenizer, &pair.source, usual.source, 0),
            target: cut(&self.target_tokenizer, &pair.target, usual.target, 1),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn lines() -> Vec<String> {
        (0..200).map(|i| format!("lower lowest newer widest slower number {i}")).collect()
    }

    pub fn encoder(dropout: f64) -> PairEncoder {
        let config = text::TokenizerConfig { vocab_size: 320, ..Default::default() };
        let tokenizer = Arc::new(Tokenizer::train(&config, lines().iter()).unwrap());
        PairEncoder {
            source_tokenizer: tokenizer.clone(),
            target_tokenizer: tokenizer,
            max_length: 64,
            max_length_key: "data.max_length",
            max_ratio: 0.0,
            dropout,
            seed: 1,
        }
    }

    pub fn pair(source: &str, target: &str) -> Pair {
        Pair { source: source.to_string(), target: target.to_string() }
    }

    #[test]
    fn filters_say_why() {
        let encoder = PairEncoder { max_length: 12, max_ratio: 2.0, ..encoder(0.0) };
        let unusable = |source: &str, target: &str| encoder.encode(&pair(source, target)).unwrap().err();
        assert_eq!(unusable("lower newer", "newer lower"), None);
        assert_eq!(unusable("", "lower"), Some(Unusable::Empty));
        assert_eq!(unusable("lower", ""), Some(Unusable::Empty));
        assert_eq!(unusable(" \r ", "lower"), Some(Unusable::Empty));
        assert_eq!(unusable("lower", "\u{a0}\u{3000}"), Some(Unusable::Empty));
        assert_eq!(unusable("lower", &"lower ".repeat(12)), Some(Unusable::Long));
        assert_eq!(unusable("lower lower", "lower lower lower lower"), None, "twice as long is even enough");
        assert_eq!(unusable("lower lower", "lower lower lower lower lower"), Some(Unusable::Uneven));
        assert_eq!(unusable("lower lower lower lower lower", "lower lower"), Some(Unusable::Uneven));
    }

    #[test]
    fn counts_are_told() {
        let mut counts = Counts::default();
        (0..1998).for_each(|_| counts.add(None));
        assert_eq!(counts.to_string(), "1,998 training pairs");
        counts.add(Some(Unusable::Empty));
        counts.add(Some(Unusable::Uneven));
        let told = "2,000 training pairs, 2 dropped (1 with an empty side, 1 less even than data.max_ratio)";
        assert_eq!(counts.to_string(), told);
    }

    #[test]
    fn when_nothing_is_left_the_commonest_reason_has_its_remedy() {
        let encoder = encoder(0.0);
        for (counts, remedy) in [
            (Counts { empty: 5, long: 2, uneven: 3, pairs: 10 }, "10 dropped (5 with an empty side, 2 too long"),
            (Counts { empty: 5, long: 2, uneven: 3, pairs: 10 }, "; check that both columns, or both files, hold text"),
            (Counts { empty: 1, long: 2, uneven: 7, pairs: 10 }, "; raise data.max_ratio, or set it to 0"),
            (Counts { empty: 1, long: 8, uneven: 1, pairs: 10 }, "; raise data.max_length"),
        ] {
            let told = encoder.nothing_left(&counts).to_string();
            assert!(
                told.starts_with("no training pair is left: 10 training pairs, ") && told.contains(remedy),
                "{told}"
            );
        }
    }

    #[test]
    fn an_epoch_cuts_a_pair_by_its_number_and_place_and_it_still_says_the_same() {
        let encoder = encoder(0.2);
        let mut different = 0;
        for (at, line) in lines().iter().enumerate() {
            let pair = pair(line, line);
            let usual = encoder.encode(&pair).unwrap().unwrap();
            let cut = |epoch, at| encoder.cut_anew(&pair, usual.clone(), epoch, at);
            assert_eq!(cut(0, at), cut(0, at));
            assert_eq!(encoder.target_tokenizer.decode(&cut(0, at).target).unwrap(), *line);
            different += usize::from(cut(0, at) != cut(1, at)) + usize::from(cut(0, at) != cut(0, at + 1));
        }
        assert!(different > 300, "{different} of 400");
    }

    #[test]
    fn a_sentence_that_grows_too_long_keeps_its_usual_pieces() {
        let short = PairEncoder { max_length: 2, ..encoder(0.9) };
        let pair = pair("lower lowest", "newer");
        let usual = encoder(0.0).encode(&pair).unwrap().unwrap();
        assert_eq!(short.cut_anew(&pair, usual.clone(), 0, 0), usual);
    }
}
