//! The fused Adam step for the CPU.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::adam::blocks::{BLOCK, block_squares, sum_of_blocks};
use crate::adam::{AdamState, AdamStep};
use crate::array::Array;
use crate::blocks::add_to;
use crate::simd::vectorised;

#[backend_extension(Flex)]
trait Update: Backend {
    fn accumulate(sum: FloatTensor<Self>, part: FloatTensor<Self>) -> FloatTensor<Self>;
    fn squared_norm(gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    fn update(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

pub fn adam(state: AdamState, gradient: Tensor<1>, step: AdamStep) -> AdamState {
    let size = state.weight.dims();
    let others = [state.first.dims(), state.second.dims(), gradient.dims()];
    assert_eq!(others, [size; 3], "means and gradient are as long as the weight");
    let (weight, first, second) = <Dispatch as Update>::update(
        state.weight.into_dispatch(),
        state.first.into_dispatch(),
        state.second.into_dispatch(),
        gradient.into_dispatch(),
        step,
    );
    AdamState {
        weight: Tensor::from_dispatch(weight),
        first: Tensor::from_dispatch(first),
        second: Tensor::from_dispatch(second),
    }
}

pub fn accumulate<const D: usize>(sum: Tensor<D>, part: Tensor<D>) -> Tensor<D> {
    assert_eq!(sum.dims(), part.dims(), "a part has the shape of the sum");
    Tensor::from_dispatch(<Dispatch as Update>::accumulate(sum.into_dispatch(), part.into_dispatch()))
}

pub fn squared_norm<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as Update>::squared_norm(gradient.into_dispatch()))
}

type Plain = FloatTensor<Flex>;

impl Update for Flex {
    fn accumulate(sum: Plain, part: Plain) -> Plain {
        let (mut sum, part) = (Array::from(sum).row_major(), Array::from(part).row_major());
        let blocks = sum.values_mut().par_chunks_mut(BLOCK).zip(part.values().par_chunks(BLOCK));
        blocks.for_each(|(sum, part)| vectorised!(add_to(sum, part, 1.0)));
        sum.into()
    }

    fn squared_norm(gradient: Plain) -> Plain {
        let gradient = Array::from(gradient).row_major();
        Array::new(vec![sum_of_blocks(block_squares(gradient.values()))], [1]).into()
    }

    fn update(weight: Plain, first: Plain, second: Plain, gradient: Plain, step: AdamStep) -> (Plain, Plain, Plain) {
        let [correction_1, correction_2] = step.bias_corrections();
        let (beta_1, rest_1) = (step.beta_1 as f32, (1.0 - step.beta_1) as f32);
        let (beta_2, rest_2) = (step.beta_2 as f32, (1.0 - step.beta_2) as f32);
        let (epsilon, widening) = (step.epsilon as f32, (1.0 / correction_2.sqrt()) as f32);
        let rate = (step.learning_rate / correction_1) as f32;
        let shrunk = (1.0 - step.learning_rate * step.weight_decay) as f32;
        let [mut weight, mut first, mut second] = [weight, first, second].map(|tensor| Array::from(tensor).row_major());
        let gradient = Array::from(gradient).row_major();
        let weights = weight.values_mut().par_chunks_mut(BLOCK);
        let means = first.values_mut().par_chunks_mut(BLOCK).zip(second.values_mut().par_chunks_mut(BLOCK));
        weights.zip(means).zip(gradient.values().par_chunks(BLOCK)).for_each(
            |((weight, (first, second)), gradient)| {
                vectorised!({
                    for (((weight, first), second), gradient) in
                        weight.iter_mut().zip(first.iter_mut()).zip(second.iter_mut()).zip(gradient)
                    {
                        *first = beta_1 * *first + rest_1 * gradient;
                        *second = beta_2 * *second + rest_2 * (gradient * gradient);
                        *weight = *weight * shrunk - rate * (*first / (second.sqrt() * widening + epsilon));
                    }
                });
            },
        );
        (weight.into(), first.into(), second.into())
    }
}
