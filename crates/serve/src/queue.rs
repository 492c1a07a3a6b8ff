//! The bounded queue between connections and workers.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A job that can share a batch with others.
pub trait Batchable {
    /// Source tokens. All jobs of a batch are padded to the longest.
    fn tokens(&self) -> usize;
    /// Rows of a batch that the job takes. Jobs that share a batch take equally many.
    fn rows(&self) -> usize;
    /// Maximum rows that the job's model decodes together.
    fn max_rows(&self) -> usize {
        usize::MAX
    }
    /// Whether the job can join a batch that begins with `first`.
    fn fits_with(&self, first: &Self) -> bool;
}

/// Upper bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Source tokens, padding included.
    pub tokens: usize,
    /// Rows that the engine decodes together. More would wait in the worker, where they cannot be cancelled.
    pub rows: usize,
}

/// A bounded first-in, first-out queue of the jobs of several requests.
pub struct Queue<J> {
    inner: Mutex<Inner<J>>,
    changed: Condvar,
    capacity: usize,
}

struct Inner<J> {
    /// Jobs with the number of their request, oldest first.
    waiting: VecDeque<(u64, J)>,
    idle_workers: usize,
}

/// The queue has no room for all jobs of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull {
    pub waiting: usize,
}

impl<J: Batchable> Queue<J> {
    /// An empty queue for up to `capacity` jobs.
    pub fn new(capacity: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), idle_workers: 0 };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), capacity }
    }

    /// Adds all jobs of a request, or none.
    ///
    /// # Errors
    /// The queue would exceed its capacity.
    pub fn push(&self, request: u64, jobs: Vec<J>) -> Result<(), QueueFull> {
        let mut inner = self.lock();
        let waiting = inner.waiting.len();
        if waiting + jobs.len() > self.capacity {
            return Err(QueueFull { waiting });
        }
        inner.waiting.extend(jobs.into_iter().map(|job| (request, job)));
        drop(inner);
        self.changed.notify_all();
        Ok(())
    }

    /// Adds jobs of a request that was admitted before, beyond the capacity if the queue is full.
    pub fn push_admitted(&self, request: u64, jobs: Vec<J>) {
        self.lock().waiting.extend(jobs.into_iter().map(|job| (request, job)));
        self.changed.notify_all();
    }

    /// Number of jobs for which there is room.
    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.waiting())
    }

    /// Removes the waiting jobs of a request and returns their number.
    pub fn cancel(&self, request: u64) -> usize {
        let mut inner = self.lock();
        let before = inner.waiting.len();
        inner.waiting.retain(|(owner, _)| *owner != request);
        before - inner.waiting.len()
    }

    /// Waits for a job, then takes the oldest one together with those that can join it within `limits`.
    ///
    /// It never waits for a batch to fill: batches grow when jobs arrive faster than they are done. Waiting jobs are shared
    /// with idle workers.
    pub fn take_batch(&self, limits: BatchLimits) -> Vec<J> {
        let mut inner = self.lock();
        let first = loop {
            if let Some((_, first)) = inner.waiting.pop_front() {
                break first;
            }
            inner.idle_workers += 1;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.idle_workers -= 1;
        };
        let share = (inner.waiting.len() + 1).div_ceil(inner.idle_workers + 1);
        let max_jobs = share.min(limits.rows.min(first.max_rows()) / first.rows().max(1));
        let mut longest = first.tokens();
        let mut batch = vec![first];
        let mut others = VecDeque::with_capacity(inner.waiting.len());
        for (request, job) in inner.waiting.drain(..) {
            let padded = (batch.len() + 1) * longest.max(job.tokens());
            if batch.len() < max_jobs && padded <= limits.tokens && job.fits_with(&batch[0]) {
                longest = longest.max(job.tokens());
                batch.push(job);
            } else {
                others.push_back((request, job));
            }
        }
        inner.waiting = others;
        batch
    }

    /// Number of waiting jobs.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<J>> {
        // No code under the lock panics halfway through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Source tokens, and a letter for the settings: `w` takes three rows, any other letter one.
    #[derive(Debug, PartialEq, Eq)]
    struct Job(usize, char);

    impl Batchable for Job {
        fn tokens(&self) -> usize {
            self.0
        }

        fn rows(&self) -> usize {
            if self.1 == 'w' { 3 } else { 1 }
        }

        fn fits_with(&self, first: &Self) -> bool {
            self.1 == first.1
        }
    }

    /// A limit on tokens alone.
    fn max_tokens(tokens: usize) -> BatchLimits {
        BatchLimits { tokens, rows: 100 }
    }

    fn jobs(jobs: &[(usize, char)]) -> Vec<Job> {
        jobs.iter().map(|&(tokens, settings)| Job(tokens, settings)).collect()
    }

    #[test]
    fn batches_share_settings_oldest_first() {
        let queue = Queue::new(10);
        queue.push(1, jobs(&[(3, 'a'), (4, 'b')])).unwrap();
        queue.push(2, jobs(&[(5, 'a'), (2, 'b'), (1, 'c')])).unwrap();
        assert_eq!(queue.take_batch(max_tokens(100)), jobs(&[(3, 'a'), (5, 'a')]));
        assert_eq!(queue.take_batch(max_tokens(100)), jobs(&[(4, 'b'), (2, 'b')]));
        assert_eq!(queue.waiting(), 1);
        assert_eq!(queue.take_batch(max_tokens(100)), jobs(&[(1, 'c')]));
    }

    #[test]
    fn padding_counts_and_no_batch_is_empty() {
        let queue = Queue::new(10);
        queue.push(1, jobs(&[(4, 'a'), (7, 'a'), (2, 'a'), (6, 'a')])).unwrap();
        assert_eq!(
            queue.take_batch(max_tokens(12)),
            jobs(&[(4, 'a'), (2, 'a')]),
            "7 would pad both to 14 tokens, and 6 all three to 18"
        );
        assert_eq!(queue.take_batch(max_tokens(5)), jobs(&[(7, 'a')]));
        assert_eq!(queue.take_batch(max_tokens(6)), jobs(&[(6, 'a')]));
    }

    #[test]
    fn batches_respect_the_limit_of_rows() {
        let queue = Queue::new(20);
        queue.push(1, jobs(&[(1, 'a'); 6])).unwrap();
        queue.push(2, jobs(&[(1, 'w'); 4])).unwrap();
        let limits = BatchLimits { tokens: 100, rows: 4 };
        let taken: Vec<usize> = (0..3).map(|_| queue.take_batch(limits).len()).collect();
        assert_eq!(taken, [4, 2, 1], "a job of three rows leaves no room for another");
        assert_eq!(queue.cancel(2), 3, "waiting jobs can be cancelled");
        queue.push(3, jobs(&[(1, 'w')])).unwrap();
        assert_eq!(queue.take_batch(BatchLimits { rows: 2, ..limits }).len(), 1, "never empty");
    }

    #[test]
    fn a_full_queue_takes_no_part_of_a_request() {
        let queue = Queue::new(3);
        queue.push(1, jobs(&[(1, 'a'), (1, 'a')])).unwrap();
        assert_eq!(queue.push(2, jobs(&[(1, 'a'), (1, 'a')])), Err(QueueFull { waiting: 2 }));
        assert_eq!(queue.waiting(), 2);
        queue.push(3, jobs(&[(1, 'a')])).unwrap();
    }

    #[test]
    fn cancelling_a_request_keeps_the_others() {
        let queue = Queue::new(5);
        queue.push(1, jobs(&[(1, 'a')])).unwrap();
        queue.push(2, jobs(&[(2, 'a'), (3, 'a')])).unwrap();
        assert_eq!((queue.cancel(2), queue.cancel(2)), (2, 0));
        assert_eq!(queue.take_batch(max_tokens(100)), jobs(&[(1, 'a')]));
    }

    #[test]
    fn idle_workers_share_the_queue() {
        let queue = Arc::new(Queue::new(10));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || queue.take_batch(max_tokens(100)))
            })
            .collect();
        while queue.lock().idle_workers < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        queue.push(1, jobs(&[(1, 'a'); 6])).unwrap();
        let taken: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap().len()).collect();
        assert_eq!(taken, [3, 3]);
    }
}
