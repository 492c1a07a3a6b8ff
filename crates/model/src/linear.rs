//! Linear layers over `[batch, len, width]`.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use kernels::linear::Epilogue;

/// A linear layer of zeros; [`init`](crate::init) draws its first weights.
pub(crate) fn linear(d_input: usize, d_output: usize, bias: bool, device: &Device) -> Linear {
    LinearConfig::new(d_input, d_output).with_bias(bias).with_initializer(Initializer::Zeros).init(device)
}

/// Applies a layer to every position: one matrix product over all rows instead of one per sentence.
pub(crate) fn apply(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    apply_then(layer, x, Epilogue::None)
}

/// As [`apply`], with the activation that follows.
pub(crate) fn apply_then(layer: &Linear, x: Tensor<3>, then: Epilogue) -> Tensor<3> {
    let [batch, len, width] = x.dims();
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    let rows = kernels::linear::linear(x.reshape([batch * len, width]), layer.weight.val(), bias, then);
    let [_, d_output] = rows.dims();
    rows.reshape([batch, len, d_output])
}
