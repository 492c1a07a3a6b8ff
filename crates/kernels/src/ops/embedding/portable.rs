//! The definition of the embedding.

use burn::tensor::{Int, Tensor, module};

/// The lookup, then the product with `scale`.
pub fn portable(matrix: Tensor<2>, ids: Tensor<2, Int>, scale: f64) -> Tensor<3> {
    module::embedding(matrix, ids).mul_scalar(scale)
}
