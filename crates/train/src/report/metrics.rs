//! The records of `metrics.jsonl`, sorted by kind.

use runs::record::{Average, Record, Step, Test, Validation};

/// All records that the report shows.
#[derive(Debug, Default)]
pub struct Metrics {
    pub steps: Vec<Step>,
    pub validations: Vec<Validation>,
    /// The validation of averaged weights, at the end of training.
    pub average: Option<Average>,
    /// The test, at the end of training.
    pub test: Option<Test>,
}

impl Metrics {
    /// Reads the text of `metrics.jsonl`.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for record in Record::parse_all(text) {
            match record {
                Record::Test(test) => metrics.test = Some(test),
                Record::Average(average) => metrics.average = Some(average),
                Record::Validation(validation) => metrics.validations.push(validation),
                Record::Step(step) => metrics.steps.push(step),
                Record::Epoch(_) => {}
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

    /// The last step of any logged step or validation.
    pub fn last_step(&self) -> u64 {
        let (logged, validated) = (self.steps.iter().map(|line| line.step), self.validations.iter().map(|v| v.step));
        logged.chain(validated).max().unwrap_or(0)
    }
}
