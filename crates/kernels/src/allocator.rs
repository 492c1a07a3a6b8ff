//! When the allocator of the binaries, `mimalloc`, returns freed memory to the system.
//!
//! **Why:** a training step frees what the next one allocates again. The system clears returned memory page by page;
//! with long sequences that took an eighth of the time.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc's `mi_option_e`, which its Rust bindings do not name.
const PURGE_DELAY: mi_option_t = 15;
/// Never return memory.
const NEVER: c_long = -1;
/// Milliseconds. The default is one second, within which decoding several batches would take new memory for each.
const SOON: c_long = 10;

/// Keeps freed memory for the next allocation. Call it first in `main`; it has no effect without `mimalloc` as the global
/// allocator.
pub fn keep_freed() {
    // SAFETY: sets an integer option that exists in every version of mimalloc that the bindings build.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) }
}

/// Returns freed memory after 10 milliseconds, for programs that should stay small. Call it first in `main`.
pub fn release_freed() {
    // SAFETY: as above.
    unsafe { mi_option_set(PURGE_DELAY, SOON) }
}
