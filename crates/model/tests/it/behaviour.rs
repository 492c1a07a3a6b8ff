//! Invariants for any weights: causality, independence of padding and batching, cached decoding, masks.

use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use model::attention::{Scoring, attention_weights};
use model::batch::{SourceBatch, padded};
use model::config::{Activation, NormKind, NormOrder, PositionKind, Tie};
use model::loss::Objective;
use model::{Batch, ByAttention, Mask, ModelConfig, Pass, Transformer, weights};
use testing::model_fixture::{
    assert_close, assert_gradients, batch, devices, ragged_pairs, small_config, small_model, small_sizes, values,
};

const ROUNDING: f32 = 1e-5;

/// The small model with several combinations of options.
fn configs() -> Vec<ModelConfig> {
    let small = small_config();
    vec![
        small.clone(),
        ModelConfig { norm: NormOrder::Pre, activation: Activation::Swiglu, tie: Tie::Decoder, ..small.clone() },
        ModelConfig { norm: NormOrder::Pre, norm_kind: NormKind::Rms, bias: false, tie: Tie::None, ..small.clone() },
        ModelConfig { positions: PositionKind::Learned, output_bias: true, decoder_layers: 1, ..small.clone() },
        ModelConfig {
            norm: NormOrder::Pre,
            positions: PositionKind::Relative,
            relative_buckets: 8,
            relative_max_distance: 12,
            head_size: Some(5),
            scale_attention: false,
            tie: Tie::Inputs,
            ..small.clone()
        },
        ModelConfig {
            positions: PositionKind::RelativePerLayer,
            embedding_norm: true,
            scale_embeddings: false,
            scale_logits: true,
            decoder_heads: Some(2),
            activation: Activation::GegluTanh,
            ..small
        },
    ]
}

fn models(device: &Device) -> Vec<Transformer> {
    configs().iter().map(|config| model(config, device)).collect()
}

/// A model whose terms of relative positions are not zero, as they are at first.
fn model(config: &ModelConfig, device: &Device) -> Transformer {
    let model = Transformer::new(config, small_sizes(), 7, device).unwrap();
    let mut tensors = weights::collect(&model);
    for tensor in tensors.iter_mut().filter(|tensor| tensor.name.contains("relative_positions")) {
        tensor.values.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 7) as f32 / 5.0 - 0.6);
    }
    weights::load(model, tensors).unwrap()
}

/// Logits of one row of a batch, real positions only.
fn row_logits(model: &Transformer, batch: &Batch, row: usize, len: usize) -> Vec<f32> {
    let [_, target_len] = batch.target_input.dims();
    let logits = model.forward(batch, &mut Pass::inference());
    let [_, vocabulary] = logits.dims();
    values(logits.slice([row * target_len..row * target_len + len, 0..vocabulary]))
}

#[test]
fn a_future_token_changes_no_earlier_output() {
    for device in devices() {
        for model in models(&device) {
            let logits = |last: u32| {
                let pairs = vec![(vec![2, 3, 0], vec![4, 5, 6, last, 0])];
                row_logits(&model, &batch(&pairs, small_sizes(), &device), 0, 5)
            };
            let (a, b) = (logits(7), logits(8));
            let vocabulary = a.len() / 5;
            // Token 3 is read at position 4.
            assert_eq!(a[..4 * vocabulary], b[..4 * vocabulary], "earlier outputs");
            assert_ne!(a[4 * vocabulary..], b[4 * vocabulary..], "its own output must change");
        }
    }
}

#[test]
fn a_row_is_independent_of_its_batch() {
    for device in devices() {
        for model in models(&device) {
            let pairs = ragged_pairs();
            let together = batch(&pairs, small_sizes(), &device);
            for (row, pair) in pairs.iter().enumerate() {
                let alone = batch(std::slice::from_ref(pair), small_sizes(), &device);
                let len = pair.1.len();
                let expected = row_logits(&model, &alone, 0, len);
                assert_close("row", &row_logits(&model, &together, row, len), &expected, ROUNDING);
            }
        }
    }
}

#[test]
fn padding_ids_change_nothing() {
    for device in devices() {
        for model in models(&device) {
            let pairs = ragged_pairs();
            let clean = batch(&pairs, small_sizes(), &device);
            let mut dirty = clean.clone();
            let rows: Vec<Vec<u32>> = pairs
                .iter()
                .map(|(source, _)| source.iter().copied().chain(std::iter::repeat(3)).take(5).collect())
                .collect();
            dirty.source.ids = padded(rows.iter().map(|row| row.iter().copied()), 5, 0, &device);
            for (row, (_, target)) in pairs.iter().enumerate() {
                let expected = row_logits(&model, &clean, row, target.len());
                assert_eq!(row_logits(&model, &dirty, row, target.len()), expected);
            }
        }
    }
}

#[test]
fn cached_decoding_equals_uncached() {
    for device in devices() {
        for model in models(&device) {
            let sentences: [&[u32]; 3] = [&[2, 3, 4, 5, 0], &[6, 0], &[9, 9, 2, 0]];
            let prefix: [u32; 40] = std::array::from_fn(|i| 2 + (i as u32 * 5) % 8); // longer than the first buffer
            let memory = model.encode(SourceBatch::new(&sentences, small_sizes(), &device), &mut Pass::inference());
            let mut cache = model.cache(&memory);
            let mut rows = vec![0, 1, 2];
            let mut read = small_sizes().target_pad() as u32;
            for (at, &next) in prefix.iter().enumerate() {
                if at == 3 {
                    rows = vec![2, 0]; // one row leaves, two change places
                    cache.select(&[2, 0], &device);
                }
                let tokens = TensorData::new(vec![read as i32; rows.len()], [rows.len()]);
                let tokens = Tensor::<1, Int>::from_data(tokens, &device);
                let cached = model.step(tokens, &mut cache, &mut Pass::inference());
                let target: Vec<u32> = prefix[..at].iter().copied().chain([0]).collect();
                for (i, &row) in rows.iter().enumerate() {
                    let whole = batch(&[(sentences[row].to_vec(), target.clone())], small_sizes(), &device);
                    let all = row_logits(&model, &whole, 0, at + 1);
                    let [_, vocabulary] = cached.dims();
                    let found = values(cached.clone().slice([i..i + 1, 0..vocabulary]));
                    assert_close("step", &found, &all[at * vocabulary..], ROUNDING);
                }
                read = next;
            }
            assert_eq!(cache.len(), prefix.len());
        }
    }
}

#[test]
fn micro_batches_add_up_to_the_batch() {
    for device in devices() {
        let device = device.autodiff();
        let model = small_model(&device);
        let pairs: Vec<_> = ragged_pairs().into_iter().chain([(vec![5, 5, 0], vec![5, 4, 0])]).collect();
        let tokens: usize = pairs.iter().map(|(_, target)| target.len()).sum();
        let gradients = |pairs: &[(Vec<u32>, Vec<u32>)]| {
            let loss = model.loss(
                &batch(pairs, small_sizes(), &device),
                Objective::cross_entropy(0.1),
                &mut Pass::inference(),
            );
            let backward = (loss.smoothed / tokens as f64).backward();
            weights::collect_gradients(&model, &GradientsParams::from_grads(backward, &model))
        };
        let whole = gradients(&pairs);
        let mut sum = gradients(&pairs[..1]);
        for pair in &pairs[1..] {
            for (sum, part) in sum.iter_mut().zip(gradients(std::slice::from_ref(pair))) {
                sum.values.iter_mut().zip(part.values).for_each(|(sum, part)| *sum += part);
            }
        }
        assert_gradients(&sum, &whole, 1e-4, 1e-6);
    }
}

#[test]
fn attention_rows_sum_to_one_over_visible_keys() {
    for device in devices() {
        for model in models(&device) {
            let batch = batch(&ragged_pairs(), small_sizes(), &device);
            let mut maps = ByAttention::default();
            model.forward(&batch, &mut Pass::recording(&mut maps));
            let all = [&maps.encoder, &maps.decoder, &maps.cross];
            assert!(all.iter().all(|maps| !maps.is_empty()), "every attention of every layer is recorded");
            for map in all.into_iter().flatten() {
                let sums = values(map.clone().sum_dim(3));
                assert_close("row", &sums, &vec![1.0; sums.len()], ROUNDING);
            }
            for map in &maps.decoder {
                let [rows, heads, queries, keys] = map.dims();
                let weights = values(map.clone());
                for (i, weight) in weights.iter().enumerate() {
                    let (query, key) = (i / keys % queries, i % keys);
                    assert!(key <= query || *weight == 0.0, "{rows}×{heads}: {query} sees {key}");
                }
            }
            for map in maps.encoder.iter().chain(&maps.cross) {
                let [_, heads, queries, keys] = map.dims();
                let second_row = values(map.clone().slice([1..2, 0..heads, 0..queries, 2..keys]));
                assert!(second_row.iter().all(|&weight| weight == 0.0), "padding has weight");
            }
        }
    }
}

#[test]
fn fully_hidden_rows_give_zeros() {
    for device in devices() {
        let device = device.autodiff();
        let queries = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, -1.0]]]], &device).require_grad();
        let keys = Tensor::<4>::from_floats([[[[0.5, 1.0], [1.0, 0.0]]]], &device).require_grad();
        let hidden = Tensor::<4, Bool>::from_data(
            TensorData::new(vec![true, true, false, true], [1, 1, 2, 2]),
            &device.clone().without_autodiff(),
        );
        let weights = attention_weights(queries.clone(), keys.clone(), Scoring::scaled(2), Some(&Mask::from(hidden)));
        assert_eq!(values(weights.clone()), [0.0, 0.0, 1.0, 0.0]);
        let gradients = (weights.clone() * weights).sum().backward();
        for gradient in [queries.grad(&gradients), keys.grad(&gradients)] {
            assert!(values(gradient.unwrap()).iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn dropout_is_a_function_of_seed_step_and_part() {
    for device in devices() {
        for config in [
            ModelConfig { dropout: 0.3, ..small_config() },
            ModelConfig { attention_dropout: 0.3, ..small_config() },
            ModelConfig { ff_dropout: 0.3, ..small_config() },
            ModelConfig { stack_dropout: 0.3, ..small_config() },
        ] {
            let model = Transformer::new(&config, small_sizes(), 7, &device).unwrap();
            let batch = batch(&ragged_pairs(), small_sizes(), &device);
            let logits = |mut pass: Pass| values(model.forward(&batch, &mut pass));
            let first = logits(Pass::training(1, 5, 0));
            assert_eq!(first, logits(Pass::training(1, 5, 0)));
            let others = [Pass::training(2, 5, 0), Pass::training(1, 6, 0), Pass::training(1, 5, 1), Pass::inference()];
            for other in others {
                assert_ne!(first, logits(other), "{config:?}");
            }
        }
    }
}

#[test]
fn weights_survive_the_file() {
    for device in devices() {
        let model = small_model(&device);
        let tensors = weights::collect(&model);
        let bytes = weights::to_safetensors(&tensors, "{}").unwrap();
        assert_eq!(bytes, weights::to_safetensors(&tensors, "{}").unwrap());
        let (read, attend) = weights::from_safetensors(&bytes).unwrap();
        assert_eq!(attend.as_deref(), Some("{}"));
        let other = Transformer::new(&small_config(), small_sizes(), 8, &device).unwrap();
        assert_ne!(weights::collect(&other), tensors, "another seed, other weights");
        let loaded = weights::load(other, read.clone()).unwrap();
        assert_eq!(weights::collect(&loaded), tensors);

        let message = |config: ModelConfig, tensors| {
            let blank = Transformer::new(&config, small_sizes(), 0, &device).unwrap();
            weights::load(blank, tensors).expect_err("a mismatch").to_string()
        };
        let wider = message(ModelConfig { d_ff: 21, ..small_config() }, read.clone());
        assert!(wider.contains("encoder.layers.0.feed_forward.inner.weight") && wider.contains("[21, 12]"), "{wider}");
        let shallower = message(ModelConfig { decoder_layers: 1, ..small_config() }, read.clone());
        assert!(shallower.contains("decoder.layers.1") && shallower.contains("not in this model"), "{shallower}");
        let deeper = message(ModelConfig { encoder_layers: 3, ..small_config() }, read);
        assert!(deeper.contains("`encoder.layers.2") && deeper.contains("missing"), "{deeper}");
        assert!(weights::from_safetensors(&bytes[..100]).is_err());
    }
}
