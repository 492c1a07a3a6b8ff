//! BLEU (Papineni et al. 2002), as sacreBLEU (Post 2018) computes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ngrams::Matches;
use super::tokenize_13a::tokenize_13a;
use super::{SACREBLEU_VERSION, case, check_counts, is_space, split_spaces};
use crate::{TextError, lowercase};

/// Longest n-grams counted.
const MAX_ORDER: usize = 4;

/// The tokenisation of text into the words that BLEU counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BleuTokenization {
    /// The rules of WMT's `mteval-v13a` script; the usual choice.
    #[default]
    #[serde(rename = "13a")]
    V13a,
    /// White space only, for text that is tokenised already.
    #[serde(rename = "none")]
    None,
}

/// Corpus BLEU up to 4-grams against one reference, with exponential smoothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bleu {
    /// Whether text is compared in lower case.
    pub lowercase: bool,
    /// Tokenisation.
    pub tokenization: BleuTokenization,
    /// Whether n-gram orders are skipped for which the hypotheses are too short, instead of a score of 0; for single
    /// sentences.
    pub effective_order: bool,
}

/// The result of [`Bleu::score`]; its `Display` equals sacreBLEU's.
#[derive(Clone, Debug, PartialEq)]
pub struct BleuScore {
    /// The score, from 0 to 100.
    pub score: f64,
    /// Precision of n-grams for n = 1 to 4, smoothed, in percent.
    pub precisions: [f64; MAX_ORDER],
    /// Number of n-grams of the hypotheses that match their references.
    pub correct: [u64; MAX_ORDER],
    /// Number of n-grams of the hypotheses.
    pub total: [u64; MAX_ORDER],
    /// Factor below 1 where the hypotheses are shorter than the references.
    pub brevity_penalty: f64,
    /// Words in all hypotheses.
    pub hypothesis_length: u64,
    /// Words in all references.
    pub reference_length: u64,
}

impl Bleu {
    /// Scores `hypotheses`, each against the reference of the same index.
    ///
    /// # Errors
    /// Different numbers of hypotheses and references, or none.
    pub fn score(
        &self,
        hypotheses: &[impl AsRef<str>],
        references: &[impl AsRef<str>],
    ) -> Result<BleuScore, TextError> {
        check_counts(hypotheses.len(), references.len())?;
        let mut matches = [Matches::default(); MAX_ORDER];
        for (hypothesis, reference) in hypotheses.iter().zip(references) {
            let hypothesis = self.prepare(hypothesis.as_ref());
            let reference = self.prepare(reference.as_ref());
            let hypothesis: Vec<&str> = split_spaces(&hypothesis).collect();
            let reference: Vec<&str> = split_spaces(&reference).collect();
            for (order, matches) in (1..).zip(&mut matches) {
                matches.add(Matches::count(&hypothesis, &reference, order));
            }
        }
        Ok(BleuScore::new(&matches, self.effective_order))
    }

    /// The signature of sacreBLEU for these settings.
    pub fn signature(&self) -> String {
        let tokenization = match self.tokenization {
            BleuTokenization::V13a => "13a",
            BleuTokenization::None => "none",
        };
        format!(
            "nrefs:1|case:{}|eff:{}|tok:{tokenization}|smooth:exp|version:{SACREBLEU_VERSION}",
            case(self.lowercase),
            if self.effective_order { "yes" } else { "no" }
        )
    }

    /// The words of `sentence`, with white space between them.
    fn prepare(&self, sentence: &str) -> String {
        let lowered = if self.lowercase { lowercase(sentence) } else { sentence.to_owned() };
        let trimmed = lowered.trim_end_matches(is_space);
        match self.tokenization {
            BleuTokenization::V13a => tokenize_13a(trimmed),
            BleuTokenization::None => trimmed.to_owned(),
        }
    }
}

impl BleuScore {
    /// The score of summed-up counts, for orders 1 to 4. Single words are 1-grams, so they give the lengths.
    fn new(matches: &[Matches; MAX_ORDER], effective_order: bool) -> Self {
        let correct = matches.map(|matches| matches.both);
        let total = matches.map(|matches| matches.hypothesis);
        let hypothesis_length = matches[0].hypothesis;
        let reference_length = matches[0].reference;
        let brevity_penalty = match hypothesis_length {
            long if long >= reference_length => 1.0,
            0 => 0.0,
            short => (1.0 - reference_length as f64 / short as f64).exp(),
        };

        let mut precisions = [0.0; MAX_ORDER];
        let mut score = 0.0;
        if correct.iter().any(|count| *count > 0) {
            // An order without any match counts as half a match, the next one as a quarter, and so on.
            let mut smoothing = 1.0;
            for order in 0..MAX_ORDER {
                if total[order] == 0 {
                    break;
                }
                precisions[order] = if correct[order] == 0 {
                    smoothing *= 2.0;
                    100.0 / (smoothing * total[order] as f64)
                } else {
                    100.0 * correct[order] as f64 / total[order] as f64
                };
            }
            // An order without any n-gram has precision 0, logarithm -∞: the score is 0, unless such orders do not count.
            let counted = if effective_order { total.iter().filter(|&&total| total > 0).count() } else { MAX_ORDER };
            let logarithms: f64 = precisions[..counted].iter().map(|precision: &f64| precision.ln()).sum();
            score = brevity_penalty * (logarithms / counted as f64).exp();
        }
        Self { score, precisions, correct, total, brevity_penalty, hypothesis_length, reference_length }
    }

    /// The line that sacreBLEU prints for this score and the signature of its [`Bleu`].
    pub fn with_signature(&self, signature: &str) -> String {
        format!("BLEU|{signature} = {}", self.values())
    }

    /// All numbers of the line.
    fn values(&self) -> String {
        let precisions = self.precisions.map(|precision| format!("{precision:.1}")).join("/");
        let ratio = match self.reference_length {
            0 => 0.0,
            length => self.hypothesis_length as f64 / length as f64,
        };
        format!(
            "{:.2} {precisions} (BP = {:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})",
            self.score, self.brevity_penalty, self.hypothesis_length, self.reference_length
        )
    }
}

impl fmt::Display for BleuScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BLEU = {}", self.values())
    }
}
