//! What waits for a worker: one bounded line, from which a worker takes what can go together.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Work that may share a batch.
pub trait Company {
    /// What it counts for in a batch: its tokens, which all others of the batch are padded to.
    fn tokens(&self) -> usize;
    /// How many rows of a batch it takes; all that share a batch take as many.
    fn rows(&self) -> usize;
    /// Whether it may share a batch that begins with `first`.
    fn joins(&self, first: &Self) -> bool;
}

/// How much a worker takes at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Tokens, padding included.
    pub tokens: usize,
    /// What decodes together. More would wait with the worker, where it could not be forgotten.
    pub rows: usize,
}

/// A bounded line of work of several requests.
pub struct Queue<W> {
    line: Mutex<Line<W>>,
    changed: Condvar,
    capacity: usize,
}

struct Line<W> {
    waiting: VecDeque<(u64, W)>,
    /// Workers that have nothing to do.
    idle: usize,
}

/// The line is too long for what was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    pub waiting: usize,
}

impl<W: Company> Queue<W> {
    pub fn new(capacity: usize) -> Self {
        Self { line: Mutex::new(Line { waiting: VecDeque::new(), idle: 0 }), changed: Condvar::new(), capacity }
    }

    /// Adds all the work of a request, or none.
    ///
    /// # Errors
    /// It would be more than may wait.
    pub fn add(&self, request: u64, work: Vec<W>) -> Result<(), Full> {
        let mut line = self.line();
        let waiting = line.waiting.len();
        if waiting + work.len() > self.capacity {
            return Err(Full { waiting });
        }
        line.waiting.extend(work.into_iter().map(|work| (request, work)));
        drop(line);
        self.changed.notify_all();
        Ok(())
    }

    /// Removes what still waits of a request that nobody wants answered any more; tells how much that was.
    pub fn forget(&self, request: u64) -> usize {
        let mut line = self.line();
        let before = line.waiting.len();
        line.waiting.retain(|(of, _)| *of != request);
        before - line.waiting.len()
    }

    /// Waits for work, and takes the oldest with what may join it within `bounds`.
    ///
    /// Never waits for company: batches grow where work arrives faster than it is done. What is there is shared with
    /// the workers that have nothing to do.
    pub fn take(&self, bounds: Bounds) -> Vec<W> {
        let mut line = self.line();
        let first = loop {
            if let Some((_, first)) = line.waiting.pop_front() {
                break first;
            }
            line.idle += 1;
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
            line.idle -= 1;
        };
        let share = (line.waiting.len() + 1).div_ceil(line.idle + 1).min(bounds.rows / first.rows().max(1));
        let mut longest = first.tokens();
        let mut batch = vec![first];
        let mut others = VecDeque::with_capacity(line.waiting.len());
        for (request, work) in line.waiting.drain(..) {
            let padded = (batch.len() + 1) * longest.max(work.tokens());
            if batch.len() < share && padded <= bounds.tokens && work.joins(&batch[0]) {
                longest = longest.max(work.tokens());
                batch.push(work);
            } else {
                others.push_back((request, work));
            }
        }
        line.waiting = others;
        batch
    }

    /// How much waits.
    pub fn waiting(&self) -> usize {
        self.line().waiting.len()
    }

    fn line(&self) -> MutexGuard<'_, Line<W>> {
        // Nothing that is done while it is locked can panic half-way.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Tokens, and settings by a letter.
    #[derive(Debug, PartialEq, Eq)]
    struct Work(usize, char);

    impl Company for Work {
        fn tokens(&self) -> usize {
            self.0
        }

        /// Of `w`, for wide, three.
        fn rows(&self) -> usize {
            if self.1 == 'w' { 3 } else { 1 }
        }

        fn joins(&self, first: &Self) -> bool {
            self.1 == first.1
        }
    }

    /// So many tokens, and more rows than there is work.
    fn tokens(tokens: usize) -> Bounds {
        Bounds { tokens, rows: 100 }
    }

    fn work(of: &[(usize, char)]) -> Vec<Work> {
        of.iter().map(|&(tokens, settings)| Work(tokens, settings)).collect()
    }

    #[test]
    fn equal_settings_go_together_and_the_oldest_first() {
        let queue = Queue::new(10);
        queue.add(1, work(&[(3, 'a'), (4, 'b')])).unwrap();
        queue.add(2, work(&[(5, 'a'), (2, 'b'), (1, 'c')])).unwrap();
        assert_eq!(queue.take(tokens(100)), work(&[(3, 'a'), (5, 'a')]));
        assert_eq!(queue.take(tokens(100)), work(&[(4, 'b'), (2, 'b')]));
        assert_eq!(queue.waiting(), 1);
        assert_eq!(queue.take(tokens(100)), work(&[(1, 'c')]));
    }

    #[test]
    fn a_batch_is_bounded_with_its_padding_but_never_empty() {
        let queue = Queue::new(10);
        queue.add(1, work(&[(4, 'a'), (7, 'a'), (2, 'a'), (6, 'a')])).unwrap();
        assert_eq!(
            queue.take(tokens(12)),
            work(&[(4, 'a'), (2, 'a')]),
            "7 would pad both to 14, and so would 6 all three"
        );
        assert_eq!(queue.take(tokens(5)), work(&[(7, 'a')]));
        assert_eq!(queue.take(tokens(6)), work(&[(6, 'a')]));
    }

    #[test]
    fn no_more_is_taken_than_decodes_together() {
        let queue = Queue::new(20);
        queue.add(1, work(&[(1, 'a'); 6])).unwrap();
        queue.add(2, work(&[(1, 'w'); 4])).unwrap();
        let bounds = Bounds { tokens: 100, rows: 4 };
        let taken: Vec<usize> = (0..3).map(|_| queue.take(bounds).len()).collect();
        assert_eq!(taken, [4, 2, 1], "one of three rows leaves no room for another");
        assert_eq!(queue.forget(2), 3, "what waits can be forgotten");
        queue.add(3, work(&[(1, 'w')])).unwrap();
        assert_eq!(queue.take(Bounds { rows: 2, ..bounds }).len(), 1, "never empty");
    }

    #[test]
    fn a_full_line_takes_nothing_of_a_request() {
        let queue = Queue::new(3);
        queue.add(1, work(&[(1, 'a'), (1, 'a')])).unwrap();
        assert_eq!(queue.add(2, work(&[(1, 'a'), (1, 'a')])), Err(Full { waiting: 2 }));
        assert_eq!(queue.waiting(), 2);
        queue.add(3, work(&[(1, 'a')])).unwrap();
    }

    #[test]
    fn a_request_is_forgotten_alone() {
        let queue = Queue::new(5);
        queue.add(1, work(&[(1, 'a')])).unwrap();
        queue.add(2, work(&[(2, 'a'), (3, 'a')])).unwrap();
        assert_eq!((queue.forget(2), queue.forget(2)), (2, 0));
        assert_eq!(queue.take(tokens(100)), work(&[(1, 'a')]));
    }

    #[test]
    fn idle_workers_share() {
        let queue = Arc::new(Queue::new(10));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || queue.take(tokens(100)))
            })
            .collect();
        while queue.line().idle < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        queue.add(1, work(&[(1, 'a'); 6])).unwrap();
        let taken: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap().len()).collect();
        assert_eq!(taken, [3, 3]);
    }
}
