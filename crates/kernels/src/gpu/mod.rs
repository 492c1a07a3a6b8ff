//! Operations with a hand-written derivative on GPUs: CubeCL kernels over the tensors of burn's backend `Cube`.
//!
//! An [`Operation`] launches kernels. It computes the result and keeps the tensors that the derivative needs. [`one`] to
//! [`four`] add an operation of one to four tensors to burn's graph, as `autodiff` does on the CPU.
//!
//! All sums have a fixed order, a function of the shapes alone: the same bytes in every run on one device.

mod columns;
mod launches;
mod products;
mod sums;
mod tensors;

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Device, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

pub use columns::{ColumnSums, column_sums};
pub use launches::count_launches;
pub use products::*;
pub use sums::*;
pub use tensors::*;

use crate::form::portable_only;

/// Tensors that a tracked forward pass keeps for the backward pass.
pub type Kept = Vec<CubeTensor>;

/// An operation on float32 tensors with its derivative.
pub trait Operation: Debug + Send + Sync + 'static {
    /// Returns the result and, when `tracked`, everything that [`backward`](Self::backward) needs.
    fn forward(&self, inputs: Vec<CubeTensor>, tracked: bool) -> (CubeTensor, Kept);

    /// Returns the gradient of each input marked in `wanted`, from the gradient of the result.
    fn backward(&self, kept: Kept, gradient: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>>;
}

/// Whether fused forms apply to this tensor: float32 on a GPU, outside [`with_portable_ops`](crate::with_portable_ops).
pub fn applies<const D: usize>(tensor: &Tensor<D>) -> bool {
    if portable_only() {
        return false;
    }
    is_gpu(&tensor.device()) && tensor.dtype() == DType::F32
}

/// Whether a device computes by CubeCL.
pub fn is_gpu(device: &Device) -> bool {
    matches!(device.clone().without_autodiff().as_dispatch(), DispatchDevice::Cube(_))
}

/// The inputs of an operation, to be named by a pattern.
///
/// # Panics
/// Other than `N` inputs.
pub fn exactly<const N: usize>(inputs: Vec<CubeTensor>) -> [CubeTensor; N] {
    inputs.try_into().expect("as many inputs as the operation was called with")
}

type Shared = Arc<dyn Operation>;

#[backend_extension(Autodiff, Cube)]
trait FusedOnGpu: Backend {
    fn one(a: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
    fn two(a: FloatTensor<Self>, b: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
    fn three(a: FloatTensor<Self>, b: FloatTensor<Self>, c: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
    fn four(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        operation: Shared,
    ) -> FloatTensor<Self>;
}

/// The result of an operation on one tensor.
pub fn one<const A: usize, const R: usize>(a: Tensor<A>, operation: impl Operation) -> Tensor<R> {
    Tensor::from_dispatch(<Dispatch as FusedOnGpu>::one(a.into_dispatch(), Arc::new(operation)))
}

/// The result of an operation on two tensors.
pub fn two<const A: usize, const B: usize, const R: usize>(
    a: Tensor<A>,
    b: Tensor<B>,
    operation: impl Operation,
) -> Tensor<R> {
    Tensor::from_dispatch(<Dispatch as FusedOnGpu>::two(a.into_dispatch(), b.into_dispatch(), Arc::new(operation)))
}

/// The result of an operation on three tensors.
pub fn three<const A: usize, const B: usize, const C: usize, const R: usize>(
    a: Tensor<A>,
    b: Tensor<B>,
    c: Tensor<C>,
    operation: impl Operation,
) -> Tensor<R> {
    let [a, b, c] = [a.into_dispatch(), b.into_dispatch(), c.into_dispatch()];
    Tensor::from_dispatch(<Dispatch as FusedOnGpu>::three(a, b, c, Arc::new(operation)))
}

/// The result of an operation on four tensors.
pub fn four<const A: usize, const B: usize, const C: usize, const D: usize, const R: usize>(
    a: Tensor<A>,
    b: Tensor<B>,
    c: Tensor<C>,
    d: Tensor<D>,
    operation: impl Operation,
) -> Tensor<R> {
    let [a, b, c, d] = [a.into_dispatch(), b.into_dispatch(), c.into_dispatch(), d.into_dispatch()];
    Tensor::from_dispatch(<Dispatch as FusedOnGpu>::four(a, b, c, d, Arc::new(operation)))
}

impl FusedOnGpu for CubeBackend {
    fn one(a: CubeTensor, operation: Shared) -> CubeTensor {
        operation.forward(vec![a], false).0
    }

    fn two(a: CubeTensor, b: CubeTensor, operation: Shared) -> CubeTensor {
        operation.forward(vec![a, b], false).0
    }

    fn three(a: CubeTensor, b: CubeTensor, c: CubeTensor, operation: Shared) -> CubeTensor {
        operation.forward(vec![a, b, c], false).0
    }

    fn four(a: CubeTensor, b: CubeTensor, c: CubeTensor, d: CubeTensor, operation: Shared) -> CubeTensor {
        operation.forward(vec![a, b, c, d], false).0
    }
}

type Tracked<C> = FloatTensor<Autodiff<CubeBackend, C>>;

impl<C: CheckpointStrategy> FusedOnGpu for Autodiff<CubeBackend, C> {
    fn one(a: Tracked<C>, operation: Shared) -> Tracked<C> {
        record::<C, 1>([a], operation)
    }

    fn two(a: Tracked<C>, b: Tracked<C>, operation: Shared) -> Tracked<C> {
        record::<C, 2>([a, b], operation)
    }

    fn three(a: Tracked<C>, b: Tracked<C>, c: Tracked<C>, operation: Shared) -> Tracked<C> {
        record::<C, 3>([a, b, c], operation)
    }

    fn four(a: Tracked<C>, b: Tracked<C>, c: Tracked<C>, d: Tracked<C>, operation: Shared) -> Tracked<C> {
        record::<C, 4>([a, b, c, d], operation)
    }
}

fn record<C: CheckpointStrategy, const N: usize>(inputs: [Tracked<C>; N], operation: Shared) -> Tracked<C> {
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs: Vec<CubeTensor> = inputs.map(|input| input.into_primitive()).into();
    match Derivative.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (result, kept) = operation.forward(inputs, true);
            prepared.finish((operation, kept), result)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(inputs, false).0),
    }
}

#[derive(Debug)]
struct Derivative;

impl<const N: usize> Backward<CubeBackend, N> for Derivative {
    type State = (Shared, Kept);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<CubeBackend>(&ops.node);
        let (operation, kept) = ops.state;
        let wanted: Vec<bool> = ops.parents.iter().map(Option::is_some).collect();
        let computed = operation.backward(kept, gradient, &wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(computed) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<CubeBackend>(parent.id, gradient);
            }
        }
    }
}
