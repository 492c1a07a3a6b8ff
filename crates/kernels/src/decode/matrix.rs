//! A weight matrix in the type in which it is multiplied.

use super::bfloat16::Bfloat16Matrix;
use super::int8::Int8Matrix;
use super::packed::{PANEL, PackedMatrix};

/// Weight and bias of a linear layer, packed for decoding.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// Float32.
    Float32(PackedMatrix),
    /// Bfloat16, with sums in float32.
    Bfloat16(Bfloat16Matrix),
    /// Integers of 8 bits, with a scale per output.
    Int8(Int8Matrix),
}

impl Matrix {
    /// Width of the inputs.
    pub fn d_input(&self) -> usize {
        match self {
            Self::Float32(matrix) => matrix.d_input(),
            Self::Bfloat16(matrix) => matrix.d_input(),
            Self::Int8(matrix) => matrix.d_input(),
        }
    }

    /// Width of the outputs.
    pub fn d_output(&self) -> usize {
        match self {
            Self::Float32(matrix) => matrix.d_output(),
            Self::Bfloat16(matrix) => matrix.d_output(),
            Self::Int8(matrix) => matrix.d_output(),
        }
    }

    /// Bytes in memory, those of padding included.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Float32(matrix) => matrix.bytes(),
            Self::Bfloat16(matrix) => matrix.bytes(),
            Self::Int8(matrix) => matrix.bytes(),
        }
    }

    /// One output's weights times `factor`: the embedding of a token, where the matrix is also an output projection.
    ///
    /// # Panics
    /// An output that the matrix does not have, or a row of another length than `d_input`.
    pub fn row(&self, output: usize, factor: f32, row: &mut [f32]) {
        match self {
            Self::Float32(matrix) => matrix.row(output, factor, row),
            Self::Bfloat16(matrix) => matrix.row(output, factor, row),
            Self::Int8(matrix) => matrix.row(output, factor, row),
        }
    }

    /// A matrix of the given outputs alone, in this order.
    ///
    /// # Panics
    /// An output that the matrix does not have.
    pub fn select(&self, outputs: &[u32]) -> Self {
        match self {
            Self::Float32(matrix) => Self::Float32(matrix.select(outputs)),
            Self::Bfloat16(matrix) => Self::Bfloat16(matrix.select(outputs)),
            Self::Int8(matrix) => Self::Int8(matrix.select(outputs)),
        }
    }

    /// Panels of 64 outputs.
    pub(super) fn panels(&self) -> usize {
        self.d_output().div_ceil(PANEL)
    }

    /// A rough duration of a product with so many rows on one thread: the longer of reading weights from the second-level
    /// cache and of multiplying, on a processor of today.
    pub(super) fn nanoseconds(&self, rows: usize) -> usize {
        let (bytes, multiplied) = match self {
            Self::Float32(_) => (4, 50),
            Self::Bfloat16(_) => (2, 100),
            Self::Int8(_) => (1, 160),
        };
        let weights = self.d_input() * self.d_output();
        (weights * bytes / 80).max(weights * rows / multiplied)
    }
}
