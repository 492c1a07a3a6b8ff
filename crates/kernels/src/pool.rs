//! Whole computations inside the thread pool.

use burn::tensor::Device;

/// Runs `work` on a thread of rayon's current pool if `device` is `flex`, and on the calling thread otherwise.
///
/// **Why:** a parallel loop that starts outside the pool wakes a thread of the pool and sleeps until the end. An update has
/// hundreds of such loops.
pub fn in_pool<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "flex")]
    if crate::autodiff::is_flex(device) {
        let portable = crate::form::portable_only();
        return rayon::scope(move |_| if portable { crate::form::with_portable_ops(work) } else { work() });
    }
    _ = device;
    work() // a GPU has one queue per thread
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::form::{portable_only, with_portable_ops};

    #[test]
    fn work_is_in_the_pool_with_the_same_operations() {
        let look = || in_pool(&Device::flex(), || (rayon::current_thread_index().is_some(), portable_only()));
        assert!(rayon::current_thread_index().is_none());
        assert_eq!(look(), (true, false));
        assert_eq!(with_portable_ops(look), (true, true));
        assert_eq!(look(), (true, false), "the choice ends with the work");
    }
}
