//! Strided matrices over slices.

use std::mem::MaybeUninit;

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
    pub fn end(&self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        let down = (self.rows - 1).checked_mul(self.row_stride);
        let across = (self.cols - 1).checked_mul(self.col_stride);
        let last = down.zip(across).and_then(|(down, across)| down.checked_add(across));
        last.map_or(usize::MAX, |last| last.saturating_add(1))
    }
}

/// The target of a product: rows of `cols` values, `row_stride` apart. Products write numbers only.
pub struct MatrixMut<'a> {
    pub values: &'a mut [MaybeUninit<f32>],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
    /// Whether the values can be read.
    pub readable: bool,
}

impl<'a> MatrixMut<'a> {
    /// A row-major target.
    pub fn new(values: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(values, rows, cols, cols)
    }

    /// A target of contiguous rows, `row_stride` apart.
    pub fn strided(values: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        // SAFETY: the layouts are equal, and no product writes uninitialised values.
        let values = unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<f32>]) };
        Self { values, rows, cols, row_stride, readable: true }
    }

    /// The same target, borrowed for one product.
    pub fn reborrow(&mut self) -> MatrixMut<'_> {
        MatrixMut { values: &mut *self.values, ..*self }
    }

    /// A row-major target without values, which a product overwrites.
    pub fn uninit(values: &'a mut [MaybeUninit<f32>], rows: usize, cols: usize) -> Self {
        Self { values, rows, cols, row_stride: cols, readable: false }
    }
}

/// The effect of a product on its target's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// The product replaces them.
    Overwrite,
    /// The product is added to them.
    Add,
}

/// The values that a product's sums become: `scale · sum + bias`, then max(0, ·) if `relu`, in or on top of the target.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    pub before: Accumulate,
    pub scale: f32,
    /// A value per column.
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
}

impl<'a> Finish<'a> {
    /// The product alone.
    pub fn new(before: Accumulate, scale: f32) -> Self {
        Self { before, scale, bias: None, relu: false }
    }

    /// The outputs of a linear layer.
    pub fn layer(bias: Option<&'a [f32]>, relu: bool) -> Self {
        Self { bias, relu, ..Self::new(Accumulate::Overwrite, 1.0) }
    }

    /// The finish of a part of a sum: the bias is added with the first one, and ReLU comes after the last one.
    pub fn of_part(self, first: bool, last: bool) -> Self {
        Self {
            before: if first { self.before } else { Accumulate::Add },
            bias: self.bias.filter(|_| first),
            relu: self.relu && last,
            ..self
        }
    }
}

/// Checks a product's shapes and bounds.
///
/// # Panics
/// Shapes that do not fit, strides that reach beyond a slice, or a sum onto a target without values.
pub fn check(target: &MatrixMut, finish: &Finish, left: &Matrix, right: &Matrix) {
    let (m, n, k) = (target.rows, target.cols, left.cols);
    assert!(left.rows == m && right.cols == n && right.rows == k, "{m}×{n} is not the shape of this product");
    assert!(left.end() <= left.values.len() && right.end() <= right.values.len(), "an operand is too short");
    let reached = Matrix { values: &[], rows: m, cols: n, row_stride: target.row_stride, col_stride: 1 }.end();
    assert!(reached <= target.values.len(), "the target is too short");
    assert!(m <= 1 || n <= target.row_stride, "rows of the target overlap");
    assert!(target.readable || finish.before == Accumulate::Overwrite, "a target without values has no sum");
    assert!(finish.bias.is_none_or(|bias| bias.len() == n), "a bias has a value per column");
}
