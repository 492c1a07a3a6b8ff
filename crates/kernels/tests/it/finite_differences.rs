//! Hand-written derivatives against central differences of the fused operations.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use kernels::activation::{Curve, activation, gated};
use kernels::attention::Scoring;
use kernels::linear::Epilogue;
use kernels::projection_loss::{LabelSmoothing, Projection, Targets};
use kernels::residual::LayerNorm;
use kernels::{Dropout, Mask, attention, dropout, embedding, linear, projection_loss, r_drop_loss, residual, ssru};

const STEP: f32 = 1e-2;

/// The inputs of an output projection.
fn project(hidden: Tensor<2>, matrix: Tensor<2>, bias: Option<Tensor<1>>) -> Projection {
    Projection { hidden, matrix, bias }
}

/// Targets with their smoothing.
fn against(ids: Tensor<1, Int>, smoothing: LabelSmoothing) -> Targets {
    Targets { ids, smoothing }
}

/// Fixed pseudo-random numbers between −1 and 1.
fn numbers(len: usize, salt: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + salt * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0).collect()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Checks the derivative of `f`, summed with fixed weights, at every element of one input of the given shape.
fn check<const D: usize, const R: usize>(name: &str, shape: [usize; D], f: impl Fn(Tensor<D>) -> Tensor<R>) {
    let at = numbers(shape.iter().product(), 1);
    let total = |y: Tensor<R>| {
        let shape = y.dims();
        let weights = numbers(shape.iter().product(), 2);
        (y * tensor(&weights, shape, &Device::flex())).sum()
    };
    let plain = |values: &[f32]| total(f(tensor(values, shape, &Device::flex()))).into_scalar::<f32>();
    let leaf = tensor(&at, shape, &Device::flex().autodiff()).require_grad();
    let gradient = leaf.grad(&total(f(leaf.clone())).backward()).expect("a gradient");
    let gradient: Vec<f32> = gradient.into_data().iter().collect();
    let largest = gradient.iter().fold(0.1f32, |largest, x| largest.max(x.abs()));
    for (i, derivative) in gradient.iter().enumerate() {
        let moved = |by: f32| {
            let mut values = at.clone();
            values[i] += by;
            plain(&values)
        };
        let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let off = (difference - derivative).abs();
        assert!(off <= 1e-2 * largest, "{name}, element {i}: derivative {derivative}, difference {difference}");
    }
}

fn constant<const D: usize>(shape: [usize; D], salt: usize) -> Tensor<D> {
    tensor(&numbers(shape.iter().product(), salt), shape, &Device::flex())
}

#[test]
fn linear_layers() {
    let (x, w, b) = ([3, 5], [5, 4], [4]);
    let layer = |x, w, b| linear::linear(x, w, Some(b), Epilogue::None);
    check("input", x, |x| layer(x, constant(w, 3), constant(b, 4)));
    check("weight", w, |w| layer(constant(x, 3), w, constant(b, 4)));
    check("bias", b, |b| layer(constant(x, 3), constant(w, 4), b));
}

#[test]
fn linear_layers_with_relu() {
    // With these salts there are positive and negative sums, and none near zero, where ReLU has no derivative.
    let (x, w, b) = ([3, 5], [5, 4], [4]);
    let layer = |x, w, b| linear::linear(x, w, Some(b), Epilogue::Relu);
    check("input", x, |x| layer(x, constant(w, 8), constant(b, 15)));
    check("weight", w, |w| layer(constant(x, 8), w, constant(b, 15)));
    check("bias", b, |b| layer(constant(x, 8), constant(w, 15), b));
}

#[test]
fn dropout_and_residual() {
    let (shape, width) = ([2, 3, 6], [6]);
    let dropped = Dropout { key: 9, rate: 0.4 };
    check("dropout", shape, |x| dropout::dropout(x, dropped));
    let norm = |gamma, beta| LayerNorm { gamma, beta, epsilon: 1e-5 };
    let whole = |x, change, gamma, beta| residual::add_and_norm(x, change, Some(dropped), norm(gamma, beta));
    let (gamma, beta) = (|| constant(width, 5), || constant(width, 6));
    check("x", shape, |x| whole(x, constant(shape, 3), gamma(), beta()));
    check("change", shape, |change| whole(constant(shape, 3), change, gamma(), beta()));
    check("gamma", width, |gamma| whole(constant(shape, 3), constant(shape, 4), gamma, beta()));
    check("beta", width, |beta| whole(constant(shape, 3), constant(shape, 4), gamma(), beta));
    for dropped in [None, Some(dropped)] {
        check("x of a sum", shape, |x| residual::add(x, constant(shape, 3), dropped));
        check("change of a sum", shape, |change| residual::add(constant(shape, 3), change, dropped));
    }
    check("x of a norm", shape, |x| residual::layer_norm(x, norm(gamma(), beta())));
    check("gamma of a norm", width, |gamma| residual::layer_norm(constant(shape, 3), norm(gamma, beta())));
    check("beta of a norm", width, |beta| residual::layer_norm(constant(shape, 3), norm(gamma(), beta)));
}

#[test]
fn rms_norm() {
    let (shape, width) = ([2, 3, 6], [6]);
    let whole = |x, change, gamma| residual::add_and_rms_norm(x, change, None, gamma, 1e-5);
    check("x", shape, |x| whole(x, constant(shape, 3), constant(width, 5)));
    check("change", shape, |change| whole(constant(shape, 3), change, constant(width, 5)));
    check("gamma", width, |gamma| whole(constant(shape, 3), constant(shape, 4), gamma));
    check("x of a norm", shape, |x| residual::rms_norm(x, constant(width, 5), 1e-5));
}

#[test]
fn activations_and_gated_units() {
    let shape = [3, 5];
    for curve in [Curve::Gelu, Curve::GeluTanh, Curve::Silu] {
        check("activation", shape, |x| activation(x.mul_scalar(2.0), curve));
        check("gate", shape, |gate| gated(gate.mul_scalar(2.0), constant(shape, 3), curve));
        check("inner", shape, |inner| gated(constant(shape, 3), inner, curve));
    }
}

#[test]
fn recurrent_states() {
    let (steps, first) = ([2, 4, 3], [2, 1, 3]);
    check("gates", steps, |gates| ssru::states(gates, constant(steps, 3), constant(first, 4)));
    check("inputs", steps, |inputs| ssru::states(constant(steps, 3), inputs, constant(first, 4)));
    check("state", first, |state| ssru::states(constant(steps, 3), constant(steps, 4), state));
}

#[test]
fn attention_with_hidden_keys() {
    let (queries, keys) = ([2, 2, 3, 4], [2, 2, 5, 4]);
    // Indexed by sentence, query and key. The first query of the first sentence has no visible key.
    let hidden: Vec<bool> = (0..2 * 3 * 5).map(|i| i % 5 >= (i / 15 + i / 5 % 3 * 2)).collect();
    let mask = Mask::from(Tensor::<4, Bool>::from_data(TensorData::new(hidden, [2, 1, 3, 5]), &Device::flex()));
    for dropped in [None, Some(Dropout { key: 4, rate: 0.3 })] {
        let attend = |q, k, v| attention::attention(q, k, v, Scoring::scaled(4), Some(&mask), dropped);
        check("queries", queries, |q| attend(q, constant(keys, 3), constant(keys, 4)));
        check("keys", keys, |k| attend(constant(queries, 3), k, constant(keys, 4)));
        check("values", keys, |v| attend(constant(queries, 3), constant(keys, 4), v));
        check("bias", [2, 7], |bias| {
            let scoring = Scoring { divisor: 1.0, bias: Some(bias) };
            let (q, k, v) = (constant(queries, 3), constant(keys, 4), constant(keys, 5));
            attention::attention(q, k, v, scoring, Some(&mask), dropped)
        });
    }
}

#[test]
fn embedding_and_loss() {
    let ids = |values: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(values, [6]), &Device::flex());
    check("embedding", [7, 3], |matrix| embedding::embedding(matrix, ids(vec![0, 2, 2, 5, 6, 2]).reshape([2, 3]), 1.7));
    let smoothing = LabelSmoothing { epsilon: 0.2, pad_id: 6 };
    let loss = |hidden, matrix, bias| {
        projection_loss::projection_loss(
            project(hidden, matrix, Some(bias)),
            against(ids(vec![0, 6, 2, 5, 6, 2]), smoothing),
        )
        .smoothed
    };
    let (hidden, matrix, bias) = ([6, 3], [7, 3], [7]);
    check("hidden", hidden, |hidden| loss(hidden, constant(matrix, 3), constant(bias, 4)));
    check("matrix", matrix, |matrix| loss(constant(hidden, 3), matrix, constant(bias, 4)));
    check("bias", bias, |bias| loss(constant(hidden, 3), constant(matrix, 4), bias));
}

#[test]
fn r_drop() {
    let targets = || Tensor::<1, Int>::from_data(TensorData::new(vec![0, 6, 2], [3]), &Device::flex());
    let smoothing = LabelSmoothing { epsilon: 0.2, pad_id: 6 };
    let loss = |hidden, matrix, bias| {
        r_drop_loss::r_drop_loss(project(hidden, matrix, Some(bias)), against(targets(), smoothing), 3.0).smoothed
    };
    let (hidden, matrix, bias) = ([6, 3], [7, 3], [7]);
    check("hidden", hidden, |hidden| loss(hidden, constant(matrix, 3), constant(bias, 4)));
    check("matrix", matrix, |matrix| loss(constant(hidden, 3), matrix, constant(bias, 4)));
    check("bias", bias, |bias| loss(constant(hidden, 3), constant(matrix, 4), bias));
}
