//! The length penalty of beam search and of every score.
//!
//! With log-probability log P(y|x) of a hypothesis y of |y| tokens, its score is log P(y|x) / lp(|y|), where
//!
//! ```text
//! power:  lp(n) = n^α
//! wu:     lp(n) = ((5 + n) / 6)^α        (Wu et al. 2016, equation 14)
//! ```

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// The divisor of a hypothesis' log-probability, which makes hypotheses of different lengths comparable.
///
/// A log-probability is a sum of negative numbers, one per token, so without a penalty the shortest hypothesis wins.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { form = \"wu\", alpha = 0.6 }")]
pub struct LengthPenalty {
    /// The form of the divisor.
    pub form: PenaltyForm,
    /// The exponent α: 0 is no penalty, larger values favour longer hypotheses.
    pub alpha: f64,
}

/// The form of the penalty. Lengths count target tokens, `</s>` included.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyForm {
    /// length^α, as in Hugging Face transformers, CTranslate2 and fairseq.
    Power,
    /// ((5 + length) / 6)^α (Wu et al. 2016, equation 14; the paper, section 6.1, with α = 0.6).
    Wu,
}

impl Default for LengthPenalty {
    /// The mean log-probability per token.
    fn default() -> Self {
        Self { form: PenaltyForm::Power, alpha: 1.0 }
    }
}

impl LengthPenalty {
    /// The divisor for a hypothesis of `length` tokens, `</s>` included.
    ///
    /// ```
    /// use runs::config::LengthPenalty;
    /// let [power, wu]: [LengthPenalty; 2] = ["1.0", "wu:0.6"].map(|text| text.parse().unwrap());
    /// assert_eq!(power.divisor(7), 7.0);
    /// assert!((wu.divisor(7) - 2f64.powf(0.6)).abs() < 1e-12);
    /// ```
    pub fn divisor(&self, length: usize) -> f64 {
        match self.form {
            PenaltyForm::Power => (length as f64).powf(self.alpha),
            PenaltyForm::Wu => ((5.0 + length as f64) / 6.0).powf(self.alpha),
        }
    }
}

impl FromStr for LengthPenalty {
    type Err = String;

    /// `1.0`, `power:1.0` or `wu:0.6`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (form, alpha) = text.split_once(':').unwrap_or(("power", text));
        let form = match form {
            "power" => PenaltyForm::Power,
            "wu" => PenaltyForm::Wu,
            other => return Err(format!("unknown form `{other}`, expected `power` or `wu`")),
        };
        let alpha: f64 =
            alpha.parse().map_err(|_| format!("`{alpha}` is not a number, expected one such as 1.0 or wu:0.6"))?;
        Ok(Self { form, alpha })
    }
}

/// A length penalty as it is written: a number, which is the exponent of the length, or the whole table.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "length_penalty: expected a number or an object such as {\"form\": \"wu\", \"alpha\": 0.6}"
)]
pub(super) enum Written {
    Alpha(f64),
    Table(LengthPenalty),
}

/// Reads a length penalty in either form.
pub(super) fn number_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LengthPenalty>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(|written| match written {
        Written::Alpha(alpha) => LengthPenalty { form: PenaltyForm::Power, alpha },
        Written::Table(penalty) => penalty,
    }))
}
