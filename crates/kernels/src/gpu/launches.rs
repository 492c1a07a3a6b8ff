//! Counts of kernel launches, for measurements and tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cubecl::logging::{LaunchObservation, LaunchObserver};

/// Runs `work` and returns its result with the number of launches of each kernel meanwhile, on any device of the process.
///
/// One count runs at a time.
pub fn count_launches<R>(work: impl FnOnce() -> R) -> (R, BTreeMap<&'static str, usize>) {
    let counts = Arc::new(Counts::default());
    let observed = LaunchObservation::new(counts.clone());
    let result = work();
    drop(observed);
    let counts = std::mem::take(&mut *counts.0.lock().unwrap_or_else(PoisonError::into_inner));
    (result, counts)
}

#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl LaunchObserver for Counts {
    fn launched(&self, kernel: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(kernel).or_default() += 1;
    }
}
