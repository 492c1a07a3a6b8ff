//! Each fused operation beside its portable definition, forward and backward, at the sizes of a training step.
//!
//! `cargo bench -p kernels` prints both times; `cargo bench -p kernels -- attention` those of one operation.
#![allow(missing_docs)] // of what criterion generates

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use criterion::{Criterion, criterion_group, criterion_main};
use kernels::adam::{self, AdamState, AdamStep};
use kernels::attention::Scoring;
use kernels::linear::Epilogue;
use kernels::projection_loss::{LabelSmoothing, Projection, Targets};
use kernels::residual::LayerNorm;
use kernels::{Dropout, attention, dropout, embedding, linear, projection_loss, r_drop_loss, residual, ssru};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sentences, tokens each, and the sizes of a small Transformer.
const BATCH: usize = 64;
const LEN: usize = 16;
const ROWS: usize = BATCH * LEN;
const WIDTH: usize = 128;
const HEADS: usize = 4;
const D_FF: usize = 256;
const VOCABULARY: usize = 10_000;

/// The inputs of an output projection.
fn project(hidden: Tensor<2>, matrix: Tensor<2>, bias: Option<Tensor<1>>) -> Projection {
    Projection { hidden, matrix, bias }
}

/// Targets with their smoothing.
fn against(ids: Tensor<1, Int>, smoothing: LabelSmoothing) -> Targets {
    Targets { ids, smoothing }
}

fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex().autodiff()).require_grad()
}

fn ids<const D: usize>(shape: [usize; D]) -> Tensor<D, Int> {
    let ids: Vec<i32> = (0..shape.iter().product()).map(|i: usize| (i * 7919 % (VOCABULARY - 1)) as i32).collect();
    Tensor::from_data(TensorData::new(ids, shape), &Device::flex())
}

fn pair<const R: usize>(
    criterion: &mut Criterion,
    name: &str,
    fused: impl Fn() -> Tensor<R>,
    portable: impl Fn() -> Tensor<R>,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    group.bench_function("fused", |bencher| bencher.iter(|| fused().sum().backward()));
    group.bench_function("portable", |bencher| bencher.iter(|| portable().sum().backward()));
    group.finish();
}

fn operations(criterion: &mut Criterion) {
    kernels::allocator::keep_freed();
    let dropped = Dropout { key: 1, rate: 0.1 };

    let (x, w, b) = (leaf([ROWS, WIDTH]), leaf([WIDTH, D_FF]), leaf([D_FF]));
    let arguments = || (x.clone(), w.clone(), Some(b.clone()));
    pair(
        criterion,
        "linear",
        || {
            let (x, w, b) = arguments();
            linear::linear(x, w, b, Epilogue::Relu)
        },
        || {
            let (x, w, b) = arguments();
            linear::portable(x, w, b, Epilogue::Relu)
        },
    );

    let x = leaf([BATCH, LEN, WIDTH]);
    pair(criterion, "dropout", || dropout::dropout(x.clone(), dropped), || dropout::portable(x.clone(), dropped));

    let change = leaf([BATCH, LEN, WIDTH]);
    let norm = LayerNorm { gamma: leaf([WIDTH]), beta: leaf([WIDTH]), epsilon: 1e-5 };
    pair(
        criterion,
        "residual",
        || residual::add_and_norm(x.clone(), change.clone(), Some(dropped), norm.clone()),
        || residual::portable_norm(residual::portable_add(x.clone(), change.clone(), Some(dropped)), norm.clone()),
    );

    let (gates, inputs, state) = (leaf([BATCH, LEN, WIDTH]), leaf([BATCH, LEN, WIDTH]), leaf([BATCH, 1, WIDTH]));
    pair(
        criterion,
        "ssru",
        || ssru::states(gates.clone(), inputs.clone(), state.clone()),
        || ssru::portable(gates.clone(), inputs.clone(), state.clone()),
    );

    let heads = || leaf([BATCH, HEADS, LEN, WIDTH / HEADS]);
    let (q, k, v) = (heads(), heads(), heads());
    pair(
        criterion,
        "attention",
        || attention::attention(q.clone(), k.clone(), v.clone(), Scoring::scaled(q.dims()[3]), None, None),
        || attention::portable(q.clone(), k.clone(), v.clone(), Scoring::scaled(q.dims()[3]), None, None),
    );

    let matrix = leaf([VOCABULARY, WIDTH]);
    pair(
        criterion,
        "embedding",
        || embedding::embedding(matrix.clone(), ids([BATCH, LEN]), 11.3),
        || embedding::portable(matrix.clone(), ids([BATCH, LEN]), 11.3),
    );

    let hidden = leaf([ROWS, WIDTH]);
    let smoothing = LabelSmoothing { epsilon: 0.1, pad_id: VOCABULARY - 1 };
    pair(
        criterion,
        "projection_loss",
        || {
            projection_loss::projection_loss(
                project(hidden.clone(), matrix.clone(), None),
                against(ids([ROWS]), smoothing),
            )
            .smoothed
        },
        || {
            projection_loss::portable(project(hidden.clone(), matrix.clone(), None), against(ids([ROWS]), smoothing))
                .smoothed
        },
    );

    let both = leaf([2 * ROWS, WIDTH]);
    pair(
        criterion,
        "r_drop_loss",
        || {
            r_drop_loss::r_drop_loss(project(both.clone(), matrix.clone(), None), against(ids([ROWS]), smoothing), 5.0)
                .smoothed
        },
        || {
            r_drop_loss::portable(project(both.clone(), matrix.clone(), None), against(ids([ROWS]), smoothing), 5.0)
                .smoothed
        },
    );

    let flat = || Tensor::<1>::random([VOCABULARY * WIDTH], Distribution::Default, &Device::flex());
    let rates = AdamStep { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, learning_rate: 1e-3, weight_decay: 0.0, step: 7 };
    let gradient = flat();
    let mut group = criterion.benchmark_group("adam");
    for (name, update) in
        [("fused", adam::adam as fn(AdamState, Tensor<1>, AdamStep) -> AdamState), ("portable", adam::portable)]
    {
        let mut moving = Some(AdamState { weight: flat(), first: flat(), second: flat() });
        group.bench_function(name, |bencher| {
            bencher.iter(|| moving = moving.take().map(|moving| update(moving, gradient.clone(), rates)));
        });
    }
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
