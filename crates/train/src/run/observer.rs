//! The observer of a run, such as a progress bar.

use model::Transformer;
use runs::record::{Scores, Step};

/// The report of a run before its first update.
#[derive(Clone, Copy)]
pub struct Started<'a> {
    /// The model.
    pub model: &'a Transformer,
    /// Remarks about the data, such as the number of dropped pairs.
    pub notes: &'a [String],
    /// Updates before this start: 0, or the step of the checkpoint.
    pub step: u64,
    /// Total number of updates.
    pub steps: u64,
}

/// Receives the events of a run. All methods do nothing by default.
pub trait Observer {
    /// The run folder is open and the first update is next.
    fn started(&mut self, _started: Started<'_>) {}
    /// An update is done.
    fn updated(&mut self, _step: u64) {}
    /// A step is logged.
    fn logged(&mut self, _step: &Step) {}
    /// A validation or test is done.
    fn scored(&mut self, _title: &str, _scores: &Scores) {}
    /// A remark, such as an early stop.
    fn note(&mut self, _text: &str) {}
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
