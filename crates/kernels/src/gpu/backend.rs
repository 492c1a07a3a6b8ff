//! Between the tensors of burn's backend for GPUs and those that kernels take.
//!
//! They are the same, unless the build has the feature `fusion`. With it, burn queues its own operations and joins several
//! of them into one kernel when a value is needed. The kernels of this crate launch at once, so that their inputs end the queue.

use burn::backend::tensor::FloatTensor;
use burn_cubecl::Cube;
use burn_cubecl::tensor::CubeTensor;

/// A tensor of burn's backend, of float or whole numbers, whose computation has been launched.
pub fn computed(tensor: FloatTensor<Cube>) -> CubeTensor {
    #[cfg(not(feature = "fusion"))]
    return tensor;
    #[cfg(feature = "fusion")]
    {
        let queue = tensor.client.clone();
        queue.resolve_tensor_float::<burn_cubecl::CubeBackend>(tensor) // burn reads whole numbers by the same function
    }
}

/// The result of a kernel as a tensor of burn's backend.
pub fn registered(tensor: CubeTensor) -> FloatTensor<Cube> {
    #[cfg(not(feature = "fusion"))]
    return tensor;
    #[cfg(feature = "fusion")]
    {
        use burn::backend::fusion::custom::{CustomOpIr, OperationIr, OperationOutput, StreamId, TensorIr};
        use burn::backend::fusion::{NoOp, get_client};
        use burn_cubecl::CubeBackend;

        let (queue, shape, dtype) =
            (get_client::<CubeBackend>(&tensor.device), tensor.meta.shape().clone(), tensor.dtype);
        let id = queue.register_tensor_handle(tensor.into());
        let known = CustomOpIr::new("kernel", &[], &[TensorIr::uninit(id, shape, dtype)]);
        queue.register(StreamId::current(), OperationIr::Custom(known), NoOp::<CubeBackend>::new()).output()
    }
}
