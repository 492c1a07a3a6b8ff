//! Autodiff agrees with finite differences in double precision, for every variant of the options.
//!
//! This is a binary of its own, since the float type of a device is set once per process.

use std::num::NonZero;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, FloatDType, Tensor};
use model::loss::Objective;
use model::{Pass, Transformer, weights};
use testing::model_fixture::{batch, devices, ragged_pairs, small_config, small_sizes};
use testing::variants::{Variant, variants};

/// Adds `by` to one element of one parameter, counted over the whole model.
struct Nudge {
    at: usize,
    by: f64,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let size = param.lazy_shape().num_elements();
        let here = self.at;
        self.at = here.wrapping_sub(size);
        if here >= size {
            return param;
        }
        self.at = usize::MAX; // no further parameter
        param.map(|tensor| {
            let (shape, device, grad) = (tensor.dims(), tensor.device(), tensor.is_require_grad());
            let mut values: Vec<f64> = tensor.into_data().iter::<f64>().collect();
            values[here] += self.by;
            let data = burn::tensor::TensorData::new(values, shape);
            Tensor::from_data(data, (&device, burn::tensor::DType::F64)).set_require_grad(grad)
        })
    }
}

/// The model with numbers in the rows of `<pad>`, the decoder's start, and in relative positions, which are zero at first.
/// A norm of zeros is too steep for finite differences.
fn without_zero_rows(model: Transformer) -> Transformer {
    let mut tensors = weights::collect(&model);
    for tensor in &mut tensors {
        let from = match (tensor.name.starts_with("embeddings."), &tensor.shape[..]) {
            (true, [rows, width]) => (rows - 1) * width,
            _ if tensor.name.contains("relative_positions") => 0,
            _ => tensor.values.len(),
        };
        tensor.values[from..].iter_mut().enumerate().for_each(|(i, value)| *value = (i * 5 % 11) as f32 / 8.0 - 0.6);
    }
    weights::load(model, tensors).expect("its own weights")
}

/// Compares the gradients of about 150 weights of one variant with slopes of its loss.
fn check(variant: &Variant, device: &Device) {
    let model = without_zero_rows(Transformer::new(&variant.config, small_sizes(), 3, device).unwrap());
    let batch = batch(&ragged_pairs(), small_sizes(), device);
    let loss = |model: &Transformer| model.loss(&batch, Objective::cross_entropy(0.1), &mut Pass::inference()).smoothed;
    let value = |model: Transformer| loss(&model).into_data().iter::<f64>().next().unwrap();

    let backward = loss(&model).backward();
    let gradients = GradientsParams::from_grads(backward, &model);
    let mut flat = Vec::new();
    // Linear weights are transposed on the way out; undo that to count elements as the mapper does.
    for tensor in weights::collect_gradients(&model, &gradients) {
        match (tensor.name.ends_with(".weight"), &tensor.shape[..]) {
            (true, &[rows, columns]) => {
                flat.extend((0..rows * columns).map(|i| tensor.values[i % rows * columns + i / rows]));
            }
            _ => flat.extend(tensor.values),
        }
    }
    let largest = flat.iter().fold(0f32, |most, gradient| most.max(gradient.abs())) as f64;
    let step = 1e-5;
    for at in (0..flat.len()).step_by(flat.len() / 150) {
        let nudged = |by: f64| value(model.clone().map(&mut Nudge { at, by }));
        let slope = (nudged(step) - nudged(-step)) / (2.0 * step);
        let gradient = f64::from(flat[at]);
        assert!(
            (slope - gradient).abs() <= 1e-5 * largest,
            "{}, element {at}: slope {slope}, gradient {gradient}",
            variant.name()
        );
    }
}

#[test]
fn autodiff_agrees_with_finite_differences() {
    for mut device in devices() {
        device.configure(FloatDType::F64).expect("the first use of the device in this process");
        let device = device.autodiff();
        let variants = variants(&small_config());
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            for part in variants.chunks(variants.len().div_ceil(threads)) {
                let device = device.clone();
                scope.spawn(move || part.iter().for_each(|variant| check(variant, &device)));
            }
        });
    }
}
