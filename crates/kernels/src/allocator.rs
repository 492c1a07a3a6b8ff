//! The delay after which `mimalloc`, the allocator of the binaries, returns freed memory to the system.
//!
//! **Why:** each training step allocates the memory that the previous one freed. The system clears returned memory page by
//! page; with long sequences that took an eighth of the time.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc's `mi_option_e`, which its Rust bindings do not name.
const PURGE_DELAY: mi_option_t = 15;
/// `mi_option_arena_max_object_size`, in KiB.
const MAX_SHARED: mi_option_t = 45;
/// Objects above 1 MiB have memory of their own in [`release_freed`]. Between others, pages of 2 MiB that matrices fill in
/// part took a tenth of the memory of a model.
const OWN_MEMORY: c_long = 1024;
/// The delay with which memory is never returned.
const NEVER: c_long = -1;
/// The delay of [`release_freed`], in milliseconds. The default of one second would keep the memory of several batches.
const SOON: c_long = 10;

/// Keeps freed memory for the next allocation. Call it first in `main`; it has no effect without `mimalloc` as the global
/// allocator.
pub fn keep_freed() {
    // SAFETY: sets an integer option that exists in every version of mimalloc that the bindings build.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) }
}

/// Returns freed memory after 10 milliseconds, large objects at once, for programs with little memory. Call it first in
/// `main`.
pub fn release_freed() {
    // SAFETY: as above.
    unsafe {
        mi_option_set(PURGE_DELAY, SOON);
        mi_option_set(MAX_SHARED, OWN_MEMORY);
    }
}
