//! Products whose operands are rounded to bfloat16, summed in float32.
//!
//! In matrix registers where the processor has them (`amx`), else in vectors that multiply bfloat16 (`vectors`), both
//! from operands packed alike (`pack`, `blocked`); elsewhere both operands are rounded and multiplied as float32. All
//! compute the same sums, up to their order.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod blocked;
#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(target_arch = "x86_64")]
mod vectors;

use super::matrix::{Before, Matrix, Target, float32};
use crate::vector::vectorised;

/// What multiplies bfloat16 here, for people to read; nothing where float32 is faster.
pub fn unit() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    return match () {
        () if amx::available() => Some("AMX"),
        () if vectors::available() => Some("AVX-512"),
        () => None,
    };
    #[cfg(not(target_arch = "x86_64"))]
    return None;
}

/// `target (+)= scale · left · right` of rounded operands; shapes and strides fit, and no shape is empty.
pub fn product(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    #[cfg(target_arch = "x86_64")]
    for unit in [blocked::Unit::Amx, blocked::Unit::Vectors] {
        if unit.available() {
            return blocked::product(unit, target, before, scale, left, right, threads);
        }
    }
    in_float32(target, before, scale, left, right, threads);
}

/// The same without products of bfloat16.
fn in_float32(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    let ([m, k], n) = ([left.rows, left.cols], right.cols);
    let (left, right) = (rounded(left), rounded(right));
    float32(target, before, scale, Matrix::new(&left, m, k), Matrix::new(&right, k, n), threads);
}

/// The nearest bfloat16, of two equally near ones the even one; NaN stays NaN.
#[inline(always)]
fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    if x.is_nan() { x } else { f32::from_bits(rounded) }
}

/// The rounded values of a matrix, row after row.
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
mod tests {
    use super::*;

    type Product = fn(Target, Before, f32, Matrix, Matrix, usize);

    /// Each way that this processor knows, by name.
    fn ways() -> Vec<(&'static str, Product)> {
        let mut ways: Vec<(_, Product)> = vec![("what is chosen", product), ("float32", in_float32)];
        #[cfg(target_arch = "x86_64")]
        if blocked::Unit::Vectors.available() {
            ways.push(("vectors", |target, before, scale, left, right, threads| {
                blocked::product(blocked::Unit::Vectors, target, before, scale, left, right, threads);
            }));
        }
        ways
    }

    /// Values whose products, and sums of 9,000 of these, are exact in float32 however they are ordered.
    fn whole(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 + seed * 11) % 65) as f32 - 32.0).collect()
    }

    /// On whole numbers every way is exact: shapes around the edges of tiles and of blocks, both orders of both operands,
    /// targets wider than the product, added or not, on one thread and several.
    #[test]
    fn products_in_any_shape_are_exact_on_whole_numbers() {
        let shapes = [
            (1, 1, 1),
            (15, 17, 31),
            (16, 16, 32),
            (33, 47, 65),
            (130, 35, 70),
            (300, 20, 5),
            (7, 900, 700),
            (3, 5, 9000),
        ];
        for (case, (m, n, k)) in shapes.into_iter().enumerate() {
            for layout in 0..8 {
                let (left, right) = (whole((m + 3) * (k + 3), case), whole((k + 2) * (n + 2), case + 5));
                let left = match layout & 1 {
                    0 => Matrix::strided(&left, m, k, k + 3),
                    _ => Matrix::strided(&left, k, m, m + 3).transposed(),
                };
                let right = match layout & 2 {
                    0 => Matrix::strided(&right, k, n, n + 2),
                    _ => Matrix::strided(&right, n, k, k + 2).transposed(),
                };
                let (before, threads) = match layout & 4 {
                    0 => (Before::Forgotten, 1),
                    _ => (Before::Kept, 2),
                };
                let start: Vec<f32> = (0..m * (n + 1)).map(|i| (i % 7) as f32).collect();
                let mut exact = start.clone();
                float32(Target::strided(&mut exact, m, n, n + 1), before, 0.5, left, right, 1);
                for (way, product) in ways() {
                    let mut ours = start.clone();
                    product(Target::strided(&mut ours, m, n, n + 1), before, 0.5, left, right, threads);
                    assert!(ours == exact, "{m} × {n} × {k}, layout {layout}, {way}");
                }
            }
        }
    }

    #[test]
    fn a_single_row_may_have_any_stride() {
        let (left, right) = (whole(40, 1), whole(40 * 50, 2));
        let mut exact = vec![0.0; 50];
        let (a, b) = (Matrix::new(&left, 1, 40), Matrix::new(&right, 40, 50));
        float32(Target::new(&mut exact, 1, 50), Before::Forgotten, 1.0, a, b, 1);
        for (way, product) in ways() {
            let mut ours = vec![0.0; 50];
            product(Target::strided(&mut ours, 1, 50, 1), Before::Forgotten, 1.0, a, b, 1);
            assert!(ours == exact, "{way}");
        }
    }

    /// Operands that need rounding: each way rounds to the same numbers, and sums their products in float32.
    #[test]
    fn operands_are_rounded_and_sums_are_not() {
        let (m, n, k) = (40, 50, 300);
        let wave = |len: usize, step: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * step).sin()).collect() };
        let (left, right) = (wave(m * k, 0.37), wave(k * n, 0.73));
        let (a, b) = (Matrix::new(&left, m, k), Matrix::new(&right, k, n));
        let (x, y) = (rounded(a), rounded(b));
        for (way, product) in ways() {
            let mut ours = vec![0.0; m * n];
            product(Target::new(&mut ours, m, n), Before::Forgotten, 1.0, a, b, 1);
            let (mut furthest, mut unrounded) = (0f64, 0f64);
            for i in 0..m {
                for j in 0..n {
                    let sum = |left: &[f32], right: &[f32]| -> f64 {
                        (0..k).map(|p| f64::from(left[i * k + p]) * f64::from(right[p * n + j])).sum()
                    };
                    furthest = furthest.max((f64::from(ours[i * n + j]) - sum(&x, &y)).abs());
                    unrounded = unrounded.max((f64::from(ours[i * n + j]) - sum(&left, &right)).abs());
                }
            }
            assert!(furthest < 2e-5, "{way}: {furthest} from the product of the rounded operands");
            assert!(unrounded > 1e-3, "{way}: {unrounded} from that of the operands as they are: nothing was rounded");
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_and_even() {
        let step = 2f32.powi(-7); // between neighbours from 1 to 2
        for (x, nearest) in [
            (1.0, 1.0),
            (1.0 + 0.49 * step, 1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 0.51 * step, 1.0 + step),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (-1.0 - 0.75 * step, -1.0 - step),
            (f32::INFINITY, f32::INFINITY),
            (f32::MAX, f32::INFINITY),
            (0.0, 0.0),
        ] {
            assert_eq!(round(x), nearest, "{x}");
        }
        assert!(round(f32::NAN).is_nan() && round(f32::from_bits(0x7f80_0001)).is_nan());
    }
}
