//! The definition of the recurrence.

use burn::tensor::Tensor;

/// One step after the other, composed of tensor operations.
pub fn portable(gates: Tensor<3>, inputs: Tensor<3>, mut state: Tensor<3>) -> Tensor<3> {
    let [batch, len, width] = gates.dims();
    if len == 0 {
        return inputs;
    }
    // σ(a) = (1 + tanh(a/2)) / 2; burn's sigmoid rounds to float32 on some backends.
    let forget = gates.mul_scalar(0.5).tanh().mul_scalar(0.5).add_scalar(0.5);
    let new = (forget.clone().neg() + 1.0) * inputs;
    let mut states = Vec::with_capacity(len);
    for at in 0..len {
        let step = |all: &Tensor<3>| all.clone().slice([0..batch, at..at + 1, 0..width]);
        state = step(&forget) * state + step(&new);
        states.push(state.clone());
    }
    Tensor::cat(states, 1)
}
