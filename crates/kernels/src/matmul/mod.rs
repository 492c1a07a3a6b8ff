//! Strided matrices over slices, and their product.

use gemm::Parallelism;

use super::bf16;
use crate::precision::{self, Precision};

/// `rows × cols` values of a slice, `row_stride` and `col_stride` apart.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
    pub col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row.
    pub fn new(values: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(values, rows, cols, cols)
    }

    /// Rows `row_stride` apart.
    pub fn strided(values: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { values, rows, cols, row_stride, col_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// One past the last index that the matrix touches; beyond every slice where no number is large enough for it.
    fn end(&self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        let down = (self.rows - 1).checked_mul(self.row_stride);
        let across = (self.cols - 1).checked_mul(self.col_stride);
        let last = down.zip(across).and_then(|(down, across)| down.checked_add(across));
        last.map_or(usize::MAX, |last| last.saturating_add(1))
    }
}

/// Where a product goes: rows of `cols` values, `row_stride` apart.
pub struct Target<'a> {
    pub values: &'a mut [f32],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
}

impl<'a> Target<'a> {
    /// Row after row.
    pub fn new(values: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self { values, rows, cols, row_stride: cols }
    }

    pub fn strided(values: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { values, rows, cols, row_stride }
    }
}

/// What happens to the values that a product's target holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// They are overwritten.
    Forgotten,
    /// The product is added to them.
    Kept,
}

/// `target (+)= scale · left · right`, on the calling thread.
///
/// # Panics
/// Shapes that do not fit, or a slice that is too short.
pub fn multiply(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix) {
    product(target, before, scale, left, right, 1);
}

/// [`multiply`] on all threads of the current pool; each element is the same sum as on one.
pub fn multiply_on_all_threads(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix) {
    product(target, before, scale, left, right, rayon::current_num_threads());
}

/// Panics unless the shapes fit and every index that the strides reach lies inside its slice.
pub(super) fn check(target: &Target, left: &Matrix, right: &Matrix) {
    let (m, n, k) = (target.rows, target.cols, left.cols);
    assert!(left.rows == m && right.cols == n && right.rows == k, "{m}×{n} is not the shape of this product");
    assert!(left.end() <= left.values.len() && right.end() <= right.values.len(), "an operand is too short");
    let reached = Matrix { values: &[], rows: m, cols: n, row_stride: target.row_stride, col_stride: 1 }.end();
    assert!(reached <= target.values.len(), "the target is too short");
    assert!(m <= 1 || n <= target.row_stride, "rows of the target overlap");
}

fn product(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    check(&target, &left, &right);
    if target.rows == 0 || target.cols == 0 {
        return;
    }
    match precision::current() {
        Precision::Bfloat16 if left.cols > 0 => bf16::product(target, before, scale, left, right, threads),
        _ => float32(target, before, scale, left, right, threads),
    }
}

/// A product of operands as they are; shapes and strides fit, and the target is not empty.
pub fn float32(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    check(&target, &left, &right);
    let (m, n, k) = (target.rows, target.cols, left.cols);
    let parallelism = match threads {
        1 => Parallelism::None,
        threads => Parallelism::Rayon(threads),
    };
    // SAFETY: every index that the strides reach lies inside its slice, as `check` asserts; the target is borrowed
    // exclusively, its rows do not overlap, and f32 has no invalid values.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.values.as_mut_ptr(),
            1,
            target.row_stride as isize,
            before == Before::Kept,
            left.values.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_strided_and_transposed_matrices() {
        let left: Vec<f32> = (0..12).map(|i| i as f32).collect(); // two columns of rows three apart
        let right: Vec<f32> = (0..6).map(|i| 1.0 - i as f32).collect();
        let a = Matrix::strided(&left, 4, 2, 3);
        let b = Matrix::new(&right, 3, 2).transposed();
        let mut out = vec![1.0; 4 * 5];
        multiply(Target::strided(&mut out, 4, 3, 5), Before::Kept, 2.0, a, b);
        for i in 0..4 {
            for j in 0..3 {
                let product: f32 = (0..2).map(|p| left[i * 3 + p] * right[j * 2 + p]).sum();
                assert_eq!(out[i * 5 + j], 1.0 + 2.0 * product);
            }
            assert_eq!(out[i * 5 + 3..i * 5 + 5], [1.0, 1.0], "outside the target");
        }
    }

    #[test]
    fn empty_products() {
        let mut out = [3.0, 3.0];
        multiply(Target::new(&mut out, 1, 2), Before::Forgotten, 1.0, Matrix::new(&[], 1, 0), Matrix::new(&[], 0, 2));
        assert_eq!(out, [0.0, 0.0]);
        multiply(
            Target::new(&mut out, 0, 2),
            Before::Forgotten,
            1.0,
            Matrix::new(&[], 0, 1),
            Matrix::new(&[1.0, 1.0], 1, 2),
        );
        assert_eq!(out, [0.0, 0.0]);
    }
}
