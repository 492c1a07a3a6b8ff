//! Products of rounded operands on GPUs: against those of the CPU, and against operands that are rounded beforehand.

use burn::tensor::{Device, Tensor, TensorData};
use kernels::attention::{Scoring, attention};
use kernels::linear::{Epilogue, linear};
use kernels::precision::{self, Precision};

/// The GPU of this build.
fn gpu() -> Device {
    #[cfg(feature = "cuda")]
    return Device::cuda(0);
    #[cfg(all(feature = "vulkan", not(feature = "cuda")))]
    return Device::vulkan(burn::tensor::DeviceKind::DefaultDevice);
    #[cfg(all(feature = "wgpu", not(any(feature = "cuda", feature = "vulkan"))))]
    return Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
}

fn numbers(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) as f32 * 0.618).sin()).collect()
}

fn leaf<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
    let values = numbers(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), &device.clone().autodiff()).require_grad()
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// The largest difference, as a share of the largest value.
fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    found.iter().zip(expected).fold(0f32, |furthest, (a, b)| furthest.max((a - b).abs())) / largest
}

/// The nearest number without the last `bits` of the significand, ties to even.
fn rounded(value: f32, bits: u32) -> f32 {
    let unit = f64::from(value.abs()).log2().floor().exp2() / f64::from(1u32 << (23 - bits));
    ((f64::from(value) / unit).round_ties_even() * unit) as f32
}

/// A layer and its gradients.
fn layer(device: &Device) -> Vec<Vec<f32>> {
    let (x, weight, bias) = (leaf([67, 48], 1, device), leaf([48, 65], 2, device), leaf([65], 3, device));
    let result = linear(x.clone(), weight.clone(), Some(bias), Epilogue::None);
    let slopes = leaf([67, 65], 4, device).detach();
    let gradients = (result.clone() * slopes).sum().backward();
    let of = |leaf: Tensor<2>| floats(leaf.grad(&gradients).expect("a gradient"));
    vec![floats(result), of(x), of(weight)]
}

/// Attention and the gradients of its heads.
fn heads(device: &Device) -> Vec<Vec<f32>> {
    let [q, k, v] = [1, 2, 3].map(|seed| leaf([2, 3, 13, 8], seed, device));
    let result = attention(q.clone(), k.clone(), v.clone(), Scoring::scaled(8), None, None);
    let slopes = leaf([2, 3, 13, 8], 4, device).detach();
    let gradients = (result.clone() * slopes).sum().backward();
    let of = |leaf: Tensor<4>| floats(leaf.grad(&gradients).expect("a gradient"));
    vec![floats(result), of(q), of(k), of(v)]
}

fn product(x: Vec<f32>, weight: Vec<f32>) -> Vec<f32> {
    let x = Tensor::<2>::from_data(TensorData::new(x, [31, 37]), &gpu());
    let weight = Tensor::<2>::from_data(TensorData::new(weight, [37, 65]), &gpu());
    floats(linear(x, weight, None, Epilogue::None))
}

/// All in one test, since the precision is that of the process.
#[test]
fn operands_are_rounded_and_sums_are_not() {
    check();
    kernels::with_gpu_launches(check); // which differ where a processor runs the kernels
}

fn check() {
    precision::set(Precision::Float32);
    let (x, weight) = (numbers(31 * 37, 1), numbers(37 * 65, 2));
    let exact = [layer(&gpu()), heads(&gpu())];
    let expected = [Precision::Tfloat32, Precision::Bfloat16].map(|precision| {
        let bits = if precision == Precision::Bfloat16 { 16 } else { 13 };
        let round = |values: &[f32]| values.iter().map(|value| rounded(*value, bits)).collect();
        (precision, product(round(&x), round(&weight)))
    });
    for (precision, expected) in expected {
        precision::set(precision);
        assert_eq!(product(x.clone(), weight.clone()), expected, "{precision:?}: a product of rounded operands");
        let special = [f32::NAN, -f32::NAN, f32::INFINITY, f32::MAX, -0.0];
        for value in special {
            let found =
                product([vec![value], vec![0.0; 31 * 37 - 1]].concat(), [vec![1.0], vec![0.0; 37 * 65 - 1]].concat());
            let bits = if precision == Precision::Bfloat16 { 16 } else { 13 };
            let nearest = if value == f32::MAX { f32::INFINITY } else { value };
            assert!(
                found[0] == nearest || (found[0].is_nan() && value.is_nan()),
                "{value} without {bits} bits: {}",
                found[0]
            );
        }
        let (least, most) = if precision == Precision::Bfloat16 { (1e-4, 2e-2) } else { (1e-5, 3e-3) };
        for (found, exact) in [layer(&gpu()), heads(&gpu())].iter().flatten().zip(exact.iter().flatten()) {
            let off = distance(found, exact);
            assert!((least..most).contains(&off), "{precision:?}: {off} of the largest value from float32");
        }
    }
    // The CPU's products have the same operands. Weights of attention differ in the last bits before they are rounded.
    for (compute, tolerance) in [(layer as fn(&Device) -> _, 1e-5), (heads, 1e-2)] {
        for (found, expected) in compute(&gpu()).iter().zip(compute(&Device::flex())) {
            let off = distance(found, &expected);
            assert!(off <= tolerance, "bfloat16: {off} of the largest value from the CPU");
        }
    }
}
