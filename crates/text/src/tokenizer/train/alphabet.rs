//! The training data of subwords: the words of a text without its rarest characters.

use std::collections::{BTreeMap, HashSet};

use crate::TextError;
use crate::special_tokens::{BYTE_TOKENS, SPACE_MARK, SPECIAL_TOKENS};
use crate::tokenizer::TokenizerConfig;

/// Fraction of all characters that the alphabet covers, as in SentencePiece. The rarest become byte tokens, so that
/// stray characters of a large corpus do not fill the vocabulary.
const CHARACTER_COVERAGE: f64 = 0.9995;

/// Maximum characters per word; longer ones are split, as text without spaces would make pieces of whole lines.
const MAX_WORD_CHARACTERS: usize = 64;

/// The BPE trainer counts pairs in 32 bits.
const MAX_SAMPLE_CHARACTERS: u64 = i32::MAX as u64;

/// The words to train subwords on, of characters in the alphabet only.
pub(super) struct Alphabet {
    /// Words, split at characters outside the alphabet, and their counts; sorted.
    pub words: BTreeMap<String, u64>,
}

impl Alphabet {
    /// Selects the characters of the alphabet and the words in it.
    ///
    /// # Errors
    /// A vocabulary size too small for the alphabet, or a text too large to count.
    pub fn new(counts: &BTreeMap<String, u64>, config: &TokenizerConfig) -> Result<Self, TextError> {
        let mut characters: BTreeMap<char, u64> = BTreeMap::new();
        for (word, count) in counts {
            for character in word.chars() {
                *characters.entry(character).or_default() += count;
            }
        }
        let total: u64 = characters.values().sum();
        if total >= MAX_SAMPLE_CHARACTERS {
            return Err(TextError::SampleTooLarge { found: total, limit: MAX_SAMPLE_CHARACTERS });
        }

        // Most frequent first; equally frequent ones by code point.
        let mut ranked: Vec<(char, u64)> = characters.into_iter().collect();
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let enough = total as f64 * CHARACTER_COVERAGE;
        let mut covered = 0;
        ranked.retain(|(character, count)| {
            // The space mark is always kept: as bytes it would decode to a literal `▁`.
            let needed = (covered as f64) < enough || *character == SPACE_MARK;
            covered += count;
            needed
        });
        let kept: HashSet<char> = ranked.iter().map(|(character, _)| *character).collect();

        let min = SPECIAL_TOKENS + BYTE_TOKENS + kept.len();
        if config.vocab_size < min {
            return Err(TextError::VocabularyTooSmall {
                vocab_size: config.vocab_size,
                min,
                reason: format!("3 special tokens, 256 byte tokens and the {} characters of the text", kept.len()),
            });
        }

        let mut words = BTreeMap::new();
        for (word, count) in counts {
            for run in word.split(|character| !kept.contains(&character)) {
                let run: Vec<char> = run.chars().collect();
                for part in run.chunks(MAX_WORD_CHARACTERS) {
                    *words.entry(part.iter().collect()).or_default() += count;
                }
            }
        }
        Ok(Self { words })
    }
}
