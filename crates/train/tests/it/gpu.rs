//! A suite for every GPU backend in this build, at one fixed shape: forward, gradients, twenty losses, masks, updates with
//! dropout, greedy decoding. Mesa's software Vulkan runs it without a GPU.
//!
//! Tolerances are wider than on a CPU, since a GPU sums in another order and fuses multiplications.

use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use decode::engine::NetworkEngine;
use decode::search::greedy::greedy;
use decode::search::hypothesis::DecodeInput;
use decode::search::options::SearchOptions;
use model::attention::{Scoring, attention_weights};
use model::backend;
use model::config::PositionKind;
use model::loss::Objective;
use model::weights::NamedTensor;
use model::{Mask, ModelConfig, Pass, Transformer, weights};
use testing::model_fixture::{
    Fixture, assert_close, assert_gradients, batch, ragged_pairs, small_config, small_model, small_sizes, values,
};
use train::optim::{Adam, Ema, StepOptions, StepOutput, TrainState, Workers};

use crate::common::WorkFolder;

const OUTPUT: f32 = 1e-4;

pub fn gpus() -> Vec<Device> {
    let gpus: Vec<Device> = backend::compiled()
        .into_iter()
        .filter(|backend| backend.is_gpu())
        .map(|backend| backend.open().expect("a driver; Mesa's software Vulkan will do"))
        .collect();
    assert!(!gpus.is_empty(), "this suite needs a GPU backend: --features wgpu");
    gpus
}

#[test]
fn forward_and_gradients_equal_pytorch() {
    for device in gpus() {
        for name in ["transformer_post_relu_padded", "transformer_pre_gelu_unpadded"] {
            let fixture = Fixture::load(name);
            let device = device.clone().autodiff();
            let model = fixture.transformer(&device);
            let batch = fixture.batch(&device);
            let logits = model.forward(&batch, &mut Pass::inference());
            assert_close(name, &values(logits), fixture.floats("output.logits"), OUTPUT);

            let loss = model.loss(&batch, Objective::cross_entropy(0.1), &mut Pass::inference());
            let backward = (loss.smoothed / batch.target_tokens as f64).backward();
            let mut gradients = GradientsParams::from_grads(backward, &model);
            model.embeddings.zero_padding_gradients(&mut gradients);
            let found = weights::collect_gradients(&model, &gradients);
            assert_gradients(&found, &fixture.under("gradient."), 1e-3, 1e-5);
        }
    }
}

#[test]
fn twenty_losses_equal_those_of_pytorch() {
    for device in gpus() {
        crate::twenty_steps::compare(&Fixture::load("transformer_post_relu_padded"), &device, 5e-4);
    }
}

/// Losses, norms and moments of two updates with every dropout, two micro-batches, clipping and a moving average; and the
/// weights.
fn updated(device: &Device, r_drop: f64, recomputes: bool) -> (Vec<f32>, Vec<NamedTensor>, Vec<NamedTensor>) {
    let config = ModelConfig { dropout: 0.2, attention_dropout: 0.1, ff_dropout: 0.3, ..small_config() };
    let model = Transformer::new(&config, small_sizes(), 1, &device.clone().autodiff()).expect("a model");
    let workers = Workers::new(1).expect("a thread");
    let state = TrainState::new(model, Adam::default(), workers, device.clone()).with_ema(Some(Ema::new(0.9)));
    let mut state = state.recomputing(recomputes);
    let pairs = ragged_pairs();
    let mut sums = Vec::new();
    for step in 1..=2 {
        let micro_batches = [&pairs[..], &pairs[..1]].map(|pairs| batch(pairs, small_sizes(), device));
        let options = StepOptions {
            step,
            learning_rate: 1e-3,
            seed: 7,
            dropout_share: 1.0,
            objective: Objective { label_smoothing: 0.1, r_drop },
            clip_norm: 0.5,
        };
        let StepOutput { loss, nll, gradient_norm } = state.step(&micro_batches, options);
        sums.extend([loss, nll, gradient_norm].into_iter().flat_map(values));
    }
    (sums, state.optimizer().tensors(), weights::collect(&state.eval_model()))
}

#[test]
fn updates_with_dropout_equal_those_of_the_cpu() {
    for (r_drop, recomputes) in [(0.0, false), (0.5, false), (0.0, true)] {
        let (sums, moments, _) = updated(&testing::model_fixture::devices()[0], r_drop, false);
        for device in gpus() {
            let (found_sums, found_moments, found_weights) = updated(&device, r_drop, recomputes);
            assert_close("losses and norms", &found_sums, &sums, 1e-3);
            let means = |moments: &[NamedTensor]| -> Vec<NamedTensor> {
                moments.iter().filter(|moment| moment.name.starts_with("first.")).cloned().collect()
            };
            assert_gradients(&means(&found_moments), &means(&moments), 1e-3, 1e-5);

            let again = updated(&device, r_drop, recomputes);
            assert_eq!((found_sums, found_weights), (again.0, again.2), "the same bytes twice");
        }
    }
}

#[test]
fn two_processes_write_the_same_bytes() {
    for backend in backend::compiled().into_iter().filter(|backend| backend.is_gpu()) {
        let place = WorkFolder::new();
        let device = backend.to_string();
        for run in ["a", "b"] {
            let steps = ["--set", "training.steps=3", "--set", "validation.every=3", "--set", "validation.sentences=2"];
            place.trained(run, &[&["--quiet", "--device", &device][..], &steps].concat());
        }
        place.assert_same_run("a", "b");
    }
}

#[test]
fn a_device_out_of_memory_is_named() {
    let large = ["model.d_ff=32768", "training.max_tokens=60000", "training.steps=2", "training.warmup_steps=1"];
    let large: Vec<&str> = large.iter().flat_map(|value| ["--set", value]).collect();
    for backend in backend::compiled().into_iter().filter(|backend| backend.is_gpu()) {
        let place = WorkFolder::new();
        let device = backend.to_string();
        let remedies = ["out of memory", "training.max_tokens", "training.micro_batches", "training.recompute"];
        let arguments = [&["--quiet", "--device", &device][..], &large].concat();
        place.train("run", &arguments).assert_failed(&remedies);
        assert!(place.names("run/checkpoints").is_empty(), "no checkpoint of weights that were not computed");
        place.train("run", &[&arguments[..], &["--resume"]].concat()).assert_failed(&remedies); // a folder that can be opened
    }
}

#[test]
fn a_fully_masked_row_has_finite_gradients() {
    for device in gpus() {
        let device = device.autodiff();
        let queries = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, -1.0]]]], &device).require_grad();
        let keys = Tensor::<4>::from_floats([[[[0.5, 1.0], [1.0, 0.0]]]], &device);
        let hidden = TensorData::new(vec![true, true, false, true], [1, 1, 2, 2]);
        let hidden = Tensor::<4, Bool>::from_data(hidden, &device.clone().without_autodiff());
        let weights = attention_weights(queries.clone(), keys, Scoring::scaled(2), Some(&Mask::from(hidden)));
        assert_close("weights", &values(weights.clone()), &[0.0, 0.0, 1.0, 0.0], 1e-6);
        let gradients = (weights.clone() * weights).sum().backward();
        assert!(values(queries.grad(&gradients).unwrap()).iter().all(|x| x.is_finite()));
    }
}

/// More tokens than the first capacity of a cache.
#[test]
fn steps_with_relative_positions_equal_the_whole_target() {
    let config = ModelConfig { positions: PositionKind::RelativePerLayer, ..small_config() };
    let target: Vec<u32> = (0..39).map(|i| 2 + i % 7).chain([0]).collect();
    for device in gpus() {
        let model = Transformer::new(&config, small_sizes(), 7, &device).expect("a valid configuration");
        let model = weights::replace(model, |name, shape| {
            let term =
                |i: usize| if name.contains("relative") { (i % 5) as f32 - 2.0 } else { (i % 11) as f32 / 11.0 - 0.4 };
            (0..shape.iter().product()).map(term).collect()
        });
        let batch = batch(&[(vec![2, 3, 4, 0], target.clone())], small_sizes(), &device);
        let whole = values(model.forward(&batch, &mut Pass::inference()));
        let memory = model.encode(batch.source, &mut Pass::inference());
        let mut cache = model.cache(&memory);
        let inputs = [small_sizes().target as u32 - 1].into_iter().chain(target.iter().copied()).take(target.len());
        let step = |token: u32| {
            let token = Tensor::<1, Int>::from_ints([token as i32], &device);
            values(model.step(token, &mut cache, &mut Pass::inference()))
        };
        let steps: Vec<f32> = inputs.flat_map(step).collect();
        assert_close("logits", &steps, &whole, OUTPUT);
    }
}

#[test]
fn greedy_decoding_equals_the_cpu_despite_padding() {
    let sources: [&[u32]; 3] = [&[2, 3, 4, 5, 0], &[6, 0], &[9, 9, 2, 0]];
    let sources = sources.map(|ids| DecodeInput { ids, min_len: 0, max_len: 6, index: 1 });
    let decode = |device: &Device| -> Vec<Vec<u32>> {
        let engine = NetworkEngine::new(small_model(device), small_sizes(), device);
        let found = greedy(&engine, &sources, &SearchOptions::default()).unwrap();
        found.into_iter().map(|hypothesis| hypothesis.ids).collect()
    };
    let expected = decode(&testing::model_fixture::devices()[0]);
    for device in gpus() {
        assert_eq!(decode(&device), expected);

        let model = small_model(&device);
        let logits = |pairs: &[(Vec<u32>, Vec<u32>)]| {
            let batch = batch(pairs, small_sizes(), &device);
            values(model.forward(&batch, &mut Pass::inference()))
        };
        let (together, alone) = (logits(&ragged_pairs()), logits(&ragged_pairs()[..1]));
        assert_close("the first row", &together[..alone.len()], &alone, OUTPUT); // its real positions come first
    }
}
