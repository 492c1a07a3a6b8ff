//! Threads that share the products of one step: row panels are claimed by whoever is free.
//!
//! A step has dozens of products of a few microseconds each. Helpers therefore wait by spinning, for tens of microseconds
//! at most, and sleep after that. The owner never waits for a helper to begin: it claims panels itself, its own part first,
//! then those of others, and waits only for panels that are being computed. Where it waits for long, other programs occupy
//! the cores: the next products then run on the owner's thread alone. A product allocates nothing.

use std::cell::UnsafeCell;
use std::fmt;
use std::hint;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Waits of [`pause`] before a helper sleeps: about 50 microseconds.
const SPINS: usize = 600;
/// A claim is this share of what is left of a part, so that the last ones, for which others wait, are short.
const SHARE: usize = 4;

/// The owner's thread with its helpers.
pub(super) struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Jobs that the owner computes alone before it shares one again.
    alone: u32,
    /// The next value of `alone` after a long wait.
    penalty: u32,
}

/// Bounds of the penalty for a long wait, in jobs.
const PENALTY: (u32, u32) = (32, 1 << 14);

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Team").field("helpers", &self.helpers.len()).finish()
    }
}

/// Work on a range of items.
type Work<'a> = dyn Fn(Range<usize>) + Sync + 'a;

struct Shared {
    /// The number of the job, whether it is [`OPEN`], and how many helpers are in it.
    state: AtomicU64,
    job: UnsafeCell<Job>,
    /// A part of the job for each thread, the owner's first.
    parts: Box<[Part]>,
    sleeping: AtomicUsize,
    stop: AtomicBool,
    /// Whether a helper has panicked, after which results are incomplete.
    failed: AtomicBool,
}

// SAFETY: `job` is written only by the owner while the job is closed and no helper is in it, and read only by helpers in an
// open job; `state` orders both.
unsafe impl Sync for Shared {}
// SAFETY: the work that `job` points to can be called by any thread.
unsafe impl Send for Shared {}

#[derive(Clone, Copy)]
struct Job {
    work: *const Work<'static>,
    /// Threads that may take part, the owner included.
    threads: usize,
}

/// Items of a job that are not claimed yet; on a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Part {
    next: AtomicUsize,
    end: AtomicUsize,
}

impl Part {
    fn claim(&self) -> Option<Range<usize>> {
        let end = self.end.load(Ordering::Relaxed);
        let left = end.checked_sub(self.next.load(Ordering::Relaxed)).filter(|&left| left > 0)?;
        let items = left.div_ceil(SHARE);
        let first = self.next.fetch_add(items, Ordering::Relaxed);
        (first < end).then(|| first..end.min(first + items))
    }
}

/// In [`Shared::state`]: helpers may enter. Lower bits count those that have, higher bits jobs.
const OPEN: u64 = 1 << 16;
const HELPERS: u64 = OPEN - 1;
const JOB: u64 = OPEN << 1;

impl Team {
    /// A team of this many threads, the caller's included.
    pub fn new(threads: usize) -> Self {
        let threads = threads.clamp(1, HELPERS as usize);
        let idle: &Work<'static> = &|_| {};
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(Job { work: idle, threads: 1 }),
            parts: (0..threads).map(|_| Part::default()).collect(),
            sleeping: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let start = |number: usize| {
            let shared = shared.clone();
            let named = thread::Builder::new().name(format!("products-{number}"));
            named.spawn(move || shared.help(number)).ok() // without it, the others compute its part
        };
        Self { helpers: (1..threads).filter_map(start).collect(), shared, alone: 0, penalty: PENALTY.0 }
    }

    /// Threads, the owner's included.
    pub fn threads(&self) -> usize {
        self.shared.parts.len()
    }

    /// Calls `work` on ranges that cover `0..count` once, on up to `threads` threads at once, and returns when all are done.
    ///
    /// # Panics
    /// If `work` does.
    pub fn run(&mut self, count: usize, threads: usize, work: &Work<'_>) {
        let Shared { state, job, parts, sleeping, failed, .. } = &*self.shared;
        let threads = threads.clamp(1, parts.len()).min(count.max(1));
        if threads == 1 || self.alone > 0 {
            self.alone = self.alone.saturating_sub(1);
            return work(0..count);
        }
        for (at, part) in parts.iter().enumerate().take(threads) {
            part.next.store(at * count / threads, Ordering::Relaxed);
            part.end.store((at + 1) * count / threads, Ordering::Relaxed);
        }
        // SAFETY: the last job is closed and no helper is in it. The lifetime of `work` is extended until `closing` is
        // dropped below, after which no helper is in this job and none can enter it.
        unsafe {
            let work = std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work);
            *job.get() = Job { work, threads };
        }
        let last = state.load(Ordering::Relaxed) & !(OPEN | HELPERS);
        state.store(last.wrapping_add(JOB) | OPEN, Ordering::SeqCst);
        let mut waited = false;
        let closing = Closing { state, waited: &mut waited };
        if sleeping.load(Ordering::SeqCst) > 0 {
            self.helpers.iter().take(threads - 1).for_each(|helper| helper.thread().unpark());
        }
        work_off(&parts[..threads], 0, work);
        drop(closing);
        (self.alone, self.penalty) = match waited {
            true => (self.penalty, (2 * self.penalty).min(PENALTY.1)),
            false => (0, (self.penalty - self.penalty / 256).max(PENALTY.0)),
        };
        assert!(!failed.load(Ordering::Relaxed), "a thread of the team panicked");
    }
}

/// Checks many times, for a few hundred cycles, and returns the first value found. Hypervisors take the processor away from
/// threads that do nothing but pause, so pauses are far apart.
fn pause<T>(check: impl Fn() -> Option<T>) -> Option<T> {
    const CHECKS: usize = 100;
    let found = (0..CHECKS).find_map(|_| check());
    if found.is_none() {
        hint::spin_loop();
    }
    found
}

/// Calls `work` on a thread's own part, then on what is left of the others'.
fn work_off(parts: &[Part], own: usize, work: &Work<'_>) {
    for at in 0..parts.len() {
        while let Some(range) = parts[(own + at) % parts.len()].claim() {
            work(range);
        }
    }
}

/// Closes a job when it is dropped, also by a panic, and waits for the helpers in it.
struct Closing<'a> {
    state: &'a AtomicU64,
    /// Set if helpers did not leave soon: the system runs other programs in their place.
    waited: &'a mut bool,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.state.fetch_and(!OPEN, Ordering::Relaxed);
        let left = || (self.state.load(Ordering::Acquire) & HELPERS == 0).then_some(());
        let mut spins = 0;
        while pause(left).is_none() {
            spins += 1;
            if spins > SPINS {
                *self.waited = true;
                thread::yield_now();
            }
        }
    }
}

/// A helper in a job; leaves when it is dropped, also by a panic.
struct Inside<'a>(&'a Shared);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        self.0.state.fetch_sub(1, Ordering::Release);
    }
}

impl Shared {
    /// Takes part in jobs until the team stops.
    fn help(&self, number: usize) {
        let mut last = 0; // the job that this thread was in or passed by
        while !self.stop.load(Ordering::Relaxed) {
            let state = self.wait(last);
            if state & OPEN == 0 {
                continue;
            }
            let entered = self.state.compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed);
            if entered.is_err() {
                continue;
            }
            let inside = Inside(self);
            last = state & !(OPEN | HELPERS);
            // SAFETY: the job is open with this thread in it, so that the owner does not change it, and the work lives.
            unsafe {
                let Job { work, threads } = *self.job.get();
                if number < threads {
                    work_off(&self.parts[..threads], number, &*work);
                }
            }
            drop(inside);
        }
    }

    /// Waits for an open job other than `last`, by spinning, then asleep. Returns the state, open or not.
    fn wait(&self, last: u64) -> u64 {
        let is_new = |state: u64| state & OPEN != 0 && state & !(OPEN | HELPERS) != last;
        for _ in 0..SPINS {
            if let Some(state) = pause(|| Some(self.state.load(Ordering::Relaxed)).filter(|&state| is_new(state))) {
                return state;
            }
        }
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        if !is_new(self.state.load(Ordering::SeqCst)) && !self.stop.load(Ordering::SeqCst) {
            thread::park();
        }
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
        let state = self.state.load(Ordering::Relaxed);
        if is_new(state) { state } else { 0 }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            drop(helper.join()); // a panic has been reported by `run`
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_item_is_computed_once() {
        for threads in [1, 2, 3, 5] {
            let mut team = Team::new(threads);
            for round in 0..2_000 {
                let counts: Vec<AtomicUsize> = (0..round % 97).map(|_| AtomicUsize::new(0)).collect();
                team.run(counts.len(), threads, &|range| {
                    range.for_each(|at| {
                        counts[at].fetch_add(1, Ordering::Relaxed);
                    });
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} threads");
                if round % 500 == 0 {
                    thread::sleep(Duration::from_millis(2)); // so that helpers sleep
                }
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_owner() {
        let mut team = Team::new(3);
        let run = |team: &mut Team| {
            team.run(64, 3, &|range| {
                thread::sleep(Duration::from_micros(200));
                assert!(!range.contains(&40), "item 40");
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(|| run(&mut team))).is_err());
    }
}
