//! Hand-written derivatives on GPUs against central differences of the same kernels, along random directions.

use burn::tensor::{Int, Tensor, TensorData};
use kernels::activation::{Curve, activation};
use kernels::attention::{Scoring, attention};
use kernels::embedding::embedding;
use kernels::linear::{Epilogue, linear};
use kernels::mask::KeyLengths;
use kernels::projection_loss::{LabelSmoothing, LossSums, Projection, Targets, projection_loss};
use kernels::r_drop_loss::r_drop_loss;
use kernels::residual::{LayerNorm, add, add_and_norm, add_and_rms_norm};
use kernels::{Dropout, Mask, dropout};

use crate::{floats, gpu, values};

/// Half the distance between the two points of a difference, for inputs between −1 and 1.
const STEP: f32 = 1e-2;

const DROPOUT: Dropout = Dropout { key: 11, rate: 0.3 };

/// Checks the derivative of `f`, summed with fixed weights, along two directions from `at`: with the launches for this device
/// and with those for GPUs.
#[track_caller]
fn check<const D: usize, const R: usize>(name: &str, at: Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<R>) {
    check_launches(name, at.clone(), &f);
    kernels::with_gpu_launches(|| check_launches(&format!("{name} on GPUs"), at, &f));
}

#[track_caller]
fn check_launches<const D: usize, const R: usize>(name: &str, at: Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<R>) {
    let (shape, device) = (at.dims(), gpu());
    let leaf = Tensor::<D>::from_data(at.to_data(), &device.clone().autodiff()).require_grad();
    let result = f(leaf.clone());
    let slopes = values(result.dims(), 0.31, &device);
    let gradients = (result * slopes.clone()).sum().backward();
    let gradient = floats(leaf.grad(&gradients).expect("a gradient"));
    let slopes = floats(slopes);
    let total = |values: Tensor<R>| -> f64 {
        floats(values).iter().zip(&slopes).map(|(value, slope)| f64::from(*value) * f64::from(*slope)).sum()
    };
    for seed in [0.53, 0.77] {
        let direction = values(shape, seed, &device);
        let moved = |by: f32| total(f(at.clone() + direction.clone() * by));
        let difference = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
        let parts = || gradient.iter().zip(floats(direction.clone())).map(|(slope, along)| f64::from(slope * along));
        let (derivative, size) = (parts().sum::<f64>(), parts().map(|part| part * part).sum::<f64>().sqrt());
        let off = (difference - derivative).abs();
        assert!(off <= 1e-2 * size.max(0.1), "{name}: derivative {derivative}, difference {difference}, size {size}");
    }
}

fn plain<const D: usize>(shape: [usize; D], seed: f32) -> Tensor<D> {
    values(shape, seed, &gpu())
}

#[test]
fn linear_layers() {
    // One row or column, primes, and one more than a tile.
    for [rows, d_input, d_output] in [[1, 1, 1], [13, 1, 7], [1, 67, 31], [67, 31, 65]] {
        for (epilogue, shift) in [(Epilogue::None, 0.0), (Epilogue::Relu, 30.0)] {
            // Far from zero, where ReLU has no derivative.
            let bias = || plain([d_output], 0.3).sign() * shift + plain([d_output], 0.4);
            let name = |input: &str| format!("{rows} × {d_input} × {d_output} {epilogue:?}: {input}");
            let (x, weight) = (plain([rows, d_input], 0.1), plain([d_input, d_output], 0.2));
            check(&name("x"), x.clone(), |x| linear(x, weight.clone(), Some(bias()), epilogue));
            check(&name("weight"), weight.clone(), |weight| linear(x.clone(), weight, Some(bias()), epilogue));
            check(&name("bias"), bias(), |bias| linear(x.clone(), weight.clone(), Some(bias), epilogue));
        }
    }
}

#[test]
fn attention_heads() {
    let lengths = KeyLengths::new(&[1, 37]);
    for (batch, heads, query_len, key_len, size) in [(1, 1, 1, 1, 1), (2, 3, 13, 37, 5), (2, 1, 1, 65, 7)] {
        let fitting = (batch == 2).then_some(Mask::Padding(lengths.clone()));
        let causal = (query_len == key_len).then_some(Mask::Causal);
        for (mask, dropout) in [(None, None), (fitting, Some(DROPOUT)), (causal, None)] {
            let name = |input: &str| format!("{query_len} × {key_len} {mask:?} {dropout:?}: {input}");
            let of = |q, k, v| attention(q, k, v, Scoring::scaled(size), mask.as_ref(), dropout);
            let q = plain([batch, heads, query_len, size], 0.1);
            let [k, v] = [0.2, 0.3].map(|seed| plain([batch, heads, key_len, size], seed));
            check(&name("queries"), q.clone(), |q| of(q, k.clone(), v.clone()));
            check(&name("keys"), k.clone(), |k| of(q.clone(), k, v.clone()));
            check(&name("values"), v.clone(), |v| of(q.clone(), k.clone(), v));
            check(&name("bias"), plain([heads, query_len + key_len - 1], 0.4), |bias| {
                let scoring = Scoring { divisor: 1.7, bias: Some(bias) };
                attention(q.clone(), k.clone(), v.clone(), scoring, mask.as_ref(), dropout)
            });
        }
    }
}

#[test]
fn residual_connections() {
    for shape in [[1, 1, 2], [1, 13, 65], [3, 1, 131]] {
        let (x, change) = (plain(shape, 0.1), plain(shape, 0.2));
        let (gamma, beta) = (plain([shape[2]], 0.3), plain([shape[2]], 0.4));
        let norm = |gamma: Tensor<1>, beta: Tensor<1>| LayerNorm { gamma, beta, epsilon: 1e-1 };
        let name = |part: &str| format!("{shape:?} {part}");
        check(&name("sum"), change.clone(), |change| add(x.clone(), change, Some(DROPOUT)));
        for dropout in [None, Some(DROPOUT)] {
            let layer = |x, change, gamma, beta| add_and_norm(x, change, dropout, norm(gamma, beta));
            check(&name("x"), x.clone(), |x| layer(x, change.clone(), gamma.clone(), beta.clone()));
            check(&name("change"), change.clone(), |change| layer(x.clone(), change, gamma.clone(), beta.clone()));
            check(&name("gamma"), gamma.clone(), |gamma| layer(x.clone(), change.clone(), gamma, beta.clone()));
            check(&name("beta"), beta.clone(), |beta| layer(x.clone(), change.clone(), gamma.clone(), beta));
            let rms = |x, change, gamma| add_and_rms_norm(x, change, dropout, gamma, 1e-1);
            check(&name("x, RMS"), x.clone(), |x| rms(x, change.clone(), gamma.clone()));
            check(&name("change, RMS"), change.clone(), |change| rms(x.clone(), change, gamma.clone()));
            check(&name("gamma, RMS"), gamma.clone(), |gamma| rms(x.clone(), change.clone(), gamma));
        }
    }
}

#[test]
fn losses_and_embeddings() {
    for [rows, width, vocabulary] in [[1, 1, 2], [13, 1, 67], [3, 65, 131]] {
        let ids: Vec<i32> = (0..rows).map(|i| (i * 7 % vocabulary) as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [rows]), &gpu());
        let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: vocabulary - 1 };
        let matrix = plain([vocabulary, width], 0.2);
        for alpha in [None, Some(0.7)] {
            let hidden = plain([rows * if alpha.is_some() { 2 } else { 1 }, width], 0.1);
            let bias = plain([vocabulary], 0.3);
            let loss = |hidden, matrix, bias| -> Tensor<1> {
                let projection = Projection { hidden, matrix, bias: Some(bias) };
                let targets = Targets { ids: ids.clone(), smoothing };
                let LossSums { smoothed, .. } = match alpha {
                    None => projection_loss(projection, targets),
                    Some(alpha) => r_drop_loss(projection, targets, alpha),
                };
                smoothed
            };
            let name = |input: &str| format!("{rows} × {width} × {vocabulary} {alpha:?}: {input}");
            check(&name("hidden"), hidden.clone(), |hidden| loss(hidden, matrix.clone(), bias.clone()));
            check(&name("matrix"), matrix.clone(), |matrix| loss(hidden.clone(), matrix, bias.clone()));
            check(&name("bias"), bias.clone(), |bias| loss(hidden.clone(), matrix.clone(), bias));
        }
        let ids = ids.reshape([1, rows]);
        check(&format!("embedding {vocabulary} × {width}"), matrix, |matrix| embedding(matrix, ids.clone(), 3.0));
    }
}

#[test]
fn elements() {
    for shape in [[1, 1], [1, 131], [13, 65]] {
        check(&format!("dropout {shape:?}"), plain(shape, 0.1), |x| dropout::dropout(x, DROPOUT));
        for curve in [Curve::Gelu, Curve::GeluTanh, Curve::Silu] {
            check(&format!("{curve:?} {shape:?}"), plain(shape, 0.1), |x| activation(x * 3.0, curve));
        }
    }
}
