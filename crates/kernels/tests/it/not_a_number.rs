//! NaN propagates to the result, so that training detects it at the next log line, validation or checkpoint.

use burn::tensor::{Device, Tensor, TensorData};
use kernels::attention::Scoring;
use kernels::linear::Epilogue;
use kernels::{attention, linear};

fn tensor<const D: usize>(shape: [usize; D], first: f32) -> Tensor<D> {
    let mut values = vec![0.5; shape.iter().product()];
    values[0] = first;
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn all_nan<const D: usize>(values: Tensor<D>) -> bool {
    values.to_data().iter::<f32>().all(f32::is_nan)
}

#[test]
fn attention_propagates_nan_at_any_length() {
    for len in [1, 10, 16, 17] {
        let (keys, values) = (tensor([1, 1, len, 4], 1.0), tensor([1, 1, len, 4], 2.0));
        let context =
            attention::attention(tensor([1, 1, 1, 4], f32::NAN), keys, values, Scoring::scaled(4), None, None);
        assert!(all_nan(context), "{len} keys");
    }
}

#[test]
fn linear_layers_propagate_nan_through_relu() {
    let y = linear::linear(tensor([1, 3], f32::NAN), tensor([3, 5], 1.0), None, Epilogue::Relu);
    assert!(all_nan(y));
}
