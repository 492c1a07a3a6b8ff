//! Operations with bfloat16 products against their float32 definitions: close, but not equal.

use burn::tensor::{Device, Int, Tensor, TensorData};
use kernels::attention::Scoring;
use kernels::linear::Epilogue;
use kernels::precision::{self, Precision};
use kernels::projection_loss::{LabelSmoothing, Projection, Targets};
use kernels::{attention, linear, projection_loss, r_drop_loss};

/// The inputs of an output projection.
fn project(hidden: Tensor<2>, matrix: Tensor<2>, bias: Option<Tensor<1>>) -> Projection {
    Projection { hidden, matrix, bias }
}

/// Targets with their smoothing.
fn against(ids: Tensor<1, Int>, smoothing: LabelSmoothing) -> Targets {
    Targets { ids, smoothing }
}

fn leaf<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 7919 + seed * 104_729) as f32 * 0.618).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
}

/// Asserts a difference of a few bfloat16 roundings of the largest value, more than float32 gives.
fn near<const D: usize>(what: &str, ours: Tensor<D>, exact: Tensor<D>) {
    let [ours, exact]: [Vec<f32>; 2] = [ours, exact].map(|tensor| tensor.into_data().iter().collect());
    assert!(ours.len() == exact.len() && ours.iter().all(|x| x.is_finite()), "{what}");
    let largest = exact.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let furthest = ours.iter().zip(&exact).fold(0f32, |furthest, (a, b)| furthest.max((a - b).abs())) / largest;
    assert!(furthest < 1e-2, "{what} is off by {furthest} of its largest value");
    assert!(furthest > 1e-5, "{what} is off by {furthest} alone: nothing was rounded");
}

macro_rules! compare {
    ($ours:expr, $exact:expr, [$($leaf:ident),*]) => {{
        let (ours, exact) = ($ours, $exact);
        near("the result", ours.clone(), exact.clone());
        let weights = leaf(exact.dims(), 9).detach();
        let (ours, exact) = ((ours * weights.clone()).sum().backward(), (exact * weights).sum().backward());
        $(near(
            concat!("the gradient of ", stringify!($leaf)),
            $leaf.grad(&ours).expect("a gradient"),
            $leaf.grad(&exact).expect("a gradient"),
        );)*
    }};
}

#[test]
fn linear_layers() {
    precision::set(Precision::Bfloat16);
    let (x, weight, bias) = (leaf([300, 48], 1), leaf([48, 40], 2), leaf([40], 3));
    let arguments = || (x.clone(), weight.clone(), Some(bias.clone()));
    let ours = {
        let (x, weight, bias) = arguments();
        linear::linear(x, weight, bias, Epilogue::None)
    };
    let (x_, weight_, bias_) = arguments();
    compare!(ours, linear::portable(x_, weight_, bias_, Epilogue::None), [x, weight]);
}

#[test]
fn attention_over_heads() {
    precision::set(Precision::Bfloat16);
    let [q, k, v] = [1, 2, 3].map(|seed| leaf([2, 3, 20, 32], seed));
    let ours = attention::attention(q.clone(), k.clone(), v.clone(), Scoring::scaled(q.dims()[3]), None, None);
    compare!(
        ours,
        attention::portable(q.clone(), k.clone(), v.clone(), Scoring::scaled(q.dims()[3]), None, None),
        [q, k, v]
    );
}

#[test]
fn the_projection_and_its_losses() {
    precision::set(Precision::Bfloat16);
    let (hidden, matrix) = (leaf([80, 32], 1), leaf([50, 32], 2));
    let targets = |rows: i32| {
        let targets: Vec<i32> = (0..rows).map(|i| i * 7 % 50).collect();
        Tensor::<1, Int>::from_data(TensorData::new(targets, [rows as usize]), &Device::flex())
    };
    let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: 0 };
    let arguments = |rows| (hidden.clone(), matrix.clone(), targets(rows));
    let projection = {
        let ((h, m, t), (h_, m_, t_)) = (arguments(80), arguments(80));
        let ours = projection_loss::projection_loss(project(h, m, None), against(t, smoothing));
        (ours, projection_loss::portable(project(h_, m_, None), against(t_, smoothing)))
    };
    let consistency = {
        let ((h, m, t), (h_, m_, t_)) = (arguments(40), arguments(40));
        let ours = r_drop_loss::r_drop_loss(project(h, m, None), against(t, smoothing), 1.0);
        (ours, r_drop_loss::portable(project(h_, m_, None), against(t_, smoothing), 1.0))
    };
    for (ours, exact) in [projection, consistency] {
        let values = [&ours, &exact].map(|sums| sums.smoothed.clone().into_scalar::<f32>());
        assert!((values[0] / values[1] - 1.0).abs() < 1e-2 && values[0] != values[1], "{values:?}");
        let (ours, exact) = (ours.smoothed.backward(), exact.smoothed.backward());
        near("the gradient of the states", hidden.grad(&ours).unwrap(), hidden.grad(&exact).unwrap());
        near("the gradient of the matrix", matrix.grad(&ours).unwrap(), matrix.grad(&exact).unwrap());
    }
}
