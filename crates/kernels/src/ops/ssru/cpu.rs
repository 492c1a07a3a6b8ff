//! The fused recurrence for the CPU.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::simd::{exp, vectorised};

pub fn states(gates: Tensor<3>, inputs: Tensor<3>, state: Tensor<3>) -> Tensor<3> {
    let [batch, _, width] = gates.dims();
    assert_eq!(gates.dims(), inputs.dims(), "as many gates as inputs");
    assert_eq!(state.dims(), [batch, 1, width], "one state a sentence");
    autodiff::three(gates, inputs, state, States)
}

#[derive(Debug)]
struct States;

impl autodiff::Operation for States {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let [gates, inputs, first] = autodiff::exactly(inputs).map(Array::row_major);
        let shape @ [_, len, width] = gates.dims();
        let (sentence, state) = ((len * width).max(1), width.max(1));
        let mut forget = vec![0.0; gates.values().len()];
        let mut states = vec![0.0; gates.values().len()];
        forget
            .par_chunks_mut(sentence)
            .zip(states.par_chunks_mut(sentence))
            .zip(gates.values().par_chunks(sentence))
            .zip(inputs.values().par_chunks(sentence))
            .zip(first.values().par_chunks(state))
            .for_each(|((((forget, states), gates), inputs), first)| {
                vectorised!({
                    forget.iter_mut().zip(gates).for_each(|(forget, gate)| *forget = sigmoid(*gate));
                    scan(states, forget, inputs, first);
                });
            });
        let states = Array::new(states, shape);
        let kept = match tracked {
            true => vec![Array::new(forget, shape), inputs, first, states.clone()],
            false => Vec::new(),
        };
        (states, kept)
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        let [forget, inputs, first, states] = autodiff::exactly(kept);
        let shape @ [batch, len, width] = forget.dims();
        let (sentence, state) = ((len * width).max(1), width.max(1));
        // The gradient of the states becomes that of the inputs.
        let mut gradient = gradient.row_major();
        let mut of_gates = vec![0.0; forget.values().len()];
        let mut of_first = vec![0.0; batch * width];
        of_gates
            .par_chunks_mut(sentence)
            .zip(gradient.values_mut().par_chunks_mut(sentence))
            .zip(of_first.par_chunks_mut(state))
            .zip(forget.values().par_chunks(sentence))
            .zip(inputs.values().par_chunks(sentence))
            .zip(states.values().par_chunks(sentence))
            .zip(first.values().par_chunks(state))
            .for_each(|((((((gates, gradient), carried), forget), inputs), states), first)| {
                vectorised!(scan_back(gates, gradient, carried, [forget, inputs, states, first]));
            });
        vec![Some(Array::new(of_gates, shape)), Some(gradient), Some(Array::new(of_first, [batch, 1, width]))]
    }
}

/// σ(x), by an exponential of at most 1.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let small = exp(-x.abs());
    let numerator = if x < 0.0 { small } else { 1.0 };
    numerator / (1.0 + small)
}

/// Computes the states of one sentence.
#[inline(always)]
fn scan(states: &mut [f32], forget: &[f32], inputs: &[f32], first: &[f32]) {
    let width = first.len();
    for start in (0..states.len()).step_by(width.max(1)) {
        let (done, state) = states.split_at_mut(start);
        let before = if start == 0 { first } else { &done[start - width..] };
        let step = start..start + width;
        let parts = before.iter().zip(&forget[step.clone()]).zip(&inputs[step]);
        for (state, ((before, forget), input)) in state.iter_mut().zip(parts) {
            *state = forget * before + (1.0 - forget) * input;
        }
    }
}

/// Computes the gradients of one sentence: of the gates before σ, and in place of the states' gradient that of the inputs.
/// `carried`, zeros at first, becomes the gradient of the state before the first step.
#[inline(always)]
fn scan_back(
    of_gates: &mut [f32],
    gradient: &mut [f32],
    carried: &mut [f32],
    [forget, inputs, states, first]: [&[f32]; 4],
) {
    let width = carried.len();
    for start in (0..gradient.len()).step_by(width.max(1)).rev() {
        let step = start..start + width;
        let before = if start == 0 { first } else { &states[start - width..start] };
        let kept = forget[step.clone()].iter().zip(&inputs[step.clone()]).zip(before);
        let gradients = of_gates[step.clone()].iter_mut().zip(&mut gradient[step]).zip(&mut *carried);
        for (((of_gate, of_state), carried), ((forget, input), before)) in gradients.zip(kept) {
            let total = *of_state + *carried;
            *of_gate = total * (before - input) * forget * (1.0 - forget);
            *carried = total * forget;
            *of_state = total * (1.0 - forget);
        }
    }
}
