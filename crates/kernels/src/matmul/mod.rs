//! Matrix products over slices: strided views, and one function for each way to share the work.
//!
//! [`precision`](crate::precision) decides whether operands are read in float32 or rounded to bfloat16.

pub mod bf16;
mod finish;
mod float32;
#[cfg(target_arch = "x86_64")]
mod registers;
#[cfg(test)]
mod testing;
#[cfg(target_arch = "x86_64")]
mod vectors;
mod view;

#[cfg(target_arch = "x86_64")]
use std::sync::Arc;

#[cfg(target_arch = "x86_64")]
use vectors::{Panels, Right, Unit};
pub use view::{Accumulate, Finish, Matrix, MatrixMut};

use crate::precision::{self, Precision};

/// `target (+)= scale · left · right`, on the calling thread.
///
/// # Panics
/// Shapes that do not fit, or a slice that is too short.
pub fn multiply(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix) {
    product(target, Finish::new(before, scale), left, &Factor::in_place(right), 1);
}

/// [`multiply`] on all threads of the current pool; every element is the same sum as on one thread.
pub fn multiply_on_all_threads(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix) {
    let threads = rayon::current_num_threads();
    product(target, Finish::new(before, scale), left, &Factor::in_place(right), threads);
}

/// The right operand of several products, packed once.
pub struct Factor<'a> {
    matrix: Matrix<'a>,
    #[cfg(target_arch = "x86_64")]
    panels: Option<Arc<Panels>>,
}

impl<'a> Factor<'a> {
    /// Packs an operand on all threads of the current pool, where products pack their operands.
    ///
    /// # Panics
    /// A slice that is too short.
    pub fn packed(matrix: Matrix<'a>) -> Self {
        #[cfg(target_arch = "x86_64")]
        let panels = unit().filter(|_| matrix.rows > 0 && matrix.cols > 0);
        Self {
            matrix,
            #[cfg(target_arch = "x86_64")]
            panels: panels.map(|unit| Arc::new(Panels::new(unit, matrix, rayon::current_num_threads()))),
        }
    }

    /// The first columns of the operand, which share its panels.
    ///
    /// # Panics
    /// More columns than the operand has.
    pub fn first_columns(&self, cols: usize) -> Self {
        assert!(cols <= self.matrix.cols, "{cols} columns of {}", self.matrix.cols);
        Self {
            matrix: Matrix { cols, ..self.matrix },
            #[cfg(target_arch = "x86_64")]
            panels: self.panels.clone(),
        }
    }

    /// An operand of one product.
    pub fn in_place(matrix: Matrix<'a>) -> Self {
        Self {
            matrix,
            #[cfg(target_arch = "x86_64")]
            panels: None,
        }
    }
}

/// The vector unit for the current precision, unless another product is used.
#[cfg(target_arch = "x86_64")]
fn unit() -> Option<Unit> {
    match precision::current() {
        Precision::Float32 | Precision::Tfloat32 => Unit::float32(),
        Precision::Bfloat16 if bf16::amx::available() => None,
        Precision::Bfloat16 => Unit::bfloat16(),
    }
}

/// `target = finish(left · right)` on `threads` threads of the current pool.
///
/// # Panics
/// Shapes that do not fit, or a slice that is too short.
pub fn product(target: MatrixMut, finish: Finish, left: Matrix, right: &Factor, threads: usize) {
    view::check(&target, &finish, &left, &right.matrix);
    if target.rows == 0 || target.cols == 0 {
        return;
    }
    if left.cols == 0 {
        return finish::without_product(target, finish);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(unit) = unit() {
        let right = match &right.panels {
            Some(panels) => Right::Packed(panels),
            None => Right::Plain(right.matrix),
        };
        return vectors::product(unit, target, finish, left, right, threads);
    }
    match precision::current() {
        Precision::Bfloat16 => bf16::product(target, finish, left, right.matrix, threads),
        Precision::Float32 | Precision::Tfloat32 => float32::product(target, finish, left, right.matrix, threads),
    }
}

/// The result of [`product`] as new row-major values, whose memory is not cleared before.
///
/// # Panics
/// A finish that adds to the target, shapes that do not fit, or a slice that is too short.
pub fn new_product(finish: Finish, left: Matrix, right: &Factor, threads: usize) -> Vec<f32> {
    let mut values = Vec::new();
    replace_by_product(&mut values, finish, left, right, threads);
    values
}

/// Replaces `values` by those of [`new_product`], in the same memory if it suffices.
///
/// # Panics
/// As [`new_product`].
pub fn replace_by_product(values: &mut Vec<f32>, finish: Finish, left: Matrix, right: &Factor, threads: usize) {
    let (rows, cols) = (left.rows, right.matrix.cols);
    values.clear();
    values.reserve_exact(rows * cols);
    product(
        MatrixMut::uninit(&mut values.spare_capacity_mut()[..rows * cols], rows, cols),
        finish,
        left,
        right,
        threads,
    );
    // SAFETY: a product that overwrites its target writes every value.
    unsafe { values.set_len(rows * cols) };
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
