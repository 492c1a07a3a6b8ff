//! Blocks of a product in AVX-512's registers: a few rows by up to 64 columns.
//!
//! Each step reads a register per sixteen columns of the right operand, and one word of each left row, which it multiplies
//! with all of them. A word is a value in float32 or a pair of values in bfloat16.

use std::arch::x86_64::*;

use super::{Block, BlockFinish, LANE};
use crate::matmul::view::Accumulate;

/// Rows whose sums fit into registers together with a step of the right operand.
pub const fn rows(lanes: usize) -> usize {
    match lanes {
        4.. => 6,
        3 => 8,
        2 => 12,
        _ => 16,
    }
}

/// Steps between the use of a right operand and its prefetch: a panel deeper than the first-level cache comes from the second.
const RIGHT_AHEAD: usize = 8;
/// The same for a left operand, of which steps may be on lines of their own, in the third-level cache or in memory.
const LEFT_AHEAD: usize = 16;

macro_rules! blocks {
    ($dispatch:ident, $block:ident, $features:literal, $multiply:ident) => {
        /// Computes a block.
        ///
        /// # Safety
        /// The processor has the instructions, and the pointers of the block reach its values.
        #[target_feature(enable = $features)]
        pub unsafe fn $dispatch(block: &Block, rows: usize, lanes: usize) {
            // SAFETY: as the caller guarantees.
            unsafe {
                match (lanes, rows) {
                    (4, 6) => $block::<6, 4>(block),
                    (4, 5) => $block::<5, 4>(block),
                    (4, 4) => $block::<4, 4>(block),
                    (4, 3) => $block::<3, 4>(block),
                    (4, 2) => $block::<2, 4>(block),
                    (4, 1) => $block::<1, 4>(block),
                    (3, 8) => $block::<8, 3>(block),
                    (3, 7) => $block::<7, 3>(block),
                    (3, 6) => $block::<6, 3>(block),
                    (3, 5) => $block::<5, 3>(block),
                    (3, 4) => $block::<4, 3>(block),
                    (3, 3) => $block::<3, 3>(block),
                    (3, 2) => $block::<2, 3>(block),
                    (3, 1) => $block::<1, 3>(block),
                    (2, 12) => $block::<12, 2>(block),
                    (2, 11) => $block::<11, 2>(block),
                    (2, 10) => $block::<10, 2>(block),
                    (2, 9) => $block::<9, 2>(block),
                    (2, 8) => $block::<8, 2>(block),
                    (2, 7) => $block::<7, 2>(block),
                    (2, 6) => $block::<6, 2>(block),
                    (2, 5) => $block::<5, 2>(block),
                    (2, 4) => $block::<4, 2>(block),
                    (2, 3) => $block::<3, 2>(block),
                    (2, 2) => $block::<2, 2>(block),
                    (2, 1) => $block::<1, 2>(block),
                    (1, 16) => $block::<16, 1>(block),
                    (1, 15) => $block::<15, 1>(block),
                    (1, 14) => $block::<14, 1>(block),
                    (1, 13) => $block::<13, 1>(block),
                    (1, 12) => $block::<12, 1>(block),
                    (1, 11) => $block::<11, 1>(block),
                    (1, 10) => $block::<10, 1>(block),
                    (1, 9) => $block::<9, 1>(block),
                    (1, 8) => $block::<8, 1>(block),
                    (1, 7) => $block::<7, 1>(block),
                    (1, 6) => $block::<6, 1>(block),
                    (1, 5) => $block::<5, 1>(block),
                    (1, 4) => $block::<4, 1>(block),
                    (1, 3) => $block::<3, 1>(block),
                    (1, 2) => $block::<2, 1>(block),
                    (1, 1) => $block::<1, 1>(block),
                    _ => unreachable!("a block of {rows} rows and {lanes} registers"),
                }
            }
        }

        #[target_feature(enable = $features)]
        unsafe fn $block<const ROWS: usize, const LANES: usize>(block: &Block) {
            let mut sums = [[_mm512_setzero_ps(); LANES]; ROWS];
            let (mut left, mut right) = (block.left, block.right);
            // SAFETY: the pointers reach the values of each step, as the caller guarantees.
            unsafe {
                for row in 0..ROWS {
                    for lane in 0..LANES {
                        let target = block.target.wrapping_add(row * block.target_stride + lane * LANE);
                        _mm_prefetch::<_MM_HINT_ET0>(target.cast()); // valid for any address
                    }
                }
                for _ in 0..block.steps {
                    let columns: [__m512; LANES] =
                        std::array::from_fn(|lane| _mm512_loadu_ps(right.add(LANE * lane).cast()));
                    _mm_prefetch::<_MM_HINT_T0>(left.wrapping_add(LEFT_AHEAD * block.step).cast());
                    for lane in 0..LANES {
                        let next = right.wrapping_add(RIGHT_AHEAD * block.right_step + LANE * lane);
                        _mm_prefetch::<_MM_HINT_T0>(next.cast());
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let word = _mm512_castsi512_ps(_mm512_set1_epi32(*left.add(row * block.row_stride) as i32));
                        for (sum, &column) in sums.iter_mut().zip(&columns) {
                            *sum = $multiply(word, column, *sum);
                        }
                    }
                    left = left.wrapping_add(block.step);
                    right = right.wrapping_add(block.right_step);
                }
                // Not a function: the sums would leave the registers.
                let last = ((1u32 << block.last_lane) - 1) as __mmask16;
                let BlockFinish { before, scale, bias, relu } = *block.finish;
                let scale = _mm512_set1_ps(scale);
                for (row, sums) in sums.iter().enumerate() {
                    let target = block.target.wrapping_add(row * block.target_stride);
                    for (lane, &sum) in sums.iter().enumerate() {
                        let (at, mask) = (lane * LANE, if lane + 1 == LANES { last } else { 0xffff });
                        let mut value = match before {
                            Accumulate::Overwrite => _mm512_mul_ps(sum, scale),
                            Accumulate::Add => {
                                _mm512_fmadd_ps(sum, scale, _mm512_maskz_loadu_ps(mask, target.wrapping_add(at)))
                            }
                        };
                        if let Some(bias) = bias {
                            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, bias.wrapping_add(at)));
                        }
                        if relu {
                            value = _mm512_max_ps(_mm512_setzero_ps(), value); // NaN stays NaN
                        }
                        match mask {
                            0xffff => _mm512_storeu_ps(target.wrapping_add(at), value),
                            _ => _mm512_mask_storeu_ps(target.wrapping_add(at), mask, value),
                        }
                    }
                }
            }
        }
    };
}

blocks!(float32, float32_block, "avx512f", _mm512_fmadd_ps);
blocks!(bfloat16, bfloat16_block, "avx512f,avx512bw,avx512bf16", pairs);

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs(left: __m512, right: __m512, sum: __m512) -> __m512 {
    // SAFETY: 64 bytes of plain data in both types.
    let as_pairs = |values: __m512| unsafe { std::mem::transmute::<__m512, __m512bh>(values) };
    _mm512_dpbf16_ps(sum, as_pairs(left), as_pairs(right))
}
