//! What `metrics.jsonl` tells, sorted by kind.

use serde::Deserialize;

/// All lines that the report shows. Others, and keys that it does not know, are passed over.
#[derive(Debug, Default)]
pub struct Metrics {
    pub steps: Vec<Logged>,
    pub validations: Vec<Validation>,
    /// Of the mean of several validations' weights, once training has ended.
    pub average: Option<Average>,
    pub test: Option<Test>,
}

/// What was logged of some steps of training.
#[derive(Debug, Deserialize)]
pub struct Logged {
    pub step: u64,
    pub loss: f64,
    pub epoch: Option<u64>,
    pub nll: Option<f64>,
    pub learning_rate: Option<f64>,
    pub gradient_norm: Option<f64>,
    pub tokens: Option<u64>,
    pub padding: Option<f64>,
    #[serde(default)]
    pub timing: Timing,
}

#[derive(Debug, Default, Deserialize)]
pub struct Timing {
    pub seconds: Option<f64>,
    pub tokens_per_second: Option<f64>,
    pub waiting_for_data: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub struct Validation {
    pub step: u64,
    #[serde(rename = "validation")]
    pub scores: Scores,
    /// Whether none before was better.
    #[serde(default)]
    pub best: bool,
}

#[derive(Debug, Deserialize)]
pub struct Average {
    pub step: u64,
    #[serde(rename = "validation")]
    pub scores: Scores,
    pub average_of: Vec<u64>,
}

#[derive(Debug, Deserialize)]
pub struct Test {
    pub step: u64,
    #[serde(rename = "test")]
    pub scores: Scores,
}

/// What was measured. A number that JSON cannot hold, such as an infinite perplexity, is absent.
#[derive(Debug, Deserialize)]
pub struct Scores {
    pub sentences: Option<u64>,
    pub beam: Option<u64>,
    pub exact_match: Option<f64>,
    pub token_accuracy: Option<f64>,
    pub nll: Option<f64>,
    pub perplexity: Option<f64>,
    pub bleu: Option<f64>,
    pub chrf: Option<f64>,
    #[serde(default)]
    pub samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
pub struct Sample {
    pub source: String,
    pub reference: String,
    pub output: String,
}

/// The kinds of lines, told apart by their keys; the first that fits is the one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Test(Test),
    Average(Average),
    Validation(Validation),
    Logged(Logged),
}

impl Metrics {
    /// Reads the lines of `metrics.jsonl`.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            match line {
                Line::Test(test) => metrics.test = Some(test),
                Line::Average(average) => metrics.average = Some(average),
                Line::Validation(validation) => metrics.validations.push(validation),
                Line::Logged(logged) => metrics.steps.push(logged),
            }
        }
        metrics
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.validations.is_empty() && self.average.is_none() && self.test.is_none()
    }

    /// The validation whose weights were kept last.
    pub fn best(&self) -> Option<&Validation> {
        self.validations.iter().rfind(|validation| validation.best)
    }

    /// The last step that any line speaks of.
    pub fn last_step(&self) -> u64 {
        let (logged, validated) = (self.steps.iter().map(|line| line.step), self.validations.iter().map(|v| v.step));
        logged.chain(validated).max().unwrap_or(0)
    }
}
