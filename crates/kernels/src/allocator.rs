//! What the allocator `mimalloc`, which the binaries use, does with freed memory.
//!
//! **Why:** a training step frees what the next one allocates again. Memory that goes back to the system between the two
//! must be cleared by it, page by page; with long sequences that took an eighth of the time.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc's `mi_option_e`, which its Rust bindings do not name.
const PURGE_DELAY: mi_option_t = 15;
/// Of the same: never.
const NEVER: c_long = -1;
/// In milliseconds. By default it is a second, within which decoding several batches would take new memory for each.
const SOON: c_long = 10;

/// Keeps freed memory for the next allocation. Call it first thing in `main`; without `mimalloc` as the global allocator
/// it does nothing.
pub fn keep_freed() {
    // SAFETY: sets an integer option that exists in every version of mimalloc that the bindings build.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) }
}

/// Gives freed memory back soon: for programs that shall stay small. Otherwise as [`keep_freed`].
pub fn release_freed() {
    // SAFETY: as above.
    unsafe { mi_option_set(PURGE_DELAY, SOON) }
}
