//! Operations with a hand-written derivative in burn's automatic differentiation, on the CPU backend `flex`.
//!
//! An [`Operation`] is plain Rust over slices. It computes the result and keeps the arrays that the derivative needs.
//! [`one`] to [`four`] add an operation of one to four tensors to the graph; `custom_kernel`, an example of the crate
//! `attend`, shows this.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchDevice, Flex, backend_extension};
use burn::tensor::{DType, Tensor};

pub use crate::array::Array;
use crate::form::portable_only;

/// Arrays that a tracked forward pass keeps for the backward pass.
pub type Kept = Vec<Array>;

/// An operation on float32 arrays with its derivative.
pub trait Operation: Debug + Send + Sync + 'static {
    /// Returns the result and, when `tracked`, everything that [`backward`](Self::backward) needs.
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept);

    /// Returns the gradient of each input marked in `wanted`, from the gradient of the result.
    fn backward(&self, kept: Kept, gradient: Array, wanted: &[bool]) -> Vec<Option<Array>>;
}

/// Whether fused forms apply to this tensor: float32 on `flex`, outside [`with_portable_ops`](crate::with_portable_ops).
pub fn applies<const D: usize>(tensor: &Tensor<D>) -> bool {
    if portable_only() {
        return false;
    }
    let device = tensor.device().without_autodiff();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_)) && tensor.dtype() == DType::F32
}

/// The inputs of an operation as an array, to be named by a pattern.
///
/// # Panics
/// Other than `N` inputs.
pub fn exactly<const N: usize>(inputs: Vec<Array>) -> [Array; N] {
    inputs.try_into().expect("as many inputs as the operation was called with")
}

type Shared = Arc<dyn Operation>;

#[backend_extension(Autodiff, Flex)]
trait Fused: Backend {
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
    Tensor::from_dispatch(<Dispatch as Fused>::one(a.into_dispatch(), Arc::new(operation)))
}

/// The result of an operation on two tensors.
pub fn two<const A: usize, const B: usize, const R: usize>(
    a: Tensor<A>,
    b: Tensor<B>,
    operation: impl Operation,
) -> Tensor<R> {
    Tensor::from_dispatch(<Dispatch as Fused>::two(a.into_dispatch(), b.into_dispatch(), Arc::new(operation)))
}

/// The result of an operation on three tensors.
pub fn three<const A: usize, const B: usize, const C: usize, const R: usize>(
    a: Tensor<A>,
    b: Tensor<B>,
    c: Tensor<C>,
    operation: impl Operation,
) -> Tensor<R> {
    let [a, b, c] = [a.into_dispatch(), b.into_dispatch(), c.into_dispatch()];
    Tensor::from_dispatch(<Dispatch as Fused>::three(a, b, c, Arc::new(operation)))
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
    Tensor::from_dispatch(<Dispatch as Fused>::four(a, b, c, d, Arc::new(operation)))
}

type Plain = FloatTensor<Flex>;

impl Fused for Flex {
    fn one(a: Plain, operation: Shared) -> Plain {
        compute([a], &operation)
    }

    fn two(a: Plain, b: Plain, operation: Shared) -> Plain {
        compute([a, b], &operation)
    }

    fn three(a: Plain, b: Plain, c: Plain, operation: Shared) -> Plain {
        compute([a, b, c], &operation)
    }

    fn four(a: Plain, b: Plain, c: Plain, d: Plain, operation: Shared) -> Plain {
        compute([a, b, c, d], &operation)
    }
}

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

impl<C: CheckpointStrategy> Fused for Autodiff<Flex, C> {
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

fn compute<const N: usize>(inputs: [Plain; N], operation: &Shared) -> Plain {
    operation.forward(inputs.map(Array::from).into(), false).0.into()
}

fn record<C: CheckpointStrategy, const N: usize>(inputs: [Tracked<C>; N], operation: Shared) -> Tracked<C> {
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs: Vec<Array> = inputs.map(|input| Array::from(input.into_primitive())).into();
    match Derivative.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (result, kept) = operation.forward(inputs, true);
            prepared.finish((operation, kept), result.into())
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(inputs, false).0.into()),
    }
}

#[derive(Debug)]
struct Derivative;

impl<const N: usize> Backward<Flex, N> for Derivative {
    type State = (Shared, Kept);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = Array::from(gradients.consume::<Flex>(&ops.node));
        let (operation, kept) = ops.state;
        let wanted: Vec<bool> = ops.parents.iter().map(Option::is_some).collect();
        let computed = operation.backward(kept, gradient, &wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(computed) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient.into());
            }
        }
    }
}
