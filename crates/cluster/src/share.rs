//! Work dealt out in contiguous blocks.

use std::ops::Range;

/// Returns the block of `count` items that rank `rank` of `size` works on. Blocks are contiguous, in the order of ranks, and
/// their lengths differ by one at most.
///
/// # Panics
/// If `size` is zero.
pub fn share(count: usize, size: usize, rank: usize) -> Range<usize> {
    let start = |rank: usize| (count as u128 * rank as u128 / size as u128) as usize;
    start(rank)..start(rank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_everything_in_order() {
        for count in 0..40 {
            for size in 1..9 {
                let blocks: Vec<Range<usize>> = (0..size).map(|rank| share(count, size, rank)).collect();
                assert_eq!(blocks.iter().cloned().flatten().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
                let lengths = blocks.iter().map(|block| block.len());
                assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1, "{count} over {size}");
            }
        }
    }
}
