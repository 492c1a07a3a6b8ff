//! The parts of an update side by side, one per core.
//!
//! Many operations of a CPU backend use one core, so two halves of a batch on two cores beat the whole batch on both.
//! Each worker computes inside a thread pool of its own with a single thread, so that a part's result does not depend
//! on how many workers there are.

use std::panic;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Threads that each take whole parts.
#[derive(Debug)]
pub struct Workers {
    pools: Vec<ThreadPool>,
}

impl Workers {
    /// `count` workers, at least one.
    ///
    /// # Errors
    /// A system that gives no more threads.
    pub fn new(count: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = |i| ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("worker-{i}")).build();
        Ok(Self { pools: (0..count.max(1)).map(pool).collect::<Result<_, _>>()? })
    }

    /// Computes the parts, at most one per worker at a time, and hands each result to `take` in the order of the parts.
    /// A single part, or a single worker, computes on the calling thread, with all cores that there are.
    pub fn each<Part: Sync, Out: Send>(
        &self,
        parts: &[Part],
        compute: impl Fn(usize, &Part) -> Out + Sync,
        mut take: impl FnMut(&Part, Out),
    ) {
        if let ([_], _) | (_, [_]) = (parts, &self.pools[..]) {
            // Here, not on another thread: a GPU keeps one queue per thread.
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
    fn results_keep_the_order_of_the_parts_whatever_the_number_of_workers() {
        let parts: Vec<usize> = (0..7).collect();
        for count in [1, 2, 3, 9] {
            let mut results = Vec::new();
            Workers::new(count).unwrap().each(&parts, |i, part| (i, part * 10), |_, result| results.push(result));
            assert_eq!(results, parts.iter().map(|i| (*i, i * 10)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn parts_in_company_each_see_one_thread() {
        let mut seen = Vec::new();
        Workers::new(2).unwrap().each(&[(), (), ()], |_, ()| rayon::current_num_threads(), |_, n| seen.push(n));
        assert_eq!(seen, [1, 1, 1]);
    }

    #[test]
    fn a_single_worker_stays_on_the_calling_thread() {
        let here = thread::current().id();
        let same = |_, _: &()| thread::current().id() == here;
        Workers::new(1).unwrap().each(&[(), ()], same, |_, stayed| assert!(stayed));
    }
}
