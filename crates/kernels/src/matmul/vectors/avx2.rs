//! Blocks of a product in AVX2's registers: up to six rows by sixteen columns at a time.

use std::arch::x86_64::*;

use super::{Block, LANE};
use crate::matmul::view::Accumulate;
use crate::simd::relu;

/// Rows whose sums of sixteen columns fit into registers: 6 · 2 + 2 of 16, and a word.
pub const ROWS: usize = 6;

/// Computes a block in float32.
///
/// # Safety
/// The processor has AVX2 and FMA, and the pointers of the block reach its values.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn float32(block: &Block, rows: usize, lanes: usize) {
    for lane in 0..lanes {
        let cols = if lane + 1 == lanes { block.last_lane } else { LANE };
        // SAFETY: as the caller guarantees.
        unsafe {
            match rows {
                6 => columns::<6>(block, lane, cols),
                5 => columns::<5>(block, lane, cols),
                4 => columns::<4>(block, lane, cols),
                3 => columns::<3>(block, lane, cols),
                2 => columns::<2>(block, lane, cols),
                _ => columns::<1>(block, lane, cols),
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn columns<const ROWS: usize>(block: &Block, lane: usize, cols: usize) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    let (mut left, mut right) = (block.left.cast::<f32>(), block.right.wrapping_add(lane * LANE).cast::<f32>());
    let finish = block.finish;
    // SAFETY: the pointers reach the values of each step and of the target, as the caller guarantees.
    unsafe {
        for _ in 0..block.steps {
            let columns = [_mm256_loadu_ps(right), _mm256_loadu_ps(right.add(8))];
            for (row, sums) in sums.iter_mut().enumerate() {
                let word = _mm256_set1_ps(*left.add(row * block.row_stride));
                sums[0] = _mm256_fmadd_ps(word, columns[0], sums[0]);
                sums[1] = _mm256_fmadd_ps(word, columns[1], sums[1]);
            }
            left = left.wrapping_add(block.step);
            right = right.wrapping_add(block.right_step);
        }
        for (row, sums) in sums.iter().enumerate() {
            let mut found = [0f32; LANE];
            _mm256_storeu_ps(found.as_mut_ptr(), sums[0]);
            _mm256_storeu_ps(found.as_mut_ptr().add(8), sums[1]);
            for (col, &sum) in found.iter().enumerate().take(cols) {
                let target = block.target.add(row * block.target_stride + lane * LANE + col);
                let mut value = match finish.before {
                    Accumulate::Overwrite => sum * finish.scale,
                    Accumulate::Add => sum.mul_add(finish.scale, target.read()),
                };
                if let Some(bias) = finish.bias {
                    value += *bias.add(lane * LANE + col);
                }
                target.write(if finish.relu { relu(value) } else { value });
            }
        }
    }
}
