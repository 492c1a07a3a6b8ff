//! Shared by the fused losses for the CPU: a projection's inputs, logits and gradients.

use burn::tensor::{Int, Tensor};
use rayon::current_num_threads;
use rayon::prelude::*;

use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::matmul::{Accumulate, Factor, Finish, Matrix, replace_by_product};
use crate::projection_loss::{LossSums, Projection};
use crate::simd::vectorised;

/// Applies an operation on the inputs of a projection, which returns both sums of its loss, `[2]`.
pub fn loss_sums(projection: Projection, loss: impl autodiff::Operation) -> LossSums {
    let Projection { hidden, matrix, bias } = projection;
    let sums: Tensor<1> = match bias {
        Some(bias) => autodiff::three(hidden, matrix, bias, loss),
        None => autodiff::two(hidden, matrix, loss),
    };
    LossSums { smoothed: sums.clone().narrow(0, 0, 1), nll: sums.without_autodiff().narrow(0, 1, 1) }
}

/// Returns ids on the host.
pub fn token_ids(ids: Tensor<1, Int>) -> Vec<i32> {
    ids.into_data().iter::<i32>().collect()
}

/// Returns the rows that are not padding.
pub fn real_rows(targets: &[i32], pad_id: usize) -> Vec<usize> {
    (0..targets.len()).filter(|&row| targets[row] as usize != pad_id).collect()
}

/// The inputs of a projection as arrays in row-major order.
pub struct Inputs {
    /// `[rows, d_model]`.
    pub hidden: Array,
    /// `[vocabulary, d_model]`.
    pub matrix: Array,
    /// `[vocabulary]`.
    pub bias: Option<Array>,
}

impl Inputs {
    pub fn new(inputs: Vec<Array>) -> Self {
        let mut inputs = inputs.into_iter().map(Array::row_major);
        let (Some(hidden), Some(matrix), bias) = (inputs.next(), inputs.next(), inputs.next()) else {
            unreachable!("a projection has an input and a matrix")
        };
        Self { hidden, matrix, bias }
    }

    /// Rows, width and vocabulary.
    pub fn sizes(&self) -> [usize; 3] {
        let ([rows, width], [vocabulary, _]) = (self.hidden.dims(), self.matrix.dims());
        [rows, width, vocabulary]
    }

    /// The matrix as a factor, `[vocabulary, d_model]`.
    pub fn projection(&self) -> Matrix<'_> {
        let [_, width, vocabulary] = self.sizes();
        Matrix::new(self.matrix.values(), vocabulary, width)
    }

    /// The bias, if the projection has one.
    pub fn bias_values(&self) -> Option<&[f32]> {
        self.bias.as_ref().map(Array::values)
    }
}

/// The matrix of a projection as the right operand of a loss's products, packed once for all blocks of rows.
pub struct Projector<'a> {
    to_logits: Factor<'a>,
    to_states: Option<Factor<'a>>,
    bias: Option<&'a [f32]>,
}

impl<'a> Projector<'a> {
    /// Packs the matrix, for gradients too if they are computed.
    pub fn new(inputs: &'a Inputs, with_gradients: bool) -> Self {
        let matrix = inputs.projection();
        Self {
            to_logits: Factor::packed(matrix.transposed()),
            to_states: with_gradients.then(|| Factor::packed(matrix)),
            bias: inputs.bias_values(),
        }
    }

    /// Replaces `logits`, `[rows, vocabulary]`, by those of `states`, `[rows, d_model]`.
    pub fn logits(&self, states: Matrix, logits: &mut Vec<f32>) {
        let finish = Finish::layer(self.bias, false);
        replace_by_product(logits, finish, states, &self.to_logits, current_num_threads());
    }

    /// Replaces `d_states`, `[rows, d_model]`, by the gradient of states, computed from that of their logits.
    ///
    /// # Panics
    /// A projector without gradients.
    pub fn gradients(&self, d_logits: Matrix, d_states: &mut Vec<f32>) {
        let matrix = self.to_states.as_ref().expect("packed for gradients too");
        replace_by_product(d_states, Finish::new(Accumulate::Overwrite, 1.0), d_logits, matrix, current_num_threads());
    }
}

/// Gradients of a projection's inputs, as the arrays kept for the backward pass.
pub fn gradient_arrays(d_hidden: Vec<f32>, d_matrix: Vec<f32>, d_bias: Option<Vec<f32>>, width: usize) -> Kept {
    let rows_of = |values: Vec<f32>| {
        let rows = values.len() / width;
        Array::new(values, [rows, width])
    };
    let mut kept = vec![rows_of(d_hidden), rows_of(d_matrix)];
    kept.extend(d_bias.map(|d_bias| {
        let vocabulary = d_bias.len();
        Array::new(d_bias, [vocabulary])
    }));
    kept
}

/// Returns the kept gradients, times the gradient of the loss.
pub fn scaled_by(gradient: Array, kept: Kept) -> Vec<Option<Array>> {
    let factor = gradient.row_major().values()[0];
    let scaled = |mut array: Array| {
        array.values_mut().par_chunks_mut(1 << 15).for_each(|values| {
            vectorised!(values.iter_mut().for_each(|x| *x *= factor));
        });
        Some(array)
    };
    kept.into_iter().map(scaled).collect()
}
