//! Results whose derivative is a function, and derivatives from a given gradient: [`recompute`](crate::recompute).

use std::fmt;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Gradients, Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::{Kept, Operation, empty, one, primitive, tensor, two};

pub fn derived<const D: usize>(
    inputs: Vec<Tensor<D>>,
    result: Tensor<D>,
    derivative: impl Fn(Tensor<D>) -> Vec<Tensor<D>> + Send + Sync + 'static,
) -> Tensor<D> {
    let derivative = move |gradient| derivative(tensor(gradient)).into_iter().map(primitive).collect();
    let operation = Derived { result: Mutex::new(Some(primitive(result))), derivative: Box::new(derivative) };
    let mut inputs = inputs.into_iter();
    match (inputs.next(), inputs.next(), inputs.next()) {
        (Some(a), None, _) => one(a, operation),
        (Some(a), Some(b), None) => two(a, b, operation),
        (None, ..) | (Some(_), Some(_), Some(_)) => panic!("one or two inputs"),
    }
}

struct Derived {
    /// Taken by the forward pass.
    result: Mutex<Option<CubeTensor>>,
    derivative: Box<dyn Fn(CubeTensor) -> Vec<CubeTensor> + Send + Sync>,
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived")
    }
}

impl Operation for Derived {
    fn forward(&self, _inputs: Vec<CubeTensor>, _tracked: bool) -> (CubeTensor, Kept) {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        (result.expect("one forward pass"), vec![])
    }

    fn backward(&self, _kept: Kept, gradient: CubeTensor, _wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        (self.derivative)(gradient).into_iter().map(Some).collect()
    }
}

pub fn backward_from<const D: usize>(result: Tensor<D>, gradient: Tensor<D>) -> Gradients {
    let root: Tensor<1> = one(result, Root { gradient: primitive(gradient) });
    root.backward()
}

/// A root of the graph whose value is never read, and whose derivative is given.
#[derive(Debug)]
struct Root {
    gradient: CubeTensor,
}

impl Operation for Root {
    fn forward(&self, inputs: Vec<CubeTensor>, _tracked: bool) -> (CubeTensor, Kept) {
        (empty(&inputs[0], [1]), vec![])
    }

    fn backward(&self, _kept: Kept, _gradient: CubeTensor, _wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        vec![Some(self.gradient.clone())]
    }
}
