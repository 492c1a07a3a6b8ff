//! The threads that compute.

use model::ConfigError;

/// The largest number of threads. More than a host has cores only cost memory, and thousands do not start within a minute.
const MAX_THREADS: usize = 1024;

/// Starts this number of threads for all computations of the process; without a number, the first computation starts one per
/// core.
///
/// # Errors
/// A number out of range, or threads that the system refuses.
pub fn start(threads: Option<usize>) -> Result<(), ConfigError> {
    let Some(threads) = threads else { return Ok(()) };
    let wrong = |expected: String| ConfigError::new("--threads", threads, expected, "omit it for one per core");
    if !(1..=MAX_THREADS).contains(&threads) {
        return Err(wrong(format!("at least 1 and at most {MAX_THREADS}")));
    }
    let started = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    started.map_err(|error| wrong(format!("threads that the system starts ({error})")))
}
