//! Matrix products of operands rounded to bfloat16, with sums in float32.
//!
//! The product runs in matrix registers (`amx`), from operands packed in tiles (`pack`, `blocked`), or in the
//! [vectors](super::vectors) that multiply bfloat16. Other processors round both operands and multiply in float32. All compute the same sums,
//! up to their order and to subnormal numbers, which the instructions treat as zero.

#[cfg(target_arch = "x86_64")]
pub mod amx;
#[cfg(all(test, target_arch = "x86_64"))]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocked;
#[cfg(target_arch = "x86_64")]
mod pack;

use crate::matmul::float32;
#[cfg(target_arch = "x86_64")]
use crate::matmul::vectors::{self, Right, Unit};
use crate::matmul::view::{Finish, Matrix, MatrixMut};
use crate::simd::vectorised;

/// The name of the unit that multiplies bfloat16 here; `None` where float32 is faster.
pub fn unit() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    return match (amx::available(), Unit::bfloat16()) {
        (true, _) => Some("AMX"),
        (false, Some(_)) => Some("AVX-512"),
        (false, None) => None,
    };
    #[cfg(not(target_arch = "x86_64"))]
    return None;
}

/// `target = finish(left · right)` of rounded operands; no shape is empty.
pub fn product(target: MatrixMut, finish: Finish, left: Matrix, right: Matrix, threads: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        if amx::available() {
            return blocked::product(blocked::Unit::Amx, target, finish, left, right, threads);
        }
        if let Some(unit) = Unit::bfloat16() {
            return vectors::product(unit, target, finish, left, Right::Plain(right), threads);
        }
    }
    in_float32(target, finish, left, right, threads);
}

/// The same by a product in float32.
fn in_float32(target: MatrixMut, finish: Finish, left: Matrix, right: Matrix, threads: usize) {
    let ([m, k], n) = ([left.rows, left.cols], right.cols);
    let (left, right) = (rounded(left), rounded(right));
    float32::product(target, finish, Matrix::new(&left, m, k), Matrix::new(&right, k, n), threads);
}

/// The nearest bfloat16, ties to even; NaN stays NaN.
#[inline(always)]
fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    if x.is_nan() { x } else { f32::from_bits(rounded) }
}

/// The rounded values of a matrix, row-major.
pub fn rounded(matrix: Matrix) -> Vec<f32> {
    let Matrix { values, rows, cols, row_stride, col_stride } = matrix;
    let mut out = vec![0.0; rows * cols];
    vectorised!({
        for (i, row) in out.chunks_exact_mut(cols.max(1)).enumerate() {
            for (j, x) in row.iter_mut().enumerate() {
                *x = round(values[i * row_stride + j * col_stride]);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests;
