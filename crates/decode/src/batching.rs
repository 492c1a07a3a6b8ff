//! Batches of sentences of similar length, and their distribution over threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::DecodeError;

/// The bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum source tokens, padding included.
    pub tokens: usize,
    /// Maximum sentences.
    pub sentences: usize,
    /// Threads that decode one batch each at the same time.
    pub workers: usize,
}

/// Minimum sentences of a batch: fewer take about as long together as one.
const MIN_SHARE: usize = 8;

/// Splits sentences, sorted by these lengths, into batches of nearly equal size, as many for each worker unless tokens limit
/// them.
pub fn split_into_batches(sorted_lengths: &[usize], limits: Limits) -> Vec<Range<usize>> {
    let share = sorted_lengths.len().div_ceil(limits.workers).max(MIN_SHARE);
    let rounds = share.div_ceil(limits.sentences.max(1));
    let max_sentences = share.div_ceil(rounds);
    let mut batches = Vec::new();
    let mut first = 0;
    while first < sorted_lengths.len() {
        let fits =
            |end: &usize| (end - first) * sorted_lengths[end - 1] <= limits.tokens && end - first <= max_sentences;
        let end = (first + 2..=sorted_lengths.len()).take_while(fits).last().unwrap_or(first + 1);
        batches.push(first..end);
        first = end;
    }
    batches
}

/// An item, and its result once it is mapped.
struct Slot<T, R> {
    item: Option<T>,
    result: Option<Result<R, DecodeError>>,
}

/// Maps every item once and returns the results in order. At most `workers` items are mapped at a time, the last first,
/// since they are the longest.
pub fn parallel_map<T: Send, R: Send>(
    items: Vec<T>,
    workers: usize,
    map: impl Fn(T) -> Result<R, DecodeError> + Sync,
) -> Result<Vec<R>, DecodeError> {
    if workers <= 1 || items.len() <= 1 {
        return items.into_iter().map(map).collect();
    }
    let left = AtomicUsize::new(items.len());
    let threads = workers.min(items.len());
    let slots: Vec<Mutex<Slot<T, R>>> =
        items.into_iter().map(|item| Mutex::new(Slot { item: Some(item), result: None })).collect();
    let worker = || {
        while let Ok(at) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            // A slot is locked for a move only, so no panic can poison it.
            let lock = || slots[at - 1].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let item = lock().item.take();
            let result = item.map(&map);
            lock().result = result;
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(worker)));
        worker();
    });
    let slots = slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()));
    slots.filter_map(|slot| slot.result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_limits_and_every_worker_gets_one() {
        let split = |lengths: &[usize], tokens, sentences, workers| {
            split_into_batches(lengths, Limits { tokens, sentences, workers })
        };
        assert_eq!(split(&[3, 3, 4, 9], 8, 99, 1), [0..2, 2..3, 3..4], "a sentence that is too long goes alone");
        assert_eq!(split(&[1; 5], 99, 2, 1), [0..2, 2..4, 4..5]);
        assert_eq!(split(&[1; 20], 99, 99, 2), [0..10, 10..20]);
        assert_eq!(split(&[1; 6], 99, 99, 2), vec![0..6], "too few to share");
        assert_eq!(split(&[1; 32], 99, 10, 2), [0..8, 8..16, 16..24, 24..32], "none is left with a few at the end");
        assert!(split(&[], 99, 99, 2).is_empty());
    }

    #[test]
    fn items_are_mapped_once_and_in_order() {
        for workers in [1, 2, 7] {
            let doubled = parallel_map((0..50).collect(), workers, |item: usize| Ok(2 * item)).expect("no failure");
            assert_eq!(doubled, (0..50).map(|item| 2 * item).collect::<Vec<_>>());
            let failed = parallel_map((0..9).collect(), workers, |item: usize| match item {
                4 => Err(DecodeError::Device("four".to_string())),
                item => Ok(item),
            });
            assert_eq!(failed.expect_err("a failure").to_string(), "the device failed: four");
        }
    }
}
