//! The definition of the most probable tokens.

use burn::tensor::{Tensor, activation};

/// Log-probabilities of all candidates, sorted.
pub fn portable(logits: Tensor<2>, count: usize) -> Tensor<3> {
    let [rows, vocabulary] = logits.dims();
    let candidates = logits.slice([0..rows, 0..vocabulary - 1]);
    let (values, ids) = activation::log_softmax(candidates, 1).sort_descending_with_indices(1);
    let first = [0..rows, 0..count];
    Tensor::stack(vec![ids.slice(first.clone()).float(), values.slice(first)], 2)
}
