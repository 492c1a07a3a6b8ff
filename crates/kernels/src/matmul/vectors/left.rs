//! The left operand of a product as words.

use std::arch::x86_64::*;

use super::{Unit, Words};
use crate::matmul::registers::{LANE, lanes, pairs, pairs_at};
use crate::matmul::view::Matrix;

/// Words of the rows of a product: those of a row `step` apart, rows `row_stride` apart.
pub struct Left {
    pub words: *const u32,
    pub row_stride: usize,
    pub step: usize,
}

impl Left {
    /// The words of a matrix: in float32 its values, in bfloat16 pairs of them in `buffer`, which must outlive the words.
    ///
    /// # Safety
    /// The processor has the unit, and every index that the strides reach lies inside the values.
    pub unsafe fn new(unit: Unit, left: Matrix, buffer: &mut Vec<Words>) -> Self {
        match unit {
            Unit::Float32Avx512 | Unit::Float32Avx2 => {
                Self { words: left.values.as_ptr().cast(), row_stride: left.row_stride, step: left.col_stride }
            }
            Unit::Bfloat16Avx512 => {
                assert!(left.col_stride == 1 || left.row_stride == 1, "an operand has neighbouring rows or columns");
                // SAFETY: as the caller guarantees.
                unsafe {
                    match left.col_stride {
                        1 => pairs_along_rows(left, buffer),
                        _ => pairs_across_rows(left, buffer),
                    }
                }
            }
        }
    }
}

fn resized(buffer: &mut Vec<Words>, count: usize) -> *mut u32 {
    if buffer.len() < count {
        buffer.resize(count, Words([0; LANE]));
    }
    buffer.as_mut_ptr().cast()
}

/// Rows of contiguous values, each padded to whole registers.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs_along_rows(left: Matrix, buffer: &mut Vec<Words>) -> Left {
    let registers = left.cols.div_ceil(2 * LANE);
    let words = resized(buffer, left.rows * registers);
    for row in 0..left.rows {
        for register in 0..registers {
            let at = register * 2 * LANE;
            let (low, high) = (lanes(left.cols - at), lanes((left.cols - at).saturating_sub(LANE)));
            // SAFETY: the lanes read lie within the operand, and the buffer has a register for each.
            unsafe {
                let word = pairs_at(left.values.as_ptr().add(row * left.row_stride + at), low, high);
                _mm512_store_si512(words.add((row * registers + register) * LANE).cast(), word);
            }
        }
    }
    Left { words, row_stride: registers * LANE, step: 1 }
}

/// Steps of contiguous rows, each padded to whole registers.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs_across_rows(left: Matrix, buffer: &mut Vec<Words>) -> Left {
    let (registers, steps) = (left.rows.div_ceil(LANE), left.cols.div_ceil(2));
    let words = resized(buffer, steps * registers);
    // SAFETY: the lanes read lie within the operand, and the buffer has a register for each.
    unsafe { pack_pairs(left.values.as_ptr(), left.col_stride, [left.cols, left.rows], words, registers * LANE) };
    Left { words, row_stride: 1, step: registers * LANE }
}

/// Packs pairs of rows of `width` contiguous values, `stride` apart; pairs are `step` words apart, padded with zeros to
/// whole registers.
///
/// # Safety
/// The rows lie within an operand, and the words in a buffer.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn pack_pairs(values: *const f32, stride: usize, [rows, width]: [usize; 2], words: *mut u32, step: usize) {
    for pair in 0..rows.div_ceil(2) {
        for register in 0..width.div_ceil(LANE) {
            let at = register * LANE;
            let mask = lanes(width - at);
            // SAFETY: as the caller guarantees.
            unsafe {
                let first = _mm512_maskz_loadu_ps(mask, values.add(2 * pair * stride + at));
                let second = match 2 * pair + 1 < rows {
                    true => _mm512_maskz_loadu_ps(mask, values.add((2 * pair + 1) * stride + at)),
                    false => _mm512_setzero_ps(),
                };
                _mm512_storeu_si512(words.add(pair * step + at).cast(), pairs(first, second));
            }
        }
    }
}
