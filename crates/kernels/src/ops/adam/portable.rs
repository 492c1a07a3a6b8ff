//! The definition of an Adam step.

use super::{AdamState, AdamStep};
use burn::tensor::Tensor;

/// One step of algorithm 1, composed of tensor operations.
pub fn portable(state: AdamState, gradient: Tensor<1>, step: AdamStep) -> AdamState {
    let AdamStep { beta_1, beta_2, epsilon, learning_rate, .. } = step;
    let first = state.first.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let second = state.second.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
    let [correction_1, correction_2] = step.bias_corrections();
    let deviation = second.clone().sqrt().mul_scalar(1.0 / correction_2.sqrt()).add_scalar(epsilon);
    let change = (first.clone() / deviation).mul_scalar(learning_rate / correction_1);
    let decayed = state.weight.mul_scalar(1.0 - learning_rate * step.weight_decay);
    AdamState { weight: decayed - change, first, second }
}
