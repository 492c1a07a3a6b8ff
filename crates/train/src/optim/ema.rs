//! The exponential moving average of the weights over all updates, which often generalises better than the weights.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use kernels::adam::Average;
use model::parameters::{ParameterMapper, ParameterPath, ParameterVisitor, for_each_parameter, map_parameters};
use model::weights::NamedTensor;

/// The moving average of each weight, flattened, by the weight's name.
#[derive(Clone, Debug)]
pub struct Ema {
    decay: f64,
    weights: BTreeMap<String, Tensor<1>>,
    /// The weights that the optimizer has averaged in this update.
    averaged: BTreeSet<String>,
}

impl Ema {
    /// An average without weights yet, of which each update keeps the share `decay`.
    pub fn new(decay: f64) -> Self {
        Self { decay, weights: BTreeMap::new(), averaged: BTreeSet::new() }
    }

    /// Adds the trained weights after update number `step` (from 1), unless the optimizer has; a frozen weight is its own
    /// average. The decay is at most (1 + step) / (10 + step), so that the initial weights fade quickly.
    pub fn update<M: Module>(&mut self, model: &M, step: u64) {
        let kept = self.kept(step);
        for_each_parameter(model, &mut AddWeights { ema: self, kept });
        self.averaged.clear();
    }

    fn kept(&self, step: u64) -> f64 {
        self.decay.min((1 + step) as f64 / (10 + step) as f64)
    }

    /// Removes the average of a weight, for the optimizer to update; `None` before the first.
    pub(super) fn take(&mut self, name: &str, step: u64) -> Option<Average> {
        let kept = self.kept(step);
        self.weights.remove(name).map(|weight| Average { weight, kept })
    }

    /// Adds the average that the optimizer has updated.
    pub(super) fn put_back(&mut self, name: String, average: Tensor<1>) {
        self.averaged.insert(name.clone());
        self.weights.insert(name, average);
    }

    /// Returns `model` with the averages as its weights.
    pub fn averaged<M: Module>(&self, model: M) -> M {
        map_parameters(model, &mut UseAverages { ema: self })
    }

    /// Returns the averages as tensors, for a checkpoint.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let named = |(name, weight): (&String, &Tensor<1>)| NamedTensor {
            name: name.clone(),
            shape: weight.dims().to_vec(),
            values: weight.to_data().iter::<f32>().collect(),
        };
        self.weights.iter().map(named).collect()
    }

    /// Restores an average from [`tensors`](Self::tensors).
    pub fn from_tensors(decay: f64, tensors: Vec<NamedTensor>, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let weight = |tensor: NamedTensor| {
            let size = tensor.values.len();
            (tensor.name, Tensor::from_data(TensorData::new(tensor.values, [size]), &device))
        };
        Self { decay, weights: tensors.into_iter().map(weight).collect(), averaged: BTreeSet::new() }
    }
}

struct AddWeights<'a> {
    ema: &'a mut Ema,
    kept: f64,
}

impl ParameterVisitor for AddWeights<'_> {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        let name = path.name();
        if !param.is_require_grad() || self.ema.averaged.contains(&name) {
            return;
        }
        let weight = param.val().without_autodiff();
        let size: usize = weight.dims().iter().product();
        let weight = weight.reshape([size]);
        let average = match self.ema.weights.remove(&name) {
            Some(average) => average * self.kept + weight * (1.0 - self.kept),
            None => weight,
        };
        self.ema.weights.insert(name, average);
    }
}

struct UseAverages<'a> {
    ema: &'a Ema,
}

impl ParameterMapper for UseAverages<'_> {
    fn map<const D: usize>(&mut self, path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(average) = self.ema.weights.get(&path.name()) else { return param };
        let (id, weight, mapper) = param.consume();
        Param::from_mapped_value(id, average.clone().reshape(weight.dims()), mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Initializer, Linear, LinearConfig};

    use super::*;

    fn layer(value: f64, device: &Device) -> Linear {
        LinearConfig::new(2, 3).with_initializer(Initializer::Constant { value }).init(device)
    }

    fn weight(layer: &Linear) -> f32 {
        layer.weight.val().into_data().iter::<f32>().next().unwrap()
    }

    #[test]
    fn it_is_the_running_mean_with_its_decay() {
        let device = Device::flex();
        let (mut ema, mut expected) = (Ema::new(0.5), 0.0);
        for step in 1..50u64 {
            let value = (step % 7) as f64;
            ema.update(&layer(value, &device.clone().autodiff()), step);
            let kept = (0.5f64).min((1 + step) as f64 / (10 + step) as f64);
            expected = if step == 1 { value } else { expected * kept + value * (1.0 - kept) };
            let found = weight(&ema.averaged(layer(9.0, &device)));
            assert!((f64::from(found) - expected).abs() < 1e-5, "step {step}: {found}, not {expected}");
        }
    }

    #[test]
    fn its_tensors_restore_it() {
        let device = Device::flex();
        let mut ema = Ema::new(0.9);
        (1..5).for_each(|step| ema.update(&layer(step as f64, &device), step));
        let mut again = Ema::from_tensors(0.9, ema.tensors(), &device);
        for ema in [&mut ema, &mut again] {
            ema.update(&layer(7.0, &device), 5);
        }
        assert_eq!(ema.tensors(), again.tensors());
    }
}
