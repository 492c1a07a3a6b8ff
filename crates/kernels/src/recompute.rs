//! Parts of a network whose derivative is a function, so that their intermediate values are not kept for the backward pass.

use burn::tensor::{Device, Gradients, Tensor};

/// Whether [`derived`] and [`backward_from`] compute on the device: a GPU.
pub fn supported(device: &Device) -> bool {
    #[cfg(feature = "cube")]
    return crate::gpu::is_gpu(device);
    #[cfg(not(feature = "cube"))]
    {
        let _ = device;
        false
    }
}

/// `result`, which was computed from `inputs` outside of the graph, as a function of them: `derivative` returns the gradient of
/// each input from that of the result.
///
/// # Panics
/// A device that is not [`supported`], or other than one or two inputs.
pub fn derived<const D: usize>(
    inputs: Vec<Tensor<D>>,
    result: Tensor<D>,
    derivative: impl Fn(Tensor<D>) -> Vec<Tensor<D>> + Send + Sync + 'static,
) -> Tensor<D> {
    #[cfg(feature = "cube")]
    return crate::gpu::derived(inputs, result, derivative);
    #[cfg(not(feature = "cube"))]
    {
        drop((inputs, result, derivative));
        unreachable!("a build for GPUs")
    }
}

/// The gradients of all that `result` depends on, from the gradient of the result.
///
/// # Panics
/// A device that is not [`supported`].
pub fn backward_from<const D: usize>(result: Tensor<D>, gradient: Tensor<D>) -> Gradients {
    #[cfg(feature = "cube")]
    return crate::gpu::backward_from(result, gradient);
    #[cfg(not(feature = "cube"))]
    {
        drop((result, gradient));
        unreachable!("a build for GPUs")
    }
}
