//! A suite for every GPU backend in this build, at one fixed shape: forward, gradients, twenty losses, masks, greedy
//! decoding. Mesa's software Vulkan runs it without a GPU.
//!
//! Tolerances are wider than on a CPU, since a GPU sums in another order and fuses multiplications.

use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use decode::engine::NetworkEngine;
use decode::search::greedy::greedy;
use decode::search::hypothesis::DecodeInput;
use decode::search::options::SearchOptions;
use model::attention::{Scoring, attention_weights};
use model::backend;
use model::loss::Objective;
use model::{Mask, Pass, weights};
use testing::model_fixture::{
    Fixture, assert_close, assert_gradients, batch, ragged_pairs, small_model, small_sizes, values,
};

const OUTPUT: f32 = 1e-4;

fn gpus() -> Vec<Device> {
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
