//! Operations with a hand-written derivative on GPUs: CubeCL kernels over the tensors of burn's backend `Cube`.
//!
//! An [`Operation`] launches kernels. It computes the result and keeps the tensors that the derivative needs. [`one`] to
//! [`four`] add an operation of one to four tensors to burn's graph, as `autodiff` does on the CPU.
//!
//! All sums have a fixed order, a function of the shapes alone: the same bytes in every run on one device.

mod backend;
mod columns;
mod derived;
mod launch;
mod launches;
mod products;
mod sums;
mod tensors;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Device, Tensor};
use burn_cubecl::Cube;
use burn_cubecl::tensor::CubeTensor;

pub use backend::{computed, registered};
pub use columns::{ColumnSums, column_sums};
pub use derived::{backward_from, derived};
pub use launch::*;
pub use launches::count_launches;
pub use products::*;
pub use sums::*;
pub use tensors::*;

use crate::dispatch::operations;
use crate::form::portable_only;

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

operations!(Cube, Cube, CubeTensor, computed, registered);
