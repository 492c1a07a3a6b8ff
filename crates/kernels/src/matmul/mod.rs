//! Matrix products over slices: strided views, and one function for each way to share the work.
//!
//! [`precision`](crate::precision) decides whether operands are read in float32 or rounded to bfloat16.

pub mod bf16;
mod float32;
mod view;

pub use view::{Accumulate, Matrix, MatrixMut};

use crate::precision::{self, Precision};

/// `target (+)= scale · left · right`, on the calling thread.
///
/// # Panics
/// Shapes that do not fit, or a slice that is too short.
pub fn multiply(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix) {
    product(target, before, scale, left, right, 1);
}

/// [`multiply`] on all threads of the current pool; every element is the same sum as on one thread.
pub fn multiply_on_all_threads(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix) {
    product(target, before, scale, left, right, rayon::current_num_threads());
}

fn product(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    view::check(&target, &left, &right);
    if target.rows == 0 || target.cols == 0 {
        return;
    }
    match precision::current() {
        Precision::Bfloat16 if left.cols > 0 => bf16::product(target, before, scale, left, right, threads),
        Precision::Bfloat16 | Precision::Float32 => float32::product(target, before, scale, left, right, threads),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_and_transposed_operands() {
        let left: Vec<f32> = (0..12).map(|i| i as f32).collect(); // two columns of rows three apart
        let right: Vec<f32> = (0..6).map(|i| 1.0 - i as f32).collect();
        let a = Matrix::strided(&left, 4, 2, 3);
        let b = Matrix::new(&right, 3, 2).transposed();
        let mut out = vec![1.0; 4 * 5];
        multiply(MatrixMut::strided(&mut out, 4, 3, 5), Accumulate::Add, 2.0, a, b);
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
        multiply(
            MatrixMut::new(&mut out, 1, 2),
            Accumulate::Overwrite,
            1.0,
            Matrix::new(&[], 1, 0),
            Matrix::new(&[], 0, 2),
        );
        assert_eq!(out, [0.0, 0.0]);
        multiply(
            MatrixMut::new(&mut out, 0, 2),
            Accumulate::Overwrite,
            1.0,
            Matrix::new(&[], 0, 1),
            Matrix::new(&[1.0, 1.0], 1, 2),
        );
        assert_eq!(out, [0.0, 0.0]);
    }
}
