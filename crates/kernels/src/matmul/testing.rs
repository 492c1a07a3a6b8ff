//! Products for the tests of every unit.

use super::float32::by_gemm;
use super::view::{Finish, Matrix, MatrixMut};

/// Values whose products, and sums of 9,000 of these, are exact in float32 however they are ordered.
pub fn whole(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + seed * 11) % 65) as f32 - 32.0).collect()
}

/// A product of whole numbers onto a target wider than it, and its exact result.
pub struct Case<'a> {
    pub name: String,
    pub left: Matrix<'a>,
    pub right: Matrix<'a>,
    pub finish: Finish<'a>,
    start: Vec<f32>,
    exact: Vec<f32>,
}

impl Case<'_> {
    /// Expects the exact result of a product of this case.
    ///
    /// # Panics
    /// Any other result.
    pub fn check(&self, way: &str, product: impl FnOnce(MatrixMut)) {
        let mut ours = self.start.clone();
        let (rows, cols) = (self.left.rows, self.right.cols);
        product(MatrixMut::strided(&mut ours, rows, cols, cols + 1));
        assert!(ours == self.exact, "{}, {way}", self.name);
    }
}

/// Runs `check` on products of the shapes `(rows, columns, depth)`, in all orders of both operands, with each of two finishes.
pub fn each_layout(
    shapes: &[(usize, usize, usize)],
    finishes: [for<'a> fn(&'a [f32]) -> Finish<'a>; 2],
    mut check: impl FnMut(&Case, usize),
) {
    for (i, &(m, n, k)) in shapes.iter().enumerate() {
        for layout in 0..8 {
            let (left, right) = (whole((m + 3) * (k + 3), i), whole((k + 2) * (n + 2), i + 5));
            let left = match layout & 1 {
                0 => Matrix::strided(&left, m, k, k + 3),
                _ => Matrix::strided(&left, k, m, m + 3).transposed(),
            };
            let right = match layout & 2 {
                0 => Matrix::strided(&right, k, n, n + 2),
                _ => Matrix::strided(&right, n, k, k + 2).transposed(),
            };
            let bias = whole(n, i + 9);
            let second = layout >> 2;
            let finish = finishes[second](&bias);
            let start: Vec<f32> = (0..m * (n + 1)).map(|i| (i % 7) as f32).collect();
            let mut exact = start.clone();
            by_gemm(MatrixMut::strided(&mut exact, m, n, n + 1), finish, left, right, 1);
            let name = format!("{m} × {n} × {k}, layout {layout}");
            check(&Case { name, left, right, finish, start, exact }, second + 1);
        }
    }
}
