//! LoRA (Hu et al. 2021, section 4.1): each adapted matrix is W + α/r · B·A, of which A and B are trained.
//!
//! The network computes with the merged matrix, computed again in each update. Its gradient G gives those of A and B by
//! the chain rule: ∂A = α/r · Bᵀ·G and ∂B = α/r · G·Aᵀ. So no layer knows of the adaptation, and every other program part
//! sees merged weights.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use kernels::adam::squared_norm;
use model::parameters::{ParameterMapper, ParameterPath, ParameterVisitor, for_each_parameter, map_parameters};
use model::random::{self, Rng};
use model::weights::NamedTensor;
use runs::config::LoraConfig;

use super::adam::Adam;

/// The adapted matrices in burn's layout, `[in, out]`, with their factors.
#[derive(Clone, Debug)]
pub struct Lora {
    scale: f64,
    adapters: BTreeMap<String, Adapter>,
}

/// One adapted matrix.
#[derive(Clone, Debug)]
struct Adapter {
    /// Wᵀ, `[in, out]`.
    base: Tensor<2>,
    /// Aᵀ, `[in, rank]`.
    a: Tensor<2>,
    /// Bᵀ, `[rank, out]`.
    b: Tensor<2>,
}

/// The gradients of all factors, by the name of the weight: those of A and B.
pub type LoraGradients = BTreeMap<String, [Tensor<2>; 2]>;

/// Keeps the keys of A apart from those of other random numbers under the same seed.
const FACTORS: u64 = 0x10A;

/// Returns the model with derivatives of the adapted matrices alone.
///
/// # Errors
/// The first of `config.matrices` that selects no matrix of a linear layer.
pub fn freeze_others<M: Module>(model: M, config: &LoraConfig) -> Result<M, String> {
    let mut freeze = FreezeOthers { config, matched: vec![false; config.matrices.len()] };
    let model = map_parameters(model, &mut freeze);
    match freeze.matched.iter().position(|matched| !matched) {
        Some(place) => Err(config.matrices[place].clone()),
        None => Ok(model),
    }
}

impl Lora {
    /// New factors for every weight of `model` that is not frozen: A uniform within ±1/√in, a function of seed and name; B
    /// zero, so that the first merged matrices are those of the model.
    pub fn new<M: Module>(model: &M, config: &LoraConfig, seed: u64) -> Self {
        let mut create = Create { rank: config.rank, seed, adapters: BTreeMap::new() };
        for_each_parameter(model, &mut create);
        Self { scale: config.scale(), adapters: create.adapters }
    }

    /// Restores the factors from [`tensors`](Self::tensors). Weights that lack one of their tensors are not adapted.
    pub fn from_tensors(config: &LoraConfig, tensors: Vec<NamedTensor>, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let mut by_name: BTreeMap<String, Tensor<2>> = tensors
            .into_iter()
            .filter_map(|tensor| Some((tensor.name.clone(), transposed(tensor, &device)?)))
            .collect();
        let layers: Vec<String> =
            by_name.keys().filter_map(|name| Some(name.strip_suffix(BASE)?.to_string())).collect();
        let adapters = layers.into_iter().filter_map(|layer| {
            let mut take = |part: &str| by_name.remove(&format!("{layer}{part}"));
            let (base, a, b) = (take(BASE)?, take(A)?, take(B)?);
            Some((format!("{layer}{WEIGHT}"), Adapter { base, a, b }))
        });
        Self { scale: config.scale(), adapters: adapters.collect() }
    }

    /// Returns the factors and the matrices before the adaptation, in PyTorch's layout, for a checkpoint.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let tensors = self.adapters.iter().flat_map(|(name, adapter)| {
            let layer = layer(name);
            [(BASE, &adapter.base), (A, &adapter.a), (B, &adapter.b)].map(|(part, tensor)| {
                let tensor = tensor.clone().transpose();
                let (shape, values) = (tensor.dims().to_vec(), tensor.into_data().iter::<f32>().collect());
                NamedTensor { name: format!("{layer}{part}"), shape, values }
            })
        });
        tensors.collect()
    }

    /// The number of values in each of [`tensors`](Self::tensors), by its name.
    pub fn sizes(&self) -> BTreeMap<String, usize> {
        let sizes = self.adapters.iter().flat_map(|(name, Adapter { base, a, b })| {
            [(BASE, base), (A, a), (B, b)]
                .map(|(part, tensor)| (format!("{}{part}", layer(name)), tensor.dims().iter().product()))
        });
        sizes.collect()
    }

    /// Returns the gradients of all factors from those of the merged matrices.
    pub fn gradients<M: Module>(&self, model: &M, gradients: &GradientsParams) -> LoraGradients {
        let mut chain = Chain { lora: self, gradients, found: BTreeMap::new() };
        for_each_parameter(model, &mut chain);
        chain.found
    }

    /// Updates the factors, and returns the model with merged matrices.
    pub fn step<M: Module>(
        &mut self,
        model: M,
        gradients: LoraGradients,
        optimizer: &mut Adam,
        learning_rate: f64,
        step: u64,
    ) -> M {
        for (name, [of_a, of_b]) in gradients {
            let Some(Adapter { base, a, b }) = self.adapters.remove(&name) else { continue };
            let mut update = |part: &str, factor: Tensor<2>, gradient: Tensor<2>| {
                optimizer.update(format!("{}{part}", layer(&name)), factor, gradient, learning_rate, step)
            };
            let (a, b) = (update(A, a, of_a), update(B, b, of_b));
            self.adapters.insert(name, Adapter { base, a, b });
        }
        map_parameters(model, &mut Merge { lora: self })
    }
}

/// Returns the norm of all gradients as one vector, `[1]`, left on the device.
///
/// # Panics
/// Without a gradient.
pub fn global_norm(gradients: &LoraGradients) -> Tensor<1> {
    let squares = gradients.values().flatten().map(|gradient| squared_norm(gradient.clone()));
    squares.reduce(|sum, square| sum + square).expect("adapted matrices have gradients").sqrt()
}

/// Multiplies all gradients by `factor`, `[1]`.
pub fn scale(gradients: LoraGradients, factor: &Tensor<1>) -> LoraGradients {
    let scaled = |pair: [Tensor<2>; 2]| pair.map(|gradient| gradient * factor.clone().unsqueeze());
    gradients.into_iter().map(|(name, pair)| (name, scaled(pair))).collect()
}

const WEIGHT: &str = ".weight";
const BASE: &str = ".base";
const A: &str = ".lora_a";
const B: &str = ".lora_b";

/// The name of a linear layer, from that of its weight.
fn layer(weight: &str) -> &str {
    weight.strip_suffix(WEIGHT).unwrap_or(weight)
}

/// A stored matrix in burn's layout, with the memory layout of a trained one.
fn transposed(tensor: NamedTensor, device: &Device) -> Option<Tensor<2>> {
    let shape: [usize; 2] = tensor.shape.try_into().ok()?;
    let stored = Tensor::<2>::from_data(TensorData::new(tensor.values, shape), device);
    Some(Tensor::from_data(stored.transpose().into_data(), device))
}

struct FreezeOthers<'a> {
    config: &'a LoraConfig,
    matched: Vec<bool>,
}

impl ParameterMapper for FreezeOthers<'_> {
    fn map<const D: usize>(&mut self, path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = path.name();
        if !path.is_linear_weight() || self.config.selects(&name).is_none() {
            return param.set_require_grad(false);
        }
        for (part, matched) in self.config.matrices.iter().zip(&mut self.matched) {
            let alone = LoraConfig { matrices: vec![part.clone()], ..self.config.clone() };
            *matched |= alone.selects(&name).is_some();
        }
        param
    }
}

struct Create {
    rank: usize,
    seed: u64,
    adapters: BTreeMap<String, Adapter>,
}

impl ParameterVisitor for Create {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() || !path.is_linear_weight() {
            return;
        }
        let (name, rank) = (path.name(), self.rank);
        let weight = param.val().without_autodiff();
        let (inputs, outputs) = (weight.dims()[0], weight.dims()[1]);
        let (base, device) = (weight.reshape([inputs, outputs]), param.val().device().without_autodiff());
        let mut rng = Rng::new(random::key(&[self.seed, FACTORS, random::name_key(&name)]));
        let limit = (inputs as f64).powf(-0.5);
        let values: Vec<f32> = (0..inputs * rank).map(|_| ((2.0 * rng.uniform() - 1.0) * limit) as f32).collect();
        let a = Tensor::from_data(TensorData::new(values, [inputs, rank]), &device);
        self.adapters.insert(name, Adapter { base, a, b: Tensor::zeros([rank, outputs], &device) });
    }
}

struct Chain<'a> {
    lora: &'a Lora,
    gradients: &'a GradientsParams,
    found: LoraGradients,
}

impl ParameterVisitor for Chain<'_> {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        let name = path.name();
        let Some(Adapter { base, a, b }) = self.lora.adapters.get(&name) else { return };
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let gradient = gradient.reshape(base.dims()) * self.lora.scale;
        let of_a = gradient.clone().matmul(b.clone().transpose());
        let of_b = a.clone().transpose().matmul(gradient);
        self.found.insert(name, [of_a, of_b]);
    }
}

struct Merge<'a> {
    lora: &'a Lora,
}

impl ParameterMapper for Merge<'_> {
    fn map<const D: usize>(&mut self, path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(Adapter { base, a, b }) = self.lora.adapters.get(&path.name()) else { return param };
        let (id, weight, mapper) = param.consume();
        let merged = base.clone() + a.clone().matmul(b.clone()) * self.lora.scale;
        Param::from_mapped_value(id, merged.reshape(weight.dims()).autodiff().require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests;
