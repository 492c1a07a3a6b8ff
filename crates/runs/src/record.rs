//! `metrics.jsonl`: one [`Record`] per line, as training writes it and the report reads it.

use serde::{Deserialize, Deserializer, Serialize};

pub use crate::pair_counts::PairCounts;

/// A line of `metrics.jsonl`. Its keys determine its kind: the first variant that they fit.
///
/// Everything that depends on the clock is under the key `timing`. Unknown keys are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// Scores of the final weights on the test split.
    Test(Test),
    /// Scores of averaged weights on the validation split.
    Average(Average),
    /// Scores of the current weights on the validation split.
    Validation(Validation),
    /// The end of an epoch of a streamed corpus.
    Epoch(Epoch),
    /// The loss and other numbers since the last logged step.
    Step(Step),
}

/// The numbers of the updates since the last logged step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Updates so far.
    pub step: u64,
    /// The training objective per target token: label-smoothed cross-entropy in nats, plus the R-Drop term if any.
    pub loss: f64,
    /// Epochs completed before this step.
    #[serde(default)]
    pub epoch: u64,
    /// Negative log-likelihood in nats per target token, without label smoothing.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub nll: f64,
    /// `exp(nll)`.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub perplexity: f64,
    /// The learning rate of the last update.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub learning_rate: f64,
    /// Global gradient norm of the last update, before clipping.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub gradient_norm: f64,
    /// Target tokens so far, padding not counted.
    #[serde(default)]
    pub tokens: u64,
    /// Share of target positions that were padding.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub padding: f64,
    /// Speed.
    #[serde(default)]
    pub timing: StepTiming,
}

/// The durations and speeds of a [`Step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTiming {
    /// Seconds since the last logged step, validations not counted.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub seconds: f64,
    /// Target tokens per second, padding not counted.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub tokens_per_second: f64,
    /// Share of the time that training waited for data.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub waiting_for_data: f64,
    /// Share of the time that the root spent exchanging gradients and weights, waits for slower processes included, if
    /// several train.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanging: Option<f64>,
    /// Bytes of gradients and weights that the root sent since the last logged step, if several processes train.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_bytes: Option<u64>,
}

impl Default for StepTiming {
    /// Missing values, as NaN.
    fn default() -> Self {
        Self {
            seconds: f64::NAN,
            tokens_per_second: f64::NAN,
            waiting_for_data: f64::NAN,
            exchanging: None,
            sent_bytes: None,
        }
    }
}

/// A validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Updates so far.
    pub step: u64,
    /// The scores.
    #[serde(rename = "validation")]
    pub scores: Scores,
    /// Whether no validation before it was better.
    #[serde(default)]
    pub best: bool,
    /// Its duration.
    #[serde(default)]
    pub timing: Timing,
}

/// A validation of the mean of several validations' weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Average {
    /// Updates so far.
    pub step: u64,
    /// The steps whose weights were averaged.
    pub average_of: Vec<u64>,
    /// The scores.
    #[serde(rename = "validation")]
    pub scores: Scores,
    /// Its duration.
    #[serde(default)]
    pub timing: Timing,
}

/// The test of the final weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Updates so far.
    pub step: u64,
    /// The scores.
    #[serde(rename = "test")]
    pub scores: Scores,
    /// Its duration.
    #[serde(default)]
    pub timing: Timing,
}

/// The end of an epoch of a streamed corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Updates so far.
    pub step: u64,
    /// The pairs read in the epoch.
    pub epoch_read: PairCounts,
    /// Empty: the line has the key like all others.
    #[serde(default)]
    pub timing: NoTiming,
}

/// The duration of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Seconds.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub seconds: f64,
}

impl Default for Timing {
    /// A missing duration, as NaN.
    fn default() -> Self {
        Self { seconds: f64::NAN }
    }
}

/// A `timing` without numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NoTiming {}

/// The scores of a validation or test. Numbers that JSON lacks, such as an infinite perplexity, are `null` in the file
/// and read as NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The number of sentences.
    #[serde(default)]
    pub sentences: usize,
    /// Hypotheses per sentence; 1 is greedy decoding.
    #[serde(default)]
    pub beam: usize,
    /// Share of sentences whose output equals the reference.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub exact_match: f64,
    /// Edits between output and reference per token of the reference.
    #[serde(default = "absent", deserialize_with = "null_as_nan", skip_serializing_if = "f64_is_nan")]
    pub token_error_rate: f64,
    /// Share of target tokens predicted right, given the reference tokens before them.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub token_accuracy: f64,
    /// Negative log-likelihood in nats per target token, without label smoothing.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub nll: f64,
    /// `exp(nll)`.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub perplexity: f64,
    /// Corpus BLEU as sacreBLEU computes it, 0 to 100.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub bleu: f64,
    /// Corpus chrF as sacreBLEU computes it, 0 to 100.
    #[serde(default = "absent", deserialize_with = "null_as_nan")]
    pub chrf: f64,
    /// The first sentences.
    #[serde(default)]
    pub samples: Vec<Prediction>,
}

/// A source, its reference and the model's output, as the target's tokenizer writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// The source text.
    pub source: String,
    /// The reference translation.
    pub reference: String,
    /// The model's translation.
    pub output: String,
}

impl Record {
    /// The line of this record with its line feed; its keys are in alphabetical order.
    ///
    /// # Errors
    /// Never in practice: all keys are strings.
    pub fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(&serde_json::to_value(self)?)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads the records of a file's text, skipping lines that are cut off or of another kind.
    pub fn parse_all(text: &str) -> impl Iterator<Item = Self> {
        text.lines().filter_map(|line| serde_json::from_str(line).ok())
    }
}

/// The value of a number that a line does not have.
fn absent() -> f64 {
    f64::NAN
}

/// Whether a number is missing, as in lines of earlier versions: it is then not written either.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn f64_is_nan(number: &f64) -> bool {
    number.is_nan()
}

fn null_as_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line of each kind as the first version of the program wrote them.
    const LINES: [&str; 5] = [
        concat!(
            r#"{"epoch":0,"gradient_norm":0.9300804138183594,"learning_rate":0.04419417382415922,"#,
            r#""loss":3.0071737355199355,"nll":3.002022052633351,"padding":0.0,"perplexity":20.126192025541663,"#,
            r#""step":1,"timing":{"seconds":0.104483574,"tokens_per_second":555.1111794854951,"#,
            r#""waiting_for_data":0.49491076941912426},"tokens":58}"#,
        ),
        concat!(
            r#"{"best":true,"step":2,"timing":{"seconds":0.013548877},"validation":{"beam":1,"bleu":3.1129107985584668,"#,
            r#""chrf":4.539435604839426,"exact_match":0.0,"nll":2.621063604587462,"perplexity":13.7503407357514,"#,
            r#""samples":[{"output":"0 0 9","reference":"6 9 4","source":"6 9 4"}],"sentences":4,"#,
            r#""token_accuracy":0.024390243902439025}}"#,
        ),
        concat!(
            r#"{"average_of":[2,4],"step":4,"timing":{"seconds":0.010579785},"validation":{"beam":1,"#,
            r#""bleu":0.8646480285256841,"chrf":1.572327044025157,"exact_match":0.0,"nll":2.5681316096608233,"#,
            r#""perplexity":13.041435172207777,"samples":[],"sentences":4,"token_accuracy":0.0975609756097561}}"#,
        ),
        concat!(
            r#"{"step":4,"test":{"beam":1,"bleu":0.8046456567590525,"chrf":1.4880952380952384,"exact_match":0.0,"#,
            r#""nll":2.6099456787109374,"perplexity":13.59831215392232,"samples":[],"sentences":4,"#,
            r#""token_accuracy":0.1},"timing":{"seconds":0.001375057}}"#,
        ),
        r#"{"epoch_read":{"empty":1,"long":2,"pairs":30,"uneven":0},"step":9,"timing":{}}"#,
    ];

    #[test]
    fn old_lines_are_read_and_written_byte_for_byte() {
        let records: Vec<Record> = Record::parse_all(&LINES.join("\n")).collect();
        assert_eq!(records.len(), LINES.len());
        for (record, line) in records.iter().zip(LINES) {
            assert_eq!(String::from_utf8(record.to_line().unwrap()).unwrap(), format!("{line}\n"));
        }
        use Record::{Average, Epoch, Step, Test, Validation};
        assert!(matches!(&records[..], [Step(_), Validation(_), Average(_), Test(_), Epoch(_)]), "{records:?}");
    }

    #[test]
    fn an_infinite_perplexity_is_null() {
        let line = LINES[3].replace("13.59831215392232", "null");
        let Ok(Record::Test(mut test)) = serde_json::from_str(&line) else { panic!("{line}") };
        assert!(test.scores.perplexity.is_nan());
        test.scores.perplexity = f64::INFINITY;
        assert_eq!(Record::Test(test).to_line().unwrap(), format!("{line}\n").into_bytes());
    }

    #[test]
    fn unknown_keys_and_lines_cut_off_are_ignored() {
        let text = format!("{{\"new\":1,{}\n{{\"other\":2}}\n{}", &LINES[0][1..], &LINES[1][..40]);
        assert_eq!(Record::parse_all(&text).count(), 1);
    }
}
