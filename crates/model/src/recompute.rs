//! Layers whose intermediate values are computed again in the backward pass, as in *Training Deep Nets with Sublinear Memory
//! Cost* (Chen et al. 2016): only the input of each layer is kept.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use kernels::recompute;

use crate::forward_pass::Pass;

/// The gradients of the parameters of recomputed layers, which the backward pass collects here.
///
/// A pass has one with [`Pass::recomputing`]. All weights of the model must be differentiated.
#[derive(Clone, Debug, Default)]
pub struct Recomputation(Arc<Mutex<GradientsParams>>);

impl Recomputation {
    /// Whether layers can be recomputed on the device: a GPU.
    pub fn supported(device: &Device) -> bool {
        recompute::supported(device)
    }

    /// All gradients of a model: those of the recomputed layers, and `others`.
    pub fn with_others<M: Module>(&self, model: &M, others: GradientsParams) -> GradientsParams {
        let recomputed = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        moved(model, recomputed, others)
    }

    fn add<M: Module>(&self, layer: &M, gradients: GradientsParams) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all = moved(layer, gradients, std::mem::take(&mut *all));
    }
}

/// Moves the gradients of a module's parameters.
fn moved<M: Module>(module: &M, from: GradientsParams, to: GradientsParams) -> GradientsParams {
    let mut visitor = Move { from, to };
    module.visit(&mut visitor);
    visitor.to
}

struct Move {
    from: GradientsParams,
    to: GradientsParams,
}

impl ModuleVisitor for Move {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.from.remove::<D>(param.id) {
            self.to.register(param.id, gradient);
        }
    }
}

/// The result of `run`, which computes a layer from one or two inputs; recomputed if the pass does so.
pub(crate) fn run<L, const N: usize>(
    layer: &L,
    inputs: [Tensor<3>; N],
    pass: &mut Pass,
    run: impl Fn(&L, [Tensor<3>; N], &mut Pass) -> Tensor<3> + Send + Sync + 'static,
) -> Tensor<3>
where
    L: Module + Sync + 'static,
{
    let Some(recomputation) = pass.recomputation() else { return run(layer, inputs, pass) };
    let device = inputs[0].device();
    let values = inputs.each_ref().map(|input| input.clone().without_autodiff());
    let (before, kept) = (pass.at_this_site(), values.clone());
    let result = run(&layer.valid(), values, pass);
    let layer = layer.clone();
    recompute::derived(inputs.into(), result, move |gradient| {
        let layer = layer.clone().fork(&device); // the same weights, another graph
        let inputs = kept.clone().map(|input| Tensor::from_inner(input).require_grad());
        let result = run(&layer, inputs.clone(), &mut before.at_this_site());
        let mut gradients = recompute::backward_from(result, gradient);
        let of_inputs = inputs.map(|input| input.grad_remove(&mut gradients).expect("an input of the layer"));
        recomputation.add(&layer, GradientsParams::from_grads(gradients, &layer));
        of_inputs.into()
    })
}
