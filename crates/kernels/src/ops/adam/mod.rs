//! The update of Adam (Kingma and Ba 2015, algorithm 1) in one pass over memory, and what precedes it: gradients of the
//! parts of a batch added up, and their norm.
//!
//! **Why fused:** composed, an update is thirteen passes over four arrays as long as the model.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::autodiff;
#[cfg(feature = "flex")]
pub(crate) mod cpu;

/// What an update multiplies with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
    pub learning_rate: f64,
    /// Share of the weight, per unit of the learning rate, that it loses (Loshchilov and Hutter 2019); 0 is plain Adam.
    pub weight_decay: f64,
    /// The number of the update, from 1.
    pub step: u64,
}

/// A weight with the running means of its gradient and of that gradient's square, all flat.
#[derive(Clone, Debug)]
pub struct AdamState {
    pub weight: Tensor<1>,
    pub first: Tensor<1>,
    pub second: Tensor<1>,
}

/// The weight and its means after one update. Tensors that nobody else holds are changed in place.
pub fn adam(moving: AdamState, gradient: Tensor<1>, rates: AdamStep) -> AdamState {
    #[cfg(feature = "flex")]
    if autodiff::applies(&moving.weight) {
        return cpu::adam(moving, gradient, rates);
    }
    portable(moving, gradient, rates)
}

/// The definition.
pub fn portable(moving: AdamState, gradient: Tensor<1>, rates: AdamStep) -> AdamState {
    let AdamStep { beta_1, beta_2, epsilon, learning_rate, .. } = rates;
    let first = moving.first.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let second = moving.second.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
    let [correction_1, correction_2] = rates.corrections();
    let deviation = second.clone().sqrt().mul_scalar(1.0 / correction_2.sqrt()).add_scalar(epsilon);
    let change = (first.clone() / deviation).mul_scalar(learning_rate / correction_1);
    let shrunk = moving.weight.mul_scalar(1.0 - learning_rate * rates.weight_decay);
    AdamState { weight: shrunk - change, first, second }
}

impl AdamStep {
    /// By how much the means still lean towards the zeros that they began with.
    pub(crate) fn corrections(&self) -> [f64; 2] {
        [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powf(self.step as f64))
    }
}

/// `sum + part`, in place where nobody else holds the sum.
pub fn accumulate<const D: usize>(sum: Tensor<D>, part: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&sum) {
        return cpu::accumulate(sum, part);
    }
    sum + part
}

/// The sum of all squares, `[1]`.
pub fn squared_norm<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if autodiff::applies(&gradient) {
        return cpu::squared_norm(gradient);
    }
    gradient.square().sum_dim(D - 1).sum()
}
