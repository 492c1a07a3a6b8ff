//! Adds a fused operation with a hand-written derivative to burn's automatic differentiation.
//!
//! The operation is the squared ReLU, `max(0, x)²`, in one pass over memory. Its gradient is compared with that of the same
//! formula composed of burn's operations.
//!
//! ```sh
//! cargo run -p attend --example custom_kernel
//! ```

use attend::kernels::autodiff::{self, Array, Kept, Operation};
use burn::tensor::{Device, Tensor, activation};

/// max(0, x)², elementwise.
#[derive(Debug)]
struct SquaredRelu;

impl Operation for SquaredRelu {
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let [x] = autodiff::exactly(inputs).map(Array::row_major);
        let y = x.values().iter().map(|x| x.max(0.0).powi(2)).collect();
        let y = Array::new(y, x.shape());
        // The derivative 2 · max(0, x) needs the input.
        (y, if tracked { vec![x] } else { vec![] })
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        let [x] = autodiff::exactly(kept);
        let mut gradient = gradient.row_major();
        gradient.values_mut().iter_mut().zip(x.values()).for_each(|(dy, x)| *dy *= 2.0 * x.max(0.0));
        vec![Some(gradient)]
    }
}

/// The fused form where it applies, else the definition.
fn squared_relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match autodiff::applies(&x) {
        true => autodiff::one(x, SquaredRelu),
        false => composed(x),
    }
}

/// The definition.
fn composed<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::relu(x).square()
}

fn main() {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::from_floats([[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]], &device).require_grad();
    for (name, y) in [("fused", squared_relu(x.clone())), ("composed", composed(x.clone()))] {
        let gradients = y.clone().sum().backward();
        let values: Vec<f32> = y.into_data().iter().collect();
        let gradient: Vec<f32> = x.grad(&gradients).expect("a gradient").into_data().iter().collect();
        println!("{name}: {values:?}, gradient {gradient:?}");
        assert_eq!(values, [0.0, 0.0, 0.0, 0.25, 1.0, 9.0]);
        assert_eq!(gradient, [0.0, 0.0, 0.0, 1.0, 2.0, 6.0]);
    }
}
