//! Views of the arrays of an attention: heads and biases by distance.

use crate::array::Array;
use crate::matmul::Matrix;

/// A view of `[batch, head, len, head_size]`.
pub struct Heads<'a> {
    values: &'a [f32],
    strides: [usize; 4],
    head_size: usize,
}

impl<'a> Heads<'a> {
    pub fn of(array: &'a Array) -> Self {
        let (values, strides) = array.strided();
        Self { values, strides, head_size: array.width() }
    }

    /// Some rows of one head.
    pub fn rows(&self, batch: usize, head: usize, first: usize, rows: usize) -> Matrix<'a> {
        let start = batch * self.strides[0] + head * self.strides[1] + first * self.strides[2];
        Matrix::strided(&self.values[start.min(self.values.len())..], rows, self.head_size, self.strides[2])
    }
}

/// A bias by head and distance, `[head, query_len + key_len - 1]`.
#[derive(Clone, Copy)]
pub struct Bias<'a> {
    pub values: &'a [f32],
    pub width: usize,
    query_len: usize,
}

impl<'a> Bias<'a> {
    pub fn of(array: &'a Array, query_len: usize) -> Self {
        Self { values: array.values(), width: array.width(), query_len }
    }

    /// The place of the term of one head, query and the first key; those of later keys follow.
    pub fn start(&self, head: usize, query: usize) -> usize {
        head * self.width + self.query_len - 1 - query
    }
}

/// The array with contiguous heads and no dimension backwards, copied only if necessary.
pub fn readable(array: Array) -> Array {
    let stands = array.runs_forward() && (array.width() == 1 || array.strided::<4>().1[3] == 1);
    if stands { array } else { array.row_major() }
}
