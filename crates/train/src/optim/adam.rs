//! Adam (Kingma and Ba 2015) with the paper's constants (section 5.3): β₁ 0.9, β₂ 0.98, ε 1e-9.
//!
//! burn's Adam identifies moments by random parameter ids and restores them to a device of its choice. Exact resuming on a
//! given device requires moments by name.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use kernels::adam::{AdamState, AdamStep, Average};
use model::parameters::{self, ParameterMapper, ParameterPath, map_parameters};
use model::weights::{self, NamedTensor};

use super::Ema;
use super::slices::Slices;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.98;
const EPSILON: f64 = 1e-9;

/// The optimizer and its moments, by the name of the parameter.
#[derive(Debug, Default)]
pub struct Adam {
    weight_decay: f64,
    moments: BTreeMap<String, Moments>,
}

/// Running means of the gradient and of its square, flat.
#[derive(Clone, Debug)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

impl Adam {
    /// Enables AdamW (Loshchilov and Hutter 2019): each update also decreases matrices, but not vectors, by the fraction
    /// `learning_rate * weight_decay`. 0 is plain Adam.
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }

    /// Returns the model after update number `step` (from 1) with the gradients times `factor`; parameters without a
    /// gradient do not change. Averages of changed weights that `ema` already holds are updated too.
    pub fn step<M: Module>(
        &mut self,
        model: M,
        gradients: GradientsParams,
        factor: Option<Tensor<1>>,
        ema: Option<&mut Ema>,
        learning_rate: f64,
        step: u64,
    ) -> M {
        map_parameters(model, &mut Update { adam: self, gradients, factor, ema, learning_rate, step })
    }

    /// Returns the weight of this name after update number `step`. Tensors that nobody else holds are changed in place.
    pub fn update<const D: usize>(
        &mut self,
        name: String,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        learning_rate: f64,
        step: u64,
    ) -> Tensor<D> {
        self.clipped_update(name, weight, gradient, None, None, (learning_rate, step)).0
    }

    /// As [`update`](Self::update), with the gradient times `factor`, and the moving average after the update.
    fn clipped_update<const D: usize>(
        &mut self,
        name: String,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        factor: Option<Tensor<1>>,
        average: Option<Average>,
        (learning_rate, step): (f64, u64),
    ) -> (Tensor<D>, Option<Tensor<1>>) {
        let shape = gradient.dims();
        let rates = self.rates(D > 1, learning_rate, step);
        let gradient = gradient.reshape([shape.iter().product::<usize>()]);
        let weight = weight.reshape(gradient.dims());
        let (weight, average) = self.update_flat(name, weight, gradient, factor, average, rates);
        (weight.reshape(shape), average)
    }

    /// The hyper-parameters of update number `step`.
    pub(super) fn rates(&self, is_matrix: bool, learning_rate: f64, step: u64) -> AdamStep {
        let weight_decay = if is_matrix { self.weight_decay } else { 0.0 };
        AdamStep { beta_1: BETA_1, beta_2: BETA_2, epsilon: EPSILON, learning_rate, weight_decay, step }
    }

    /// As [`clipped_update`](Self::clipped_update), for a flat weight or a contiguous part of one, always the same.
    pub(super) fn update_flat(
        &mut self,
        name: String,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        factor: Option<Tensor<1>>,
        average: Option<Average>,
        rates: AdamStep,
    ) -> (Tensor<1>, Option<Tensor<1>>) {
        let fresh = || Moments { first: gradient.zeros_like(), second: gradient.zeros_like() };
        let Moments { first, second } = self.moments.remove(&name).unwrap_or_else(fresh);
        let (AdamState { weight, first, second }, average) =
            kernels::adam::clipped_adam(AdamState { weight, first, second }, gradient, factor, average, rates);
        self.moments.insert(name, Moments { first, second });
        (weight, average)
    }

    /// Creates the moments of all trainable weights before the first update. Otherwise each weight's are created by its own.
    pub fn reserve<M: Module>(&mut self, model: &M, device: &Device) {
        if !self.moments.is_empty() {
            return;
        }
        let trainable: BTreeSet<String> = parameters::trainable(model).into_iter().collect();
        for (name, shape) in weights::shapes(model).into_iter().filter(|(name, _)| trainable.contains(name)) {
            let zeros = || Tensor::zeros([shape.iter().product::<usize>()], &device.clone().without_autodiff());
            self.moments.insert(name, Moments { first: zeros(), second: zeros() });
        }
    }

    /// Returns the moments as tensors named `first.NAME` and `second.NAME`, for a checkpoint.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let named = |kind: &str, name: &str, moment: &Tensor<1>| NamedTensor {
            name: format!("{kind}.{name}"),
            shape: moment.dims().to_vec(),
            values: moment.to_data().iter::<f32>().collect(),
        };
        let both = |(name, moments): (&String, &Moments)| {
            [named("first", name, &moments.first), named("second", name, &moments.second)]
        };
        self.moments.iter().flat_map(both).collect()
    }

    /// Returns the optimizer with the moments of one rank's slice.
    pub(super) fn restricted(self, slices: &Slices, rank: usize, device: &Device) -> Self {
        let tensors = slices.cut(&self.tensors(), rank);
        Self::from_tensors(tensors, device).with_weight_decay(self.weight_decay)
    }

    /// Restores an optimizer from [`tensors`](Self::tensors).
    pub fn from_tensors(tensors: Vec<NamedTensor>, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let (mut first, mut second) = (BTreeMap::new(), BTreeMap::new());
        for tensor in tensors {
            let size = tensor.values.len();
            let value = Tensor::<1>::from_data(TensorData::new(tensor.values, [size]), &device);
            match tensor.name.split_once('.') {
                Some(("first", name)) => first.insert(name.to_string(), value),
                Some(("second", name)) => second.insert(name.to_string(), value),
                _ => None,
            };
        }
        let pair = |(name, first)| second.remove(&name).map(|second| (name, Moments { first, second }));
        Self { weight_decay: 0.0, moments: first.into_iter().filter_map(pair).collect() }
    }
}

struct Update<'a> {
    adam: &'a mut Adam,
    gradients: GradientsParams,
    factor: Option<Tensor<1>>,
    ema: Option<&'a mut Ema>,
    learning_rate: f64,
    step: u64,
}

impl ParameterMapper for Update<'_> {
    fn map<const D: usize>(&mut self, path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let (id, weight, mapper) = param.consume();
        let (name, rates) = (path.name(), (self.learning_rate, self.step));
        let average = self.ema.as_mut().and_then(|ema| ema.take(&name, self.step));
        let (weight, average) = self.adam.clipped_update(
            name.clone(),
            weight.without_autodiff(),
            gradient,
            self.factor.clone(),
            average,
            rates,
        );
        if let (Some(ema), Some(average)) = (&mut self.ema, average) {
            ema.put_back(name, average);
        }
        Param::from_mapped_value(id, weight.autodiff().require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests {
    use model::{ModelConfig, Transformer, VocabularySizes, backend};

    use super::*;

    #[test]
    fn reserved_moments_are_zero_and_change_no_update() {
        let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
        let config = ModelConfig { d_model: 8, n_heads: 2, d_ff: 8, max_length: 8, ..ModelConfig::default() };
        let model =
            Transformer::new(&config, VocabularySizes::joint(6), 1, &device.clone().autodiff()).expect("a model");
        let model = parameters::freeze(model, &["encoder".to_string()]).expect("a part of the model");
        let mut reserved = Adam::default();
        reserved.reserve(&model, &device);
        let tensors = reserved.tensors();
        assert_eq!(tensors.len(), 2 * parameters::trainable(&model).len(), "two for each weight that is not frozen");
        assert!(tensors.iter().all(|tensor| tensor.values.iter().all(|&value| value == 0.0)));

        let name = parameters::trainable(&model).swap_remove(0);
        let shape = weights::shapes(&model).into_iter().find(|(found, _)| *found == name).expect("its shape").1;
        let gradient = || Tensor::<1>::ones([shape.iter().product::<usize>()], &device) * 0.5;
        let update = |mut adam: Adam| -> Vec<f32> {
            let first = adam.update(name.clone(), gradient(), gradient(), 0.1, 1);
            adam.update(name.clone(), first, gradient(), 0.1, 2).into_data().iter().collect()
        };
        assert_eq!(update(reserved), update(Adam::default()));
    }
}
