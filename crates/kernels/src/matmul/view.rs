//! Strided matrices over slices.

/// A matrix of `rows × cols` values in a slice, `row_stride` and `col_stride` apart.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
    pub col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    pub fn new(values: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(values, rows, cols, cols)
    }

    /// A matrix of contiguous rows, `row_stride` apart.
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

    /// One past the last index in use; `usize::MAX` where it overflows.
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

/// The target of a product: rows of `cols` values, `row_stride` apart.
pub struct MatrixMut<'a> {
    pub values: &'a mut [f32],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// A row-major target.
    pub fn new(values: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self { values, rows, cols, row_stride: cols }
    }

    pub fn strided(values: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { values, rows, cols, row_stride }
    }
}

/// The effect of a product on its target's values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Accumulate {
    /// The product replaces them.
    Overwrite,
    /// The product is added to them.
    Add,
}

/// Checks a product's shapes and bounds.
///
/// # Panics
/// Shapes that do not fit, or strides that reach beyond a slice.
pub fn check(target: &MatrixMut, left: &Matrix, right: &Matrix) {
    let (m, n, k) = (target.rows, target.cols, left.cols);
    assert!(left.rows == m && right.cols == n && right.rows == k, "{m}×{n} is not the shape of this product");
    assert!(left.end() <= left.values.len() && right.end() <= right.values.len(), "an operand is too short");
    let reached = Matrix { values: &[], rows: m, cols: n, row_stride: target.row_stride, col_stride: 1 }.end();
    assert!(reached <= target.values.len(), "the target is too short");
    assert!(m <= 1 || n <= target.row_stride, "rows of the target overlap");
}
