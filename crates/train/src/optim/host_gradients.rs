//! The gradients of a micro-batch as numbers, to be sent to other processes.

use std::vec;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use model::parameters::{ParameterPath, ParameterVisitor, for_each_parameter};

use super::slices::Piece;

/// The gradients of all parameters that are not frozen, in the order of the model's fields, with the sums of the
/// micro-batch.
#[derive(Clone, Debug, PartialEq)]
pub struct HostGradients {
    /// The gradient of each parameter, row-major; `None` for a parameter without a gradient.
    pub tensors: Vec<Option<Vec<f32>>>,
    /// The objective and the nll.
    pub sums: [f32; 2],
}

impl HostGradients {
    /// Moves gradients to the host.
    pub fn from_device<M: Module>(model: &M, gradients: GradientsParams, sums: [f32; 2]) -> Self {
        let mut visitor = Take { gradients, tensors: Vec::new() };
        for_each_parameter(model, &mut visitor);
        Self { tensors: visitor.tensors, sums }
    }

    /// The gradient of a piece, if its parameter has one.
    pub fn piece(&self, piece: &Piece) -> Option<&[f32]> {
        Some(&self.tensors[piece.parameter].as_deref()?[piece.range.clone()])
    }
}

/// Moves gradients back to the device.
///
/// # Panics
/// Other numbers of parameters or of values than the model's.
pub fn to_device<M: Module>(tensors: Vec<Option<Vec<f32>>>, model: &M, device: &Device) -> GradientsParams {
    let device = device.clone().without_autodiff();
    let mut visitor = Restore { tensors: tensors.into_iter(), device, gradients: GradientsParams::new() };
    for_each_parameter(model, &mut visitor);
    visitor.gradients
}

/// Moves a tensor to the host, without a copy where nobody else holds it.
///
/// # Panics
/// A device that fails.
pub fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("float32, as just converted")
}

struct Take {
    gradients: GradientsParams,
    tensors: Vec<Option<Vec<f32>>>,
}

impl ParameterVisitor for Take {
    fn visit<const D: usize>(&mut self, _: &ParameterPath, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.tensors.push(self.gradients.remove::<D>(param.id).map(to_host));
        }
    }
}

struct Restore {
    tensors: vec::IntoIter<Option<Vec<f32>>>,
    device: Device,
    gradients: GradientsParams,
}

impl ParameterVisitor for Restore {
    fn visit<const D: usize>(&mut self, _: &ParameterPath, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        if let Some(values) = self.tensors.next().expect("as many tensors as parameters") {
            let data = TensorData::new(values, param.lazy_shape().to_vec());
            self.gradients.register(param.id, Tensor::<D>::from_data(data, &self.device));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;

    use super::*;

    #[test]
    fn gradients_return_and_absent_ones_stay_absent() {
        let device = Device::flex();
        let model = LinearConfig::new(3, 2).init(&device.clone().autodiff());
        let input = Tensor::<2>::from_floats([[1.0, 2.0, 3.0]], &device.clone().autodiff());
        let gradients = GradientsParams::from_grads(model.forward(input).square().sum().backward(), &model);
        let expected = model::weights::collect_gradients(&model, &gradients);
        let HostGradients { mut tensors, .. } = HostGradients::from_device(&model, gradients, [0.0; 2]);
        let lengths: Vec<usize> = tensors.iter().flatten().map(Vec::len).collect();
        assert_eq!(lengths, [6, 2]);
        let restored = to_device(tensors.clone(), &model, &device);
        assert_eq!(model::weights::collect_gradients(&model, &restored), expected);

        tensors[0] = None;
        let restored = to_device(tensors, &model, &device);
        assert_eq!(model::weights::collect_gradients(&model, &restored), expected[1..]);
    }
}
