//! A stand-in for a power cut: ends the process after a given step of what is written to disk, so that tests can see
//! what each step leaves behind.
//!
//! Builds without debug assertions do not have it.

/// One more step is done; the one whose number `ATTEND_ABORT_AT` holds, from 1, is the last.
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
