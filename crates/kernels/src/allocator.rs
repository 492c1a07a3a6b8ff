//! When `mimalloc`, the allocator of the binaries, returns freed memory to the system, and whether its pages have 2 MiB.
//!
//! **Why:** each training step allocates the memory that the previous one freed. The system clears returned memory page by
//! page; with long sequences that took an eighth of the time. A small model decodes as fast with pages of 4 KiB, and without
//! those of 2 MiB, which small objects fill in part, in a twentieth less memory.

use std::ffi::c_long;
#[cfg(target_os = "linux")]
use std::ffi::{c_int, c_ulong};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Returns freed memory after 10 milliseconds, large objects at once, for programs with little memory. On Linux, pages of
/// 2 MiB are off until [`allow_huge_pages`]. Call it first in `main`.
pub fn release_freed() {
    // SAFETY: as above.
    unsafe {
        mi_option_set(PURGE_DELAY, SOON);
        mi_option_set(MAX_SHARED, OWN_MEMORY);
    }
    #[cfg(target_os = "linux")]
    if switch_huge_pages(false) {
        SWITCHED_OFF.store(true, Ordering::Relaxed);
    }
}

/// Whether [`release_freed`] switched the pages of 2 MiB off that the process had before.
#[cfg(target_os = "linux")]
static SWITCHED_OFF: AtomicBool = AtomicBool::new(false);

/// Switches on again what [`release_freed`] switched off, for large models: memory that is touched from now on may be in
/// pages of 2 MiB.
pub fn allow_huge_pages() {
    #[cfg(target_os = "linux")]
    if SWITCHED_OFF.swap(false, Ordering::Relaxed) {
        switch_huge_pages(true);
    }
}

/// Switches pages of 2 MiB on or off for this process. Returns whether that changed something.
#[cfg(target_os = "linux")]
fn switch_huge_pages(on: bool) -> bool {
    const NONE: c_ulong = 0;
    // SAFETY: both read or set a flag of the process and access no memory; all arguments have the type that the system reads.
    unsafe {
        let off = libc::prctl(libc::PR_GET_THP_DISABLE, NONE, NONE, NONE, NONE);
        let set = || libc::prctl(libc::PR_SET_THP_DISABLE, c_ulong::from(!on), NONE, NONE, NONE);
        off == c_int::from(on) && set() == 0
    }
}
