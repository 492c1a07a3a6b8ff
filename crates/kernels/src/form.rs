//! The choice between an operation's fused and portable forms, and between the launches for GPUs and for processors.

use std::cell::Cell;

thread_local! {
    static PORTABLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with the portable definitions of all operations on this thread, for comparisons.
pub fn with_portable_ops<R>(work: impl FnOnce() -> R) -> R {
    let before = PORTABLE.replace(true);
    let result = work();
    PORTABLE.set(before);
    result
}

/// Whether [`with_portable_ops`] is running on this thread.
pub(crate) fn portable_only() -> bool {
    PORTABLE.get()
}

#[cfg(feature = "cube")]
thread_local! {
    static GPU: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with the launches that GPUs need on this thread, also where a processor runs the kernels: for tests.
#[cfg(feature = "cube")]
pub fn with_gpu_launches<R>(work: impl FnOnce() -> R) -> R {
    let before = GPU.replace(true);
    let result = work();
    GPU.set(before);
    result
}

/// Whether [`with_gpu_launches`] is running on this thread.
#[cfg(feature = "cube")]
pub(crate) fn gpu_launches() -> bool {
    GPU.get()
}
