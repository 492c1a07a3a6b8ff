//! Linear layers over `[batch, len, width]`.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// A linear layer of zeros; [`init`](crate::init) gives it its values.
pub(crate) fn linear(d_input: usize, d_output: usize, bias: bool, device: &Device) -> Linear {
    LinearConfig::new(d_input, d_output).with_bias(bias).with_initializer(Initializer::Zeros).init(device)
}

/// Applies a layer to every position, as one matrix product over all rows instead of one per sentence.
pub(crate) fn apply(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    let [batch, len, width] = x.dims();
    let rows = layer.forward(x.reshape([batch * len, width]));
    let [_, d_output] = rows.dims();
    rows.reshape([batch, len, d_output])
}
