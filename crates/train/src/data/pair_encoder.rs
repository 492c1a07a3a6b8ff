//! The encoder of sentence pairs: from text to ids, or to the reason why a pair is dropped.

use std::sync::Arc;

use model::random;
use runs::DecodingConfig;
use runs::record::PairCounts;
use text::{Frame, Frames, Pair, TextError, Tokenizer, is_blank};

use super::Example;
use crate::error::TrainError;

/// The reason why a pair is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// A side is blank or has no token.
    Empty,
    /// A side is longer than `data.max_length`.
    Long,
    /// The lengths of the sides differ by more than `data.max_ratio`.
    Uneven,
}

/// Counts a pair by the outcome of its encoding.
pub fn count(counts: &mut PairCounts, outcome: &Result<Example, DropReason>) {
    counts.pairs += 1;
    match outcome {
        Ok(_) => {}
        Err(DropReason::Empty) => counts.empty += 1,
        Err(DropReason::Long) => counts.long += 1,
        Err(DropReason::Uneven) => counts.uneven += 1,
    }
}

/// The encoder of pairs, with its filters.
#[derive(Clone, Debug)]
pub struct PairEncoder {
    /// The tokenizer of the source side.
    pub source_tokenizer: Arc<Tokenizer>,
    /// The tokenizer of the target side.
    pub target_tokenizer: Arc<Tokenizer>,
    /// The tokens around texts.
    pub frames: Frames,
    /// Maximum tokens on either side, those around a text included.
    pub max_length: usize,
    /// The key that sets `max_length`, for messages.
    pub max_length_key: &'static str,
    /// Maximum ratio of the sides' lengths; 0 disables the filter.
    pub max_ratio: f64,
    /// Rate of BPE-dropout of the source side.
    pub source_dropout: f64,
    /// Rate of BPE-dropout of the target side.
    pub target_dropout: f64,
    /// Seed of BPE-dropout.
    pub seed: u64,
    /// The settings of decoding, whose prefix every source has in training too.
    pub decoding: DecodingConfig,
}

/// Keeps the keys of BPE-dropout apart from those of weights, data and dropout under the same seed.
const SUBWORDS: u64 = 0xB9E;

impl PairEncoder {
    /// Encodes a pair without BPE-dropout, or returns why it is dropped.
    ///
    /// # Errors
    /// A text that the tokenizer rejects.
    pub fn encode(&self, pair: &Pair) -> Result<Result<Example, DropReason>, TextError> {
        if is_blank(&pair.source) || is_blank(&pair.target) {
            return Ok(Err(DropReason::Empty));
        }
        let source = self.source_tokenizer.encode(&self.decoding.prefixed(&pair.source))?;
        let target = self.target_tokenizer.encode(&pair.target)?;
        let (shorter, longer) = (source.len().min(target.len()), source.len().max(target.len()));
        let (source, target) = (self.frames.source.wrap(source), self.frames.target.wrap(target));
        Ok(if shorter == 0 {
            Err(DropReason::Empty)
        } else if source.len().max(target.len()) > self.max_length {
            Err(DropReason::Long)
        } else if self.max_ratio > 0.0 && longer as f64 > self.max_ratio * shorter as f64 {
            Err(DropReason::Uneven)
        } else {
            Ok(Example { source, target })
        })
    }

    /// The error of a corpus without a usable pair, with the remedy for the most frequent reason.
    pub fn nothing_left(&self, counts: &PairCounts) -> TrainError {
        TrainError::Data(format!("no training pair is left: {counts}; {}", self.remedy(counts)))
    }

    /// The remedy for the most frequent reason for which pairs were dropped.
    pub fn remedy(&self, counts: &PairCounts) -> String {
        let remedies = [
            (counts.empty, "check that both columns, or both files, hold text".to_string()),
            (counts.uneven, "raise data.max_ratio, or set it to 0".to_string()),
            (counts.long, format!("raise {}", self.max_length_key)),
        ];
        remedies.into_iter().max_by_key(|(count, _)| *count).map(|(_, remedy)| remedy).unwrap_or_default()
    }

    /// Returns whether each epoch tokenises the corpus again.
    pub fn resamples(&self) -> bool {
        self.source_dropout > 0.0 || self.target_dropout > 0.0
    }

    /// Encodes a pair with BPE-dropout (Provilkov et al. 2020), as a function of the seed, the epoch and the pair's index.
    ///
    /// `plain` is the result of [`encode`](Self::encode), which is returned where there is no dropout.
    pub fn encode_with_dropout(&self, pair: &Pair, plain: Example, epoch: u64, index: usize) -> Example {
        let encode = |tokenizer: &Tokenizer, frame: &Frame, dropout: f64, text: &str, plain: Vec<u32>, side: u64| {
            if dropout == 0.0 {
                return plain;
            }
            let key = random::key(&[self.seed, SUBWORDS, epoch, index as u64, side]);
            match tokenizer.encode_with_dropout(text, dropout, key) {
                // Dropout increases the number of tokens; a sentence that becomes too long is encoded without it.
                Ok(ids) if ids.len() + frame.len() <= self.max_length => frame.wrap(ids),
                Ok(_) | Err(_) => plain,
            }
        };
        Example {
            source: encode(
                &self.source_tokenizer,
                &self.frames.source,
                self.source_dropout,
                &self.decoding.prefixed(&pair.source),
                plain.source,
                0,
            ),
            target: encode(
                &self.target_tokenizer,
                &self.frames.target,
                self.target_dropout,
                &pair.target,
                plain.target,
                1,
            ),
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
            frames: Frames::new(&tokenizer, &tokenizer, text::Languages::default()).unwrap(),
            source_tokenizer: tokenizer.clone(),
            target_tokenizer: tokenizer,
            max_length: 64,
            max_length_key: "data.max_length",
            max_ratio: 0.0,
            source_dropout: dropout,
            target_dropout: dropout,
            seed: 1,
            decoding: DecodingConfig::default(),
        }
    }

    pub fn pair(source: &str, target: &str) -> Pair {
        Pair { source: source.to_string(), target: target.to_string() }
    }

    #[test]
    fn filters_return_their_reason() {
        let encoder = PairEncoder { max_length: 12, max_ratio: 2.0, ..encoder(0.0) };
        let unusable = |source: &str, target: &str| encoder.encode(&pair(source, target)).unwrap().err();
        assert_eq!(unusable("lower newer", "newer lower"), None);
        assert_eq!(unusable("", "lower"), Some(DropReason::Empty));
        assert_eq!(unusable("lower", ""), Some(DropReason::Empty));
        assert_eq!(unusable(" \r ", "lower"), Some(DropReason::Empty));
        assert_eq!(unusable("lower", "\u{a0}\u{3000}"), Some(DropReason::Empty));
        assert_eq!(unusable("lower", &"lower ".repeat(12)), Some(DropReason::Long));
        assert_eq!(unusable("lower lower", "lower lower lower lower"), None, "twice as long is even enough");
        assert_eq!(unusable("lower lower", "lower lower lower lower lower"), Some(DropReason::Uneven));
        assert_eq!(unusable("lower lower lower lower lower", "lower lower"), Some(DropReason::Uneven));
    }

    #[test]
    fn the_most_frequent_reason_has_its_remedy() {
        let encoder = encoder(0.0);
        for (counts, remedy) in [
            (PairCounts { empty: 5, long: 2, uneven: 3, pairs: 10 }, "10 dropped (5 with an empty side, 2 too long"),
            (
                PairCounts { empty: 5, long: 2, uneven: 3, pairs: 10 },
                "; check that both columns, or both files, hold text",
            ),
            (PairCounts { empty: 1, long: 2, uneven: 7, pairs: 10 }, "; raise data.max_ratio, or set it to 0"),
            (PairCounts { empty: 1, long: 8, uneven: 1, pairs: 10 }, "; raise data.max_length"),
        ] {
            let message = encoder.nothing_left(&counts).to_string();
            assert!(message.starts_with("no training pair is left: 10 training pairs, "), "{message}");
            assert!(message.contains(remedy), "{message}");
        }
    }

    #[test]
    fn dropout_depends_on_epoch_and_index() {
        let encoder = encoder(0.2);
        let mut different = 0;
        for (index, line) in lines().iter().enumerate() {
            let pair = pair(line, line);
            let plain = encoder.encode(&pair).unwrap().unwrap();
            let encode = |epoch, index| encoder.encode_with_dropout(&pair, plain.clone(), epoch, index);
            let first = encode(0, index);
            assert_eq!(first, encode(0, index));
            assert_eq!(encoder.target_tokenizer.decode(&first.target).unwrap(), *line);
            different += usize::from(first != encode(1, index)) + usize::from(first != encode(0, index + 1));
        }
        assert!(different > 300, "{different} of 400");
    }

    #[test]
    fn a_sentence_that_grows_too_long_stays_plain() {
        let short = PairEncoder { max_length: 2, ..encoder(0.9) };
        let pair = pair("lower lowest", "newer");
        let plain = encoder(0.0).encode(&pair).unwrap().unwrap();
        assert_eq!(short.encode_with_dropout(&pair, plain.clone(), 0, 0), plain);
    }
}
