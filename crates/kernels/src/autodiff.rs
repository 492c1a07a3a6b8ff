//! Operations with a hand-written derivative in burn's automatic differentiation, on the CPU backend `flex`.
//!
//! An [`Operation`] is plain Rust over slices. It computes the result and keeps the arrays that the derivative needs.
//! [`one`] to [`four`] add an operation of one to four tensors to the graph; `custom_kernel`, an example of the crate
//! `attend`, shows this.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchDevice, Flex, backend_extension};
use burn::tensor::{DType, Device, Tensor};

pub use crate::array::Array;
use crate::dispatch::operations;
use crate::form::portable_only;

/// Whether fused forms apply to this tensor: float32 on `flex`, outside [`with_portable_ops`](crate::with_portable_ops).
pub fn applies<const D: usize>(tensor: &Tensor<D>) -> bool {
    if portable_only() {
        return false;
    }
    is_flex(&tensor.device()) && tensor.dtype() == DType::F32
}

/// Whether a device is `flex`.
pub fn is_flex(device: &Device) -> bool {
    matches!(device.clone().without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

operations!(Flex, Flex, Array, Array::from, FlexTensor::from);
