//! The definition of a linear layer.

use burn::tensor::{Tensor, activation, module};

use super::Epilogue;

/// `x · weight + bias`, then the epilogue, composed of tensor operations.
pub fn portable(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, epilogue: Epilogue) -> Tensor<2> {
    let y = module::linear(x, weight, bias);
    match epilogue {
        Epilogue::None => y,
        Epilogue::Relu => activation::relu(y),
    }
}
