//! Pages of 2 MiB are off while a small model decodes. They are a flag of the whole process, which this test has alone.
#![cfg(target_os = "linux")]

use std::ffi::c_ulong;

use kernels::allocator::release_freed;
use kernels::decode::WeightMemory;

/// An argument that is not in use.
const NONE: c_ulong = 0;
/// The size of a large model's matrices, in bytes.
const LARGE: usize = 64 << 20;

fn huge_pages() -> bool {
    // SAFETY: returns a flag of the process.
    unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, NONE, NONE, NONE, NONE) == 0 }
}

fn switch_huge_pages(on: bool) {
    // SAFETY: sets a flag of the process.
    let result = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, c_ulong::from(!on), NONE, NONE, NONE) };
    assert_eq!(result, 0);
}

#[test]
fn huge_pages_are_off_until_a_large_model_is_stored() {
    switch_huge_pages(true);
    release_freed();
    assert!(!huge_pages());
    WeightMemory::new(1 << 20);
    assert!(!huge_pages(), "a small model");
    WeightMemory::new(LARGE);
    assert!(huge_pages(), "a large model");

    switch_huge_pages(false);
    WeightMemory::new(LARGE);
    assert!(!huge_pages(), "switched off by the process itself");
    release_freed();
    WeightMemory::new(LARGE);
    assert!(!huge_pages(), "off before the program began");
}
