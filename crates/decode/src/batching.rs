//! Which sentences are decoded together, and on how many threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::DecodeError;

/// How large a batch may become.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Source tokens, padding included.
    pub tokens: usize,
    /// Sentences.
    pub sentences: usize,
    /// Threads that decode a batch each at the same time.
    pub workers: usize,
}

/// Fewer sentences than these are not shared out: together they are decoded about as fast as each would be alone.
const LEAST_SHARED: usize = 8;

/// Cuts sentences, sorted by these lengths, into batches; enough of them that every worker has one.
pub fn cut(sorted_lengths: &[usize], limits: Limits) -> Vec<Range<usize>> {
    let share = sorted_lengths.len().div_ceil(limits.workers).max(LEAST_SHARED);
    let most = limits.sentences.clamp(1, share);
    let mut batches = Vec::new();
    let mut first = 0;
    while first < sorted_lengths.len() {
        let fits = |end: &usize| (end - first) * sorted_lengths[end - 1] <= limits.tokens && end - first <= most;
        let end = (first + 2..=sorted_lengths.len()).take_while(fits).last().unwrap_or(first + 1);
        batches.push(first..end);
        first = end;
    }
    batches
}

/// A piece of work, and what came of it.
struct Place<T, R> {
    piece: Option<T>,
    done: Option<Result<R, DecodeError>>,
}

/// Does every piece of work once and returns what came of each, in order; at most `workers` at a time, the last pieces
/// first, since they are the longest.
pub fn share<T: Send, R: Send>(
    pieces: Vec<T>,
    workers: usize,
    work: impl Fn(T) -> Result<R, DecodeError> + Sync,
) -> Result<Vec<R>, DecodeError> {
    if workers <= 1 || pieces.len() <= 1 {
        return pieces.into_iter().map(work).collect();
    }
    let left = AtomicUsize::new(pieces.len());
    let threads = workers.min(pieces.len());
    let places: Vec<Mutex<Place<T, R>>> =
        pieces.into_iter().map(|piece| Mutex::new(Place { piece: Some(piece), done: None })).collect();
    let worker = || {
        while let Ok(at) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            // Nobody panics while holding a place: each is locked for a move only.
            let lock = || places[at - 1].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let piece = lock().piece.take();
            let done = piece.map(&work);
            lock().done = done;
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(worker)));
        worker();
    });
    let done =
        places.into_iter().filter_map(|place| place.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).done);
    done.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_their_limits_and_every_worker_gets_one() {
        let cut = |lengths: &[usize], tokens, sentences, workers| cut(lengths, Limits { tokens, sentences, workers });
        assert_eq!(cut(&[3, 3, 4, 9], 8, 99, 1), [0..2, 2..3, 3..4], "a sentence that is too long goes alone");
        assert_eq!(cut(&[1; 5], 99, 2, 1), [0..2, 2..4, 4..5]);
        assert_eq!(cut(&[1; 20], 99, 99, 2), [0..10, 10..20]);
        assert_eq!(cut(&[1; 6], 99, 99, 2), vec![0..6], "too few to share");
        assert!(cut(&[], 99, 99, 2).is_empty());
    }

    #[test]
    fn work_is_done_once_and_in_order() {
        for workers in [1, 2, 7] {
            let doubled = share((0..50).collect(), workers, |piece: usize| Ok(2 * piece)).expect("no failure");
            assert_eq!(doubled, (0..50).map(|piece| 2 * piece).collect::<Vec<_>>());
            let failed = share((0..9).collect(), workers, |piece: usize| match piece {
                4 => Err(DecodeError::Device("four".to_string())),
                piece => Ok(piece),
            });
            assert_eq!(failed.expect_err("a failure").to_string(), "the device failed: four");
        }
    }
}
