//! chrF (Popović 2015) and chrF++ (Popović 2017), as sacreBLEU computes them.

use std::fmt;

use super::ngrams::Matches;
use super::{SACREBLEU_VERSION, case, check_counts, split_spaces};
use crate::{TextError, lowercase};

/// Recall weighs β² times as much as precision.
const BETA: f64 = 2.0;

/// Corpus chrF: the F-score of n-grams of characters, and for chrF++ of words, against one reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chrf {
    /// Maximum length of character n-grams; white space is skipped.
    pub character_order: usize,
    /// Maximum length of word n-grams; 0 is chrF, 2 is chrF++.
    pub word_order: usize,
    /// Whether text is compared in lower case.
    pub lowercase: bool,
}

impl Default for Chrf {
    /// chrF: up to 6 characters, no words.
    fn default() -> Self {
        Self { character_order: 6, word_order: 0, lowercase: false }
    }
}

/// The result of [`Chrf::score`]; its `Display` equals sacreBLEU's.
#[derive(Clone, Debug, PartialEq)]
pub struct ChrfScore {
    /// The score, from 0 to 100.
    pub score: f64,
    /// `chrF2`, `chrF2++`: β, and a plus per word order.
    pub name: String,
}

impl Chrf {
    /// chrF++: up to 6 characters and 2 words.
    pub fn plus_plus() -> Self {
        Self { word_order: 2, ..Self::default() }
    }

    /// Scores `hypotheses`, each against the reference of the same index.
    ///
    /// # Errors
    /// Different numbers of hypotheses and references, or none.
    pub fn score(
        &self,
        hypotheses: &[impl AsRef<str>],
        references: &[impl AsRef<str>],
    ) -> Result<ChrfScore, TextError> {
        check_counts(hypotheses.len(), references.len())?;
        let mut matches = vec![Matches::default(); self.character_order + self.word_order];
        for (hypothesis, reference) in hypotheses.iter().zip(references) {
            let hypothesis = Units::new(hypothesis.as_ref(), self.lowercase);
            let reference = Units::new(reference.as_ref(), self.lowercase);
            let (characters, words) = matches.split_at_mut(self.character_order);
            for (order, matches) in (1..).zip(characters) {
                matches.add(compare(&hypothesis.characters, &reference.characters, order));
            }
            for (order, matches) in (1..).zip(words) {
                matches.add(compare(&hypothesis.words, &reference.words, order));
            }
        }
        Ok(ChrfScore { score: f_score(&matches), name: format!("chrF{BETA}{}", "+".repeat(self.word_order)) })
    }

    /// Returns the signature of sacreBLEU for these settings.
    pub fn signature(&self) -> String {
        format!(
            "nrefs:1|case:{}|eff:yes|nc:{}|nw:{}|space:no|version:{SACREBLEU_VERSION}",
            case(self.lowercase),
            self.character_order,
            self.word_order
        )
    }
}

impl ChrfScore {
    /// The line that sacreBLEU prints for this score and the signature of its [`Chrf`].
    pub fn with_signature(&self, signature: &str) -> String {
        format!("{}|{signature} = {:.2}", self.name, self.score)
    }
}

impl fmt::Display for ChrfScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:.2}", self.name, self.score)
    }
}

/// The countable units of a sentence.
struct Units {
    characters: Vec<char>,
    words: Vec<String>,
}

impl Units {
    fn new(sentence: &str, lowered: bool) -> Self {
        let sentence = if lowered { lowercase(sentence) } else { sentence.to_owned() };
        let words = split_spaces(&sentence);
        Self {
            characters: words.flat_map(str::chars).collect(),
            words: split_spaces(&sentence).flat_map(separate_punctuation).collect(),
        }
    }
}

/// Splits one ASCII punctuation mark off `word`: the last character, or else the first.
fn separate_punctuation(word: &str) -> Vec<String> {
    let mut inner = word.chars();
    let (first, last) = (inner.next(), inner.next_back());
    match (first, last) {
        (Some(_), Some(last)) if last.is_ascii_punctuation() => {
            vec![word[..word.len() - 1].to_owned(), last.to_string()]
        }
        (Some(first), Some(_)) if first.is_ascii_punctuation() => {
            vec![first.to_string(), word[1..].to_owned()]
        }
        _ => vec![word.to_owned()],
    }
}

/// Compares the n-grams of one order. Where the reference has none, those of the hypothesis do not count either.
fn compare<T: Eq + std::hash::Hash>(hypothesis: &[T], reference: &[T], order: usize) -> Matches {
    match Matches::count(hypothesis, reference, order) {
        Matches { reference: 0, .. } => Matches::default(),
        matches => matches,
    }
}

/// The F-score in percent, of precision and recall averaged over the orders that both sides have.
fn f_score(matches: &[Matches]) -> f64 {
    let present: Vec<&Matches> =
        matches.iter().filter(|matches| matches.hypothesis > 0 && matches.reference > 0).collect();
    let average = |part: fn(&Matches) -> f64| {
        present.iter().map(|matches| part(matches)).sum::<f64>() / present.len().max(1) as f64
    };
    let precision = average(|matches| matches.both as f64 / matches.hypothesis as f64);
    let recall = average(|matches| matches.both as f64 / matches.reference as f64);
    if precision + recall == 0.0 {
        return 0.0;
    }
    let weight = BETA * BETA;
    100.0 * (1.0 + weight) * precision * recall / (weight * precision + recall)
}
