//! The choice between an operation's fused and portable forms.

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
