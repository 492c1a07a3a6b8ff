//! The definition of dropout.

use burn::tensor::{Tensor, TensorData};

use super::Dropout;

/// The product with [`Dropout::factors`].
pub fn portable<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    let shape = x.dims();
    let mask = TensorData::new(dropout.factors(shape.iter().product()), shape);
    x.clone() * Tensor::from_data(mask, &x.device().without_autodiff())
}
