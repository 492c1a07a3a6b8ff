//! The fused forms for GPUs against their definitions, on every GPU backend in this build. Mesa's software Vulkan runs them
//! without a GPU.

mod activation;
mod adam;
mod attention;
mod best_tokens;
mod derivatives;
mod dropout;
mod linear;
mod losses;
mod residual;

use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// The GPU of this build.
fn gpu() -> Device {
    #[cfg(feature = "cuda")]
    return Device::cuda(0);
    #[cfg(all(feature = "vulkan", not(feature = "cuda")))]
    return Device::vulkan(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(all(feature = "wgpu", not(any(feature = "cuda", feature = "vulkan"))))]
    return Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
}

/// Values between −1 and 1, a function of `seed`.
fn values<const D: usize>(shape: [usize; D], seed: f32, device: &Device) -> Tensor<D> {
    let len: usize = shape.iter().product();
    let values: Vec<f32> = (0..len).map(|i| ((i as f32 + 0.37) * (0.7 + seed)).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A result and its gradients by name, of the fused form on the GPU and of the definition on the CPU; and the same again.
/// Both the launches for this device and those for GPUs are compared, which differ on a processor.
///
/// `compute` returns a result of the inputs on a device, and the inputs.
#[track_caller]
fn equals_the_definition<const D: usize>(
    name: &str,
    tolerance: f32,
    compute: impl Fn(&Device) -> (Tensor<D>, Vec<(&'static str, Leaf)>),
) {
    let all = |device: &Device| {
        let (result, inputs) = compute(&device.clone().autodiff());
        let slope = values(result.dims(), 0.31, device);
        let gradients = (result.clone() * slope).sum().backward();
        let of = |(name, leaf): (&'static str, Leaf)| (name, leaf.gradient(&gradients));
        let found: Vec<_> = inputs.into_iter().map(of).collect();
        [("result", floats(result))].into_iter().chain(found).collect::<Vec<_>>()
    };
    let twice = || (all(&gpu()), all(&gpu()));
    let expected = kernels::with_portable_ops(|| all(&Device::flex()));
    for (form, (found, again)) in [("here", twice()), ("on GPUs", kernels::with_gpu_launches(twice))] {
        for (((part, found), (_, again)), (_, expected)) in found.iter().zip(&again).zip(&expected) {
            close(&format!("{name}: {part} {form}"), found, expected, tolerance);
            let same = found.iter().zip(again).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{name}: {part} {form} has other bytes the second time");
        }
    }
}

/// An input that is differentiated, of any rank.
enum Leaf {
    One(Tensor<1>),
    Two(Tensor<2>),
    Three(Tensor<3>),
}

impl Leaf {
    fn gradient(&self, gradients: &Gradients) -> Vec<f32> {
        match self {
            Self::One(leaf) => floats(leaf.grad(gradients).expect("a gradient")),
            Self::Two(leaf) => floats(leaf.grad(gradients).expect("a gradient")),
            Self::Three(leaf) => floats(leaf.grad(gradients).expect("a gradient")),
        }
    }
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    floats(tensor).into_iter().map(f32::to_bits).collect()
}

#[track_caller]
fn close(name: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = expected.iter().fold(1e-6f32, |largest, x| largest.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance * scale, "{name}: {found} is not {expected} at {i}");
    }
}
