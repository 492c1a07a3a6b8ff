//! One step of Adam (Kingma and Ba 2015, algorithm 1) in one pass over memory, the sum of the micro-batches' gradients, and
//! their norm.
//!
//! **Why fused:** composed of tensor operations, a step makes thirteen passes over four arrays as long as the model.

mod blocks;
#[cfg(feature = "flex")]
pub(crate) mod cpu;
#[cfg(feature = "cube")]
mod gpu;
mod portable;

pub use blocks::{block_squares, norm_block, sum_of_blocks};
use burn::tensor::Tensor;
pub use portable::portable;

#[cfg(feature = "flex")]
use crate::autodiff;

/// Hyper-parameters of one Adam step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Decay β₁ of the gradient's running mean.
    pub beta_1: f64,
    /// Decay β₂ of the squared gradient's running mean.
    pub beta_2: f64,
    /// ε, added to the root of the second moment.
    pub epsilon: f64,
    /// Step size α.
    pub learning_rate: f64,
    /// Decoupled weight decay (Loshchilov and Hutter 2019): a weight shrinks by `learning_rate * weight_decay`. 0 is
    /// plain Adam.
    pub weight_decay: f64,
    /// Number t of the step, from 1.
    pub step: u64,
}

impl AdamStep {
    /// Bias corrections 1 − βᵗ (algorithm 1).
    pub(crate) fn bias_corrections(&self) -> [f64; 2] {
        [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powf(self.step as f64))
    }
}

/// A weight with its two moments, all flat and of one length.
#[derive(Clone, Debug)]
pub struct AdamState {
    /// The parameter, `[n]`.
    pub weight: Tensor<1>,
    /// Running mean of the gradient, `[n]`.
    pub first: Tensor<1>,
    /// Running mean of the squared gradient, `[n]`.
    pub second: Tensor<1>,
}

/// Returns the state after one step. Tensors that nobody else holds are changed in place.
pub fn adam(state: AdamState, gradient: Tensor<1>, step: AdamStep) -> AdamState {
    #[cfg(feature = "flex")]
    if autodiff::applies(&state.weight) {
        return cpu::adam(state, gradient, step);
    }
    portable(state, gradient, step)
}

/// The moving average of a weight over all updates.
#[derive(Clone, Debug)]
pub struct Average {
    /// The average before the update, `[n]`.
    pub weight: Tensor<1>,
    /// Its share of the next average; the rest is the updated weight.
    pub kept: f64,
}

/// As [`adam`], with the gradient multiplied by `factor` (`[1]`), and the moving average after the step.
pub fn clipped_adam(
    state: AdamState,
    gradient: Tensor<1>,
    factor: Option<Tensor<1>>,
    average: Option<Average>,
    step: AdamStep,
) -> (AdamState, Option<Tensor<1>>) {
    #[cfg(feature = "cube")]
    if crate::gpu::applies(&state.weight) {
        return gpu::adam(state, gradient, factor, average, step);
    }
    let gradient = match factor {
        Some(factor) => gradient * factor,
        None => gradient,
    };
    let state = adam(state, gradient, step);
    let next = |Average { weight, kept }: Average| weight * kept + state.weight.clone() * (1.0 - kept);
    let average = average.map(next);
    (state, average)
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

/// The norm of several tensors as one vector.
#[derive(Debug, Default)]
pub struct GlobalNorm {
    sum: Option<Tensor<1>>,
    #[cfg(feature = "cube")]
    on_gpu: Vec<burn_cubecl::tensor::CubeTensor>,
}

impl GlobalNorm {
    /// Adds a tensor.
    pub fn add<const D: usize>(&mut self, gradient: Tensor<D>) {
        #[cfg(feature = "cube")]
        if crate::gpu::applies(&gradient) {
            self.on_gpu.push(crate::gpu::primitive(gradient));
            return;
        }
        let square = squared_norm(gradient);
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + square,
            None => square,
        });
    }

    /// The root of the sum of all squares, `[1]`, left on the device; `None` without a tensor.
    pub fn root(self) -> Option<Tensor<1>> {
        #[cfg(feature = "cube")]
        if !self.on_gpu.is_empty() {
            let norm = gpu::norm(self.on_gpu);
            return Some(match self.sum {
                Some(sum) => (sum.to_device(&norm.device()) + norm.square()).sqrt(),
                None => norm,
            });
        }
        self.sum.map(Tensor::sqrt)
    }
}
