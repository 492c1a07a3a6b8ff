//! Memory for weights, in pages of 2 MiB.
//!
//! **Why:** decoding reads all weights for each token. Pages of 4 KiB are so many that the processor looks up the address of
//! most of them in tables in memory, through two layers of tables in a virtual machine. Products of a few rows wait for these
//! tables as long as for the weights.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::MmapMut;

use crate::allocator::allow_huge_pages;

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;
/// Bytes of a region, unless a matrix is larger. Pages that nothing touches take no memory.
const REGION: usize = 64 << 20;
/// Bytes of matrices from which on they are stored in huge pages.
const MIN_BYTES: usize = 8 << 20;

/// Where the matrices of a model are stored, one after the other.
///
/// The memory of a region is returned to the system when the last of its matrices is dropped. Where a region is not granted,
/// matrices are stored on their own.
#[derive(Debug, Default)]
pub struct WeightMemory {
    huge_pages: bool,
    region: Option<Region>,
}

/// Memory of which the first bytes are in use.
#[derive(Debug)]
struct Region {
    map: Arc<Map>,
    used: usize,
}

/// A mapping in which each byte belongs to at most one [`Lines`].
struct Map {
    start: NonNull<u8>,
    len: usize,
    /// Unmaps the memory when it is dropped.
    _map: MmapMut,
}

// SAFETY: the pointer is read by `Region::take` alone, which returns each part once.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Map").field("len", &self.len).finish_non_exhaustive()
    }
}

impl WeightMemory {
    /// Stores matrices of so many bytes together: in huge pages, unless caches hold them anyway. Switches huge pages on if
    /// [`release_freed`](crate::allocator::release_freed) switched them off.
    pub fn new(bytes: usize) -> Self {
        let huge_pages = bytes >= MIN_BYTES;
        if huge_pages {
            allow_huge_pages();
        }
        Self { huge_pages, region: None }
    }

    /// Stores each matrix on its own: for those that are soon dropped.
    pub fn separate() -> Self {
        Self::default()
    }

    /// Lines of zeros.
    pub(super) fn zeros<T: Line>(&mut self, len: usize) -> Lines<T> {
        const { assert!(size_of::<T>() == LINE && align_of::<T>() <= LINE, "a line") };
        let bytes = len * size_of::<T>();
        if self.huge_pages && bytes > 0 {
            if self.region.as_ref().is_none_or(|region| region.left() < bytes) {
                self.region = Region::new(bytes.next_multiple_of(HUGE_PAGE).max(REGION));
            }
            if let Some(region) = &mut self.region {
                let start = region.take(bytes).cast();
                return Lines(Storage::Part { start, len, _map: Arc::clone(&region.map) });
            }
        }
        Lines(Storage::Separate(vec![T::default(); len]))
    }
}

impl Region {
    /// Maps memory that starts with a huge page.
    fn new(bytes: usize) -> Option<Self> {
        let mut map = MmapMut::map_anon(bytes + HUGE_PAGE).ok()?;
        #[cfg(target_os = "linux")] // elsewhere the memory is merely in one piece
        let _ = map.advise(memmap2::Advice::HugePage); // pages are small if the system has no huge ones
        let first = map.as_ptr().align_offset(HUGE_PAGE);
        let start = NonNull::new(map.get_mut(first..)?.as_mut_ptr())?;
        Some(Self { map: Arc::new(Map { start, len: bytes, _map: map }), used: 0 })
    }

    fn left(&self) -> usize {
        self.map.len - self.used
    }

    /// The next bytes, which begin a line if all numbers of bytes before were multiples of one.
    fn take(&mut self, bytes: usize) -> NonNull<u8> {
        assert!(bytes <= self.left(), "{bytes} bytes of {}", self.left());
        // SAFETY: inside the mapping.
        let start = unsafe { self.map.start.add(self.used) };
        self.used += bytes;
        start
    }
}

/// A register of values: a line of the cache.
///
/// # Safety
/// Zeros are a valid value.
pub(super) unsafe trait Line: Copy + Default {}

/// Lines in [`WeightMemory`].
#[derive(Debug)]
pub(super) struct Lines<T>(Storage<T>);

#[derive(Debug)]
enum Storage<T> {
    Separate(Vec<T>),
    Part { start: NonNull<T>, len: usize, _map: Arc<Map> },
}

// SAFETY: a part of a mapping belongs to one value, as the contents of a `Vec` do.
unsafe impl<T: Send> Send for Lines<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Lines<T> {}

impl<T> Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Storage::Separate(lines) => lines,
            // SAFETY: `Region::take` returns each part once; it is zeros, a valid value, until it is written, and mapped as long
            // as this value exists.
            Storage::Part { start, len, .. } => unsafe { std::slice::from_raw_parts(start.as_ptr(), *len) },
        }
    }
}

impl<T> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Storage::Separate(lines) => lines,
            // SAFETY: as in `deref`.
            Storage::Part { start, len, .. } => unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), *len) },
        }
    }
}

impl<T: Clone> Clone for Lines<T> {
    /// A copy that is stored on its own.
    fn clone(&self) -> Self {
        Self(Storage::Separate(self.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::packed::Lane;
    use super::*;

    fn filled(memory: &mut WeightMemory, len: usize, value: f32) -> Lines<Lane> {
        let mut lines = memory.zeros::<Lane>(len);
        assert!(lines.iter().all(|lane| *lane == Lane::default()), "zeros at first");
        lines.fill(Lane([value; 16]));
        lines
    }

    #[test]
    fn parts_are_disjoint_and_outlive_the_memory() {
        for mut memory in [WeightMemory::new(MIN_BYTES), WeightMemory::separate()] {
            let sizes = [1, 0, 3, 100_000, REGION / 64 - 7, 5, 2 * REGION / 64, 9];
            let all: Vec<Lines<Lane>> =
                sizes.iter().enumerate().map(|(at, &len)| filled(&mut memory, len, at as f32)).collect();
            drop(memory);
            for (at, (lines, len)) in all.iter().zip(sizes).enumerate() {
                assert_eq!(lines.len(), len);
                assert!(lines.as_ptr().is_aligned());
                assert!(lines.iter().all(|lane| *lane == Lane([at as f32; 16])), "part {at}");
            }
            let copy = all[2].clone();
            drop(all);
            assert_eq!(copy[2], Lane([2.0; 16]), "a copy is independent");
        }
    }

    #[test]
    fn neighbours_share_a_region_and_a_region_starts_with_a_huge_page() {
        let mut memory = WeightMemory::new(MIN_BYTES);
        let [first, second] = [3, 4].map(|len| filled(&mut memory, len, 1.0));
        assert!(first.as_ptr().addr().is_multiple_of(HUGE_PAGE));
        assert_eq!(second.as_ptr().addr(), first.as_ptr().addr() + 3 * 64);
    }
}
