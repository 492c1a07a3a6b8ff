//! Each fused operation against its portable definition: values and all gradients, on unusual shapes.

use std::cell::Cell;

use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use kernels::Dropout;
use kernels::activation::{self, Curve};
use kernels::linear::Epilogue;
use kernels::residual::LayerNorm;
use kernels::{dropout, embedding, linear, residual, ssru};

pub fn device() -> Device {
    Device::flex().autodiff()
}

thread_local! {
    static DRAWN: Cell<u32> = const { Cell::new(0) };
}

/// A pseudo-random number between −2 and 2, the same in every run.
pub fn draw() -> f32 {
    let n = DRAWN.get().wrapping_add(1);
    DRAWN.set(n);
    let mixed = (n ^ (n >> 7)).wrapping_mul(0x9E37_79B1);
    ((mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA77) >> 8) as f32 / (1 << 22) as f32 - 2.0
}

/// A leaf of the graph.
pub fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| draw()).collect();
    Tensor::from_data(TensorData::new(values, shape), &device()).require_grad()
}

pub fn close<const D: usize>(what: &str, ours: Tensor<D>, oracle: Tensor<D>) {
    assert_eq!(ours.dims(), oracle.dims(), "{what}");
    let (ours, oracle): (Vec<f32>, Vec<f32>) = (ours.into_data().iter().collect(), oracle.into_data().iter().collect());
    let largest = oracle.iter().fold(1.0f32, |largest, x| largest.max(x.abs()));
    for (i, (ours, oracle)) in ours.iter().zip(&oracle).enumerate() {
        assert!((ours - oracle).abs() <= 2e-5 * largest, "{what}, element {i}: {ours}, not {oracle}");
    }
}

/// Runs the backward pass from `result`, weighted by fixed random numbers so that every gradient matters.
pub fn backward<const D: usize>(result: &Tensor<D>) -> Gradients {
    let n: usize = result.dims().iter().product();
    let weights: Vec<f32> = (0..n).map(|i| ((i * 37 + 11) % 23) as f32 / 11.0 - 1.0).collect();
    let weights = Tensor::<D>::from_data(TensorData::new(weights, result.dims()), &Device::flex());
    (result.clone() * weights).sum().backward()
}

macro_rules! compare {
    ($name:expr, $ours:expr, $oracle:expr, [$($leaf:ident),*]) => {{
        let (ours, oracle) = ($ours, $oracle);
        close(&format!("{}: result", $name), ours.clone(), oracle.clone());
        let (ours, oracle) = (backward(&ours), backward(&oracle));
        $(close(
            &format!("{}: gradient of {}", $name, stringify!($leaf)),
            $leaf.grad(&ours).expect("a gradient"),
            $leaf.grad(&oracle).expect("a gradient"),
        );)*
    }};
}

#[test]
fn linear_layers() {
    for (rows, d_input, d_output) in [(1, 1, 1), (3, 5, 7), (256, 16, 33), (700, 31, 8)] {
        for then in [Epilogue::None, Epilogue::Relu] {
            let name = format!("linear {rows} {d_input} {d_output} {then:?}");
            let (x, weight, bias) = (leaf([rows, d_input]), leaf([d_input, d_output]), leaf([d_output]));
            let with = |bias: Option<Tensor<1>>| linear::linear(x.clone(), weight.clone(), bias, then);
            let oracle = |bias: Option<Tensor<1>>| linear::portable(x.clone(), weight.clone(), bias, then);
            compare!(name, with(Some(bias.clone())), oracle(Some(bias.clone())), [x, weight, bias]);
            compare!(name, with(None), oracle(None), [x, weight]);
        }
    }
}

#[test]
fn no_rows() {
    let x = Tensor::<2>::zeros([0, 4], &device()).require_grad();
    let y = linear::linear(x.clone(), leaf([4, 3]), Some(leaf([3])), Epilogue::Relu);
    assert_eq!(y.dims(), [0, 3]);
    let norm = LayerNorm { gamma: leaf([4]), beta: leaf([4]), epsilon: 1e-5 };
    assert_eq!(residual::add_and_norm(x.clone(), x.clone(), None, norm).dims(), [0, 4]);
    assert_eq!(dropout::dropout(x, Dropout { key: 1, rate: 0.5 }).dims(), [0, 4]);
}

#[test]
fn dropout_alone() {
    for shape in [[1, 1], [7, 33], [300, 257]] {
        let (x, dropped) = (leaf(shape), Dropout { key: 77, rate: 0.3 });
        compare!("dropout", dropout::dropout(x.clone(), dropped), dropout::portable(x.clone(), dropped), [x]);
    }
}

#[test]
fn recurrent_states() {
    for [batch, len, width] in [[1, 1, 1], [3, 7, 33], [5, 40, 64]] {
        let (gates, inputs, state) = (leaf([batch, len, width]), leaf([batch, len, width]), leaf([batch, 1, width]));
        let of = |states: fn(Tensor<3>, Tensor<3>, Tensor<3>) -> Tensor<3>| {
            states(gates.clone().mul_scalar(3.0), inputs.clone(), state.clone())
        };
        compare!(format!("states {len}"), of(ssru::states), of(ssru::portable), [gates, inputs, state]);
    }
    let empty = |shape| Tensor::<3>::zeros(shape, &device());
    assert_eq!(ssru::states(empty([2, 0, 4]), empty([2, 0, 4]), empty([2, 1, 4])).dims(), [2, 0, 4]);
    // Gates far from zero open or close completely.
    let far = Tensor::<3>::from_floats([[[-200.0, 200.0]]], &Device::flex());
    let (ones, state) = (Tensor::ones([1, 1, 2], &Device::flex()), Tensor::zeros([1, 1, 2], &Device::flex()));
    let states: Vec<f32> = ssru::states(far, ones, state).into_data().iter().collect();
    assert_eq!(states, [1.0, 0.0]);
}

#[test]
fn residual_connections() {
    for shape in [[1, 1, 2], [3, 5, 33], [5, 130, 64]] {
        for dropped in [None, Some(Dropout { key: 5, rate: 0.25 })] {
            let (x, change, width) = (leaf(shape), leaf(shape), shape[2]);
            let (gamma, beta) = (leaf([width]), leaf([width]));
            let norm = || LayerNorm { gamma: gamma.clone(), beta: beta.clone(), epsilon: 1e-5 };
            compare!(
                format!("add and norm {shape:?} {dropped:?}"),
                residual::add_and_norm(x.clone(), change.clone(), dropped, norm()),
                residual::portable_norm(residual::portable_add(x.clone(), change.clone(), dropped), norm()),
                [x, change, gamma, beta]
            );
            compare!(
                format!("add {shape:?} {dropped:?}"),
                residual::add(x.clone(), change.clone(), dropped),
                residual::portable_add(x.clone(), change.clone(), dropped),
                [x, change]
            );
            compare!(
                format!("norm {shape:?}"),
                residual::layer_norm(x.clone(), norm()),
                residual::portable_norm(x.clone(), norm()),
                [x, gamma, beta]
            );
        }
    }
}

#[test]
fn rms_norms() {
    for shape in [[1, 1, 2], [3, 5, 33], [5, 130, 64]] {
        for dropped in [None, Some(Dropout { key: 5, rate: 0.25 })] {
            let (x, change, gamma) = (leaf(shape), leaf(shape), leaf([shape[2]]));
            compare!(
                format!("add and RMS norm {shape:?} {dropped:?}"),
                residual::add_and_rms_norm(x.clone(), change.clone(), dropped, gamma.clone(), 1e-5),
                residual::portable_rms_norm(
                    residual::portable_add(x.clone(), change.clone(), dropped),
                    gamma.clone(),
                    1e-5
                ),
                [x, change, gamma]
            );
        }
        let (x, gamma) = (leaf(shape), leaf([shape[2]]));
        compare!(
            format!("RMS norm {shape:?}"),
            residual::rms_norm(x.clone(), gamma.clone(), 1e-6),
            residual::portable_rms_norm(x.clone(), gamma.clone(), 1e-6),
            [x, gamma]
        );
    }
}

const CURVES: [Curve; 3] = [Curve::Gelu, Curve::GeluTanh, Curve::Silu];

#[test]
fn activations_and_gated_units() {
    for shape in [[1, 1], [7, 33], [200, 257]] {
        for curve in CURVES {
            let (x, inner) = (leaf(shape), leaf(shape));
            let wide = || x.clone().mul_scalar(3.0);
            compare!(
                format!("{curve:?} {shape:?}"),
                activation::activation(wide(), curve),
                activation::portable(wide(), curve),
                [x]
            );
            compare!(
                format!("gated {curve:?} {shape:?}"),
                activation::gated(wide(), inner.clone(), curve),
                activation::portable_gated(wide(), inner.clone(), curve),
                [x, inner]
            );
        }
    }
}

#[test]
fn activations_far_from_zero() {
    let far = [-1e9f32, -200.0, -20.0, 0.0, 20.0, 200.0, 1e9];
    for curve in CURVES {
        let x = Tensor::<1>::from_floats(far, &device()).require_grad();
        let y = activation::activation(x.clone(), curve);
        let slopes: Vec<f32> = x.grad(&y.sum().backward()).expect("a gradient").into_data().iter().collect();
        let y: Vec<f32> = activation::activation(x, curve).into_data().iter().collect();
        for (i, x) in far.into_iter().enumerate() {
            let expected = if x > 0.0 { (x, 1.0) } else { (0.0, if x == 0.0 { 0.5 } else { 0.0 }) };
            assert!(
                (y[i] - expected.0).abs() <= 1e-6 * x.abs().max(1.0) && (slopes[i] - expected.1).abs() <= 1e-6,
                "{curve:?} {x}"
            );
        }
        let nan = activation::activation(Tensor::<1>::from_floats([f32::NAN], &device()), curve);
        assert!(nan.into_scalar::<f32>().is_nan(), "{curve:?}");
    }
}

pub fn ids<const D: usize>(values: Vec<i32>, shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

#[test]
fn embeddings_with_repeated_ids() {
    let matrix = leaf([11, 5]);
    let ids = ids((0..12).map(|i| (i * i) % 11).collect(), [3, 4]);
    let (ours, oracle) =
        (embedding::embedding(matrix.clone(), ids.clone(), 2.5), embedding::portable(matrix.clone(), ids, 2.5));
    compare!("embedding", ours, oracle, [matrix]);
}
