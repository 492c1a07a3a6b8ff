//! A failpoint for tests: aborts the process after a given step of writing to disk. It exists only in builds with debug
//! assertions.

/// Counts a step of writing, and aborts the process at the one whose number, from 1, `ATTEND_ABORT_AT` holds.
pub fn step() {
    #[cfg(debug_assertions)]
    hook::step();
}

#[cfg(debug_assertions)]
mod hook {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub fn step() {
        static LAST: OnceLock<Option<u64>> = OnceLock::new();
        static DONE: AtomicU64 = AtomicU64::new(0);
        let last = LAST.get_or_init(|| std::env::var("ATTEND_ABORT_AT").ok()?.parse().ok());
        if *last == Some(DONE.fetch_add(1, Ordering::Relaxed) + 1) {
            std::process::abort();
        }
    }
}
