//! Gradients as one row of numbers, to be sent to other processes.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};

/// The gradients of all parameters in the order of the model's fields. A parameter without a gradient has zeros.
#[derive(Clone, Debug)]
pub struct FlatGradients {
    /// The values of all parameters, and then those of `extra`.
    pub values: Vec<f32>,
    /// Whether each parameter has a gradient.
    pub present: Vec<bool>,
}

impl FlatGradients {
    /// Moves the gradients to the host, with a few more numbers at the end.
    pub fn from_device<M: Module>(model: &M, gradients: GradientsParams, extra: &[f32]) -> Self {
        let mut visitor = Flatten { gradients, flat: Self { values: Vec::new(), present: Vec::new() } };
        model.visit(&mut visitor);
        visitor.flat.values.extend(extra);
        visitor.flat
    }

    /// Moves the gradients back to the device.
    ///
    /// # Panics
    /// If the model has more parameters than there are values.
    pub fn into_gradients<M: Module>(self, model: &M, device: &Device) -> GradientsParams {
        let device = device.clone().without_autodiff();
        let mut visitor = Restore { flat: &self, at: 0, parameter: 0, device, gradients: GradientsParams::new() };
        model.visit(&mut visitor);
        visitor.gradients
    }
}

/// Returns the number of values of each parameter, in the order of the model's fields.
pub fn lengths<M: Module>(model: &M) -> Vec<usize> {
    struct Lengths(Vec<usize>);
    impl ModuleVisitor for Lengths {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.lazy_shape().num_elements());
        }
    }
    let mut visitor = Lengths(Vec::new());
    model.visit(&mut visitor);
    visitor.0
}

struct Flatten {
    gradients: GradientsParams,
    flat: FlatGradients,
}

impl ModuleVisitor for Flatten {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.remove::<D>(param.id);
        self.flat.present.push(gradient.is_some());
        match gradient {
            Some(gradient) => self.flat.values.extend(gradient.into_data().iter::<f32>()),
            None => self.flat.values.resize(self.flat.values.len() + param.lazy_shape().num_elements(), 0.0),
        }
    }
}

struct Restore<'a> {
    flat: &'a FlatGradients,
    /// The place of the next parameter's first value.
    at: usize,
    /// The number of the next parameter.
    parameter: usize,
    device: Device,
    gradients: GradientsParams,
}

impl ModuleVisitor for Restore<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape();
        let values = self.at..self.at + shape.num_elements();
        self.at = values.end;
        if self.flat.present[self.parameter] {
            let data = TensorData::new(self.flat.values[values].to_vec(), shape.to_vec());
            self.gradients.register(param.id, Tensor::<D>::from_data(data, &self.device));
        }
        self.parameter += 1;
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;

    use super::*;

    #[test]
    fn gradients_survive_the_flat_form_and_absent_ones_stay_absent() {
        let device = Device::flex();
        let model = LinearConfig::new(3, 2).init(&device.clone().autodiff());
        let input = Tensor::<2>::from_floats([[1.0, 2.0, 3.0]], &device.clone().autodiff());
        let gradients = GradientsParams::from_grads(model.forward(input).square().sum().backward(), &model);
        let expected = model::weights::collect_gradients(&model, &gradients);
        let flat = FlatGradients::from_device(&model, gradients, &[7.0]);
        assert_eq!((flat.values.len(), flat.values[8], &flat.present[..]), (9, 7.0, &[true, true][..]));
        assert_eq!(lengths(&model), [6, 2]);
        let restored = flat.clone().into_gradients(&model, &device);
        assert_eq!(model::weights::collect_gradients(&model, &restored), expected);

        let half = FlatGradients { present: vec![false, true], ..flat };
        let restored = half.into_gradients(&model, &device);
        assert_eq!(model::weights::collect_gradients(&model, &restored), expected[1..]);
    }
}
