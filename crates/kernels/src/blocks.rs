//! Reductions over blocks of rows. The block size is fixed, so that results do not depend on the number of threads.

use rayon::prelude::*;

use crate::simd::vectorised;

/// Rows per block.
pub const BLOCK: usize = 256;

/// The sum of all rows.
pub fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let blocks = values.par_chunks((BLOCK * width).max(1)).map(|block| {
        let mut sums = vec![0.0; width];
        vectorised!(block.chunks_exact(width).for_each(|row| add_to(&mut sums, row, 1.0)));
        sums
    });
    added_in_order(blocks.collect(), width)
}

/// `row += factor · other`
#[inline(always)]
pub fn add_to(row: &mut [f32], other: &[f32], factor: f32) {
    row.iter_mut().zip(other).for_each(|(x, y)| *x += factor * y);
}

/// Sums one vector of `width` per block, in the order of the blocks.
pub fn added_in_order(blocks: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let add = |mut total: Vec<f32>, block: Vec<f32>| {
        total.iter_mut().zip(block).for_each(|(total, x)| *total += x);
        total
    };
    blocks.into_iter().reduce(add).unwrap_or_else(|| vec![0.0; width])
}
