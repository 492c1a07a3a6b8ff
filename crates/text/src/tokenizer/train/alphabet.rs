//! What subwords are trained on: the words of a text, less its rarest characters.

use std::collections::{BTreeMap, HashSet};

use crate::TextError;
use crate::tokenizer::pipeline::SPACE_MARK;
use crate::tokenizer::{BYTE_TOKENS, SPECIAL_TOKENS, TokenizerConfig};

/// The part of all characters that the alphabet covers, as in SentencePiece; the rarest ones are left to byte tokens,
/// so that a few stray characters in a large corpus do not fill the vocabulary.
const CHARACTER_COVERAGE: f64 = 0.9995;

/// Longer words are counted in parts: text without spaces would make pieces of whole lines.
const MAX_WORD_CHARACTERS: usize = 64;

/// The BPE trainer counts pairs in 32 bits.
const MAX_SAMPLE_CHARACTERS: u64 = i32::MAX as u64;

/// The words to train subwords on, made of frequent enough characters only.
pub(super) struct Alphabet {
    /// Words, or what is between the characters left out, and their counts; sorted.
    pub words: BTreeMap<String, u64>,
}

impl Alphabet {
    /// Chooses the characters to keep; refuses a vocabulary that cannot hold them.
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
            // The mark of a space stays whatever happens: as bytes it would decode to a literal `▁`.
            let needed = (covered as f64) < enough || *character == SPACE_MARK;
            covered += count;
            needed
        });
        let kept: HashSet<char> = ranked.iter().map(|(character, _)| *character).collect();

        let least = SPECIAL_TOKENS + BYTE_TOKENS + kept.len();
        if config.vocab_size < least {
            return Err(TextError::VocabularyTooSmall {
                asked: config.vocab_size,
                least,
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
