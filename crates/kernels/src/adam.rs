//! The update of Adam (Kingma and Ba 2015, algorithm 1) in one pass over memory, and what precedes it: gradients of the
//! parts of a batch added up, and their norm.
//!
//! **Why fused:** composed, an update is thirteen passes over four arrays as long as the model.

use burn::tensor::Tensor;

/// What an update multiplies with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
    pub learning_rate: f64,
    /// The number of the update, from 1.
    pub step: u64,
}

/// A weight with the running means of its gradient and of that gradient's square, all flat.
#[derive(Clone, Debug)]
pub struct Moving {
    pub weight: Tensor<1>,
    pub first: Tensor<1>,
    pub second: Tensor<1>,
}

/// The weight and its means after one update. Tensors that nobody else holds are changed in place.
pub fn adam(moving: Moving, gradient: Tensor<1>, rates: Rates) -> Moving {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&moving.weight) {
        return fused_adam(moving, gradient, rates);
    }
    portable(moving, gradient, rates)
}

/// The definition.
pub fn portable(moving: Moving, gradient: Tensor<1>, rates: Rates) -> Moving {
    let Rates { beta_1, beta_2, epsilon, learning_rate, .. } = rates;
    let first = moving.first.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let second = moving.second.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
    let [correction_1, correction_2] = rates.corrections();
    let deviation = second.clone().sqrt().mul_scalar(1.0 / correction_2.sqrt()).add_scalar(epsilon);
    let change = (first.clone() / deviation).mul_scalar(learning_rate / correction_1);
    Moving { weight: moving.weight - change, first, second }
}

impl Rates {
    /// By how much the means still lean towards the zeros that they began with.
    fn corrections(&self) -> [f64; 2] {
        [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powf(self.step as f64))
    }
}

/// `sum + part`, in place where nobody else holds the sum.
pub fn accumulate<const D: usize>(sum: Tensor<D>, part: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&sum) {
        return Tensor::from_dispatch(<Dispatch as Update>::accumulate(sum.into_dispatch(), part.into_dispatch()));
    }
    sum + part
}

/// The sum of all squares, `[1]`.
pub fn squared_norm<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&gradient) {
        return Tensor::from_dispatch(<Dispatch as Update>::squared_norm(gradient.into_dispatch()));
    }
    gradient.square().sum_dim(D - 1).sum()
}

#[cfg(feature = "flex")]
use {
    crate::array::Array,
    crate::rows::add_to,
    crate::vector::{WIDE, sum_pairs, vectorised},
    burn::backend::tensor::FloatTensor,
    burn::backend::{Backend, Dispatch, Flex, backend_extension},
    rayon::prelude::*,
};

#[cfg(feature = "flex")]
#[backend_extension(Flex)]
trait Update: Backend {
    fn accumulate(sum: FloatTensor<Self>, part: FloatTensor<Self>) -> FloatTensor<Self>;
    fn squared_norm(gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    fn update(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        rates: Rates,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

#[cfg(feature = "flex")]
fn fused_adam(moving: Moving, gradient: Tensor<1>, rates: Rates) -> Moving {
    let (weight, first, second) = <Dispatch as Update>::update(
        moving.weight.into_dispatch(),
        moving.first.into_dispatch(),
        moving.second.into_dispatch(),
        gradient.into_dispatch(),
        rates,
    );
    Moving {
        weight: Tensor::from_dispatch(weight),
        first: Tensor::from_dispatch(first),
        second: Tensor::from_dispatch(second),
    }
}

#[cfg(feature = "flex")]
type Plain = FloatTensor<Flex>;

/// Values that one thread takes at a time.
#[cfg(feature = "flex")]
const BLOCK: usize = 1 << 14;

#[cfg(feature = "flex")]
impl Update for Flex {
    fn accumulate(sum: Plain, part: Plain) -> Plain {
        let (mut sum, part) = (Array::from(sum).row_major(), Array::from(part).row_major());
        let blocks = sum.values_mut().par_chunks_mut(BLOCK).zip(part.values().par_chunks(BLOCK));
        blocks.for_each(|(sum, part)| vectorised!(add_to(sum, part, 1.0)));
        sum.into()
    }

    fn squared_norm(gradient: Plain) -> Plain {
        let gradient = Array::from(gradient).row_major();
        let blocks =
            gradient.values().par_chunks(BLOCK).map(|block| vectorised!(sum_pairs::<WIDE>(block, block, |x, y| x * y)));
        let sums: Vec<f32> = blocks.collect();
        Array::new(vec![sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() as f32], [1]).into()
    }

    fn update(weight: Plain, first: Plain, second: Plain, gradient: Plain, rates: Rates) -> (Plain, Plain, Plain) {
        let [correction_1, correction_2] = rates.corrections();
        let (beta_1, rest_1) = (rates.beta_1 as f32, (1.0 - rates.beta_1) as f32);
        let (beta_2, rest_2) = (rates.beta_2 as f32, (1.0 - rates.beta_2) as f32);
        let (epsilon, widening) = (rates.epsilon as f32, (1.0 / correction_2.sqrt()) as f32);
        let rate = (rates.learning_rate / correction_1) as f32;
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
                        *weight -= rate * (*first / (second.sqrt() * widening + epsilon));
                    }
                });
            },
        );
        (weight.into(), first.into(), second.into())
    }
}
