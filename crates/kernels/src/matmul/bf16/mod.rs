//! Matrix products of operands rounded to bfloat16, with sums in float32.
//!
//! The product runs in matrix registers (`amx`) or in vectors that multiply bfloat16 (`avx512`), from operands packed the
//! same way (`pack`, `blocked`). Other processors round both operands and multiply in float32. All compute the same sums,
//! up to their order and to subnormal numbers, which the instructions treat as zero.

#[cfg(target_arch = "x86_64")]
pub mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocked;
#[cfg(target_arch = "x86_64")]
mod pack;

use crate::matmul::float32;
use crate::matmul::view::{Accumulate, Matrix, MatrixMut};
use crate::simd::vectorised;

/// The name of the unit that multiplies bfloat16 here; `None` where float32 is faster.
pub fn unit() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    return blocked::Unit::best().map(|unit| match unit {
        blocked::Unit::Amx => "AMX",
        blocked::Unit::Vectors => "AVX-512",
    });
    #[cfg(not(target_arch = "x86_64"))]
    return None;
}

/// `target (+)= scale · left · right` of rounded operands; no shape is empty.
pub fn product(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(unit) = blocked::Unit::best() {
        return blocked::product(unit, target, before, scale, left, right, threads);
    }
    in_float32(target, before, scale, left, right, threads);
}

/// The same by a product in float32.
fn in_float32(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    let ([m, k], n) = ([left.rows, left.cols], right.cols);
    let (left, right) = (rounded(left), rounded(right));
    float32::product(target, before, scale, Matrix::new(&left, m, k), Matrix::new(&right, k, n), threads);
}

/// The nearest bfloat16, ties to even; NaN stays NaN.
#[inline(always)]
fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    if x.is_nan() { x } else { f32::from_bits(rounded) }
}

/// The rounded values of a matrix, row-major.
fn rounded(matrix: Matrix) -> Vec<f32> {
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
