//! Micro-batches in parallel, one per core.
//!
//! Many operations of a CPU backend use one core, so two micro-batches on two cores are faster than one batch on both.
//! Each worker has a thread pool of a single thread, so that no result depends on the number of workers.

use std::panic;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads that each compute whole micro-batches.
#[derive(Debug)]
pub struct Workers {
    pools: Vec<ThreadPool>,
}

impl Workers {
    /// Starts `count` workers, at least one.
    ///
    /// # Errors
    /// A system without more threads.
    pub fn new(count: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = |i| ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("worker-{i}")).build();
        Ok(Self { pools: (0..count.max(1)).map(pool).collect::<Result<_, _>>()? })
    }

    /// Whether parts are computed on the calling thread: a single one, or by a single worker.
    pub fn stays_here(&self, parts: usize) -> bool {
        parts == 1 || self.pools.len() == 1
    }

    /// Computes all parts, one per worker at a time, and passes each result to `take` in the order of the parts. A single
    /// part, or a single worker, computes on the calling thread with all cores.
    pub fn map_in_order<Part: Sync, Out: Send>(
        &self,
        parts: &[Part],
        compute: impl Fn(usize, &Part) -> Out + Sync,
        mut take: impl FnMut(&Part, Out),
    ) {
        if self.stays_here(parts.len()) {
            // Not on another thread: a GPU has one queue per thread.
            parts.iter().enumerate().for_each(|(i, part)| take(part, compute(i, part)));
            return;
        }
        let compute = &compute;
        for (round, group) in parts.chunks(self.pools.len()).enumerate() {
            let first = round * self.pools.len();
            let results: Vec<thread::Result<Out>> = thread::scope(|scope| {
                let threads: Vec<_> = group
                    .iter()
                    .zip(&self.pools)
                    .enumerate()
                    .map(|(i, (part, pool))| scope.spawn(move || pool.install(|| compute(first + i, part))))
                    .collect();
                threads.into_iter().map(|thread| thread.join()).collect()
            });
            for (part, result) in group.iter().zip(results) {
                take(part, result.unwrap_or_else(|cause| panic::resume_unwind(cause)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_for_any_number_of_workers() {
        let parts: Vec<usize> = (0..7).collect();
        for count in [1, 2, 3, 9] {
            let mut results = Vec::new();
            Workers::new(count).unwrap().map_in_order(
                &parts,
                |i, part| (i, part * 10),
                |_, result| results.push(result),
            );
            assert_eq!(results, parts.iter().map(|i| (*i, i * 10)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn parallel_parts_have_one_thread_each() {
        let mut seen = Vec::new();
        Workers::new(2).unwrap().map_in_order(&[(), (), ()], |_, ()| rayon::current_num_threads(), |_, n| seen.push(n));
        assert_eq!(seen, [1, 1, 1]);
    }

    #[test]
    fn a_single_worker_stays_on_the_calling_thread() {
        let here = thread::current().id();
        let same = |_, _: &()| thread::current().id() == here;
        Workers::new(1).unwrap().map_in_order(&[(), ()], same, |_, stayed| assert!(stayed));
    }
}
