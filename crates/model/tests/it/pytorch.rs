//! Outputs, attention weights, losses and all gradients equal PyTorch's up to rounding.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use model::attention::{MultiHeadAttention, Scoring, attention_weights};
use model::decoder::DecoderLayer;
use model::encoder::EncoderLayer;
use model::loss::Objective;
use model::{AttentionKind, ByAttention, Mask, Pass, weights};
use testing::model_fixture::{Fixture, assert_close, assert_gradients, devices, transformer_fixtures, values};

const OUTPUT: f32 = 1e-5;
const GRADIENT: (f64, f64) = (1e-4, 1e-6);

/// Loads PyTorch's weights, whose names in the file are relative to the module.
fn with_weights<M: Module>(blank: M, fixture: &Fixture) -> M {
    weights::load(blank, fixture.under("weight.")).expect("weights that fit")
}

/// Backpropagates PyTorch's upstream gradient and compares the gradients of weights and inputs.
fn compare_gradients<M: Module>(
    module: &M,
    output: Tensor<3>,
    inputs: &[(&str, &Tensor<3>)],
    fixture: &Fixture,
    (case, upstream): (&str, &str),
) {
    let upstream = fixture.tensor::<3>(upstream, &output.device().without_autodiff());
    let gradients = (output * upstream).sum().backward();
    for (name, input) in inputs {
        let found = values(input.grad(&gradients).expect("a gradient"));
        let name = format!("{case}input_gradient.{name}");
        assert_close(&name, &found, fixture.floats(&name), 1e-4);
    }
    let found = weights::collect_gradients(module, &GradientsParams::from_grads(gradients, module));
    assert_gradients(&found, &fixture.under(&format!("{case}gradient.")), GRADIENT.0, GRADIENT.1);
}

#[test]
fn multi_head_attention() {
    let fixture = Fixture::load("attention");
    for device in devices() {
        let device = device.autodiff();
        let attention = with_weights(MultiHeadAttention::new(&fixture.config(), &device), &fixture);
        for case in ["cross.", "cross_unpadded.", "causal."] {
            let query = fixture.tensor::<3>(&format!("{case}query"), &device).require_grad();
            let memory_name = format!("{case}memory");
            let memory = fixture.has(&memory_name).then(|| fixture.tensor::<3>(&memory_name, &device).require_grad());
            let padding = format!("{case}padding_mask");
            let mask = match (case, fixture.has(&padding)) {
                ("causal.", _) => Some(Mask::Causal),
                (_, true) => Some(fixture.padding_mask(&padding, &device)),
                (_, false) => None,
            };
            let mut maps = ByAttention::default();
            let attended = attention.key_value(memory.clone().unwrap_or_else(|| query.clone()));
            let kind = AttentionKind::Cross;
            let output =
                attention.forward(query.clone(), &attended, None, mask.as_ref(), kind, &mut Pass::recording(&mut maps));

            assert_close(case, &values(output.clone()), fixture.floats(&format!("{case}output")), OUTPUT);
            let expected = fixture.floats(&format!("{case}attention_weights"));
            assert_close(case, &values(maps.cross[0].clone()), expected, OUTPUT);
            let mut inputs = vec![("query", &query)];
            inputs.extend(memory.as_ref().map(|memory| ("memory", memory)));
            compare_gradients(&attention, output, &inputs, &fixture, (case, &format!("{case}upstream")));
        }
    }
}

#[test]
fn encoder_layers() {
    for norm in ["post", "pre"] {
        for activation in ["relu", "gelu", "silu"] {
            let fixture = Fixture::load(&format!("encoder_layer_{norm}_{activation}"));
            for device in devices() {
                let device = device.autodiff();
                let layer = with_weights(EncoderLayer::new(&fixture.config(), &device), &fixture);
                for case in ["", "unpadded."] {
                    let mask = case.is_empty().then(|| fixture.padding_mask("padding_mask", &device));
                    let input = fixture.tensor::<3>("input", &device).require_grad();
                    let output = layer.forward(input.clone(), None, mask.as_ref(), &mut Pass::inference());
                    assert_close(case, &values(output.clone()), fixture.floats(&format!("{case}output")), OUTPUT);
                    compare_gradients(&layer, output, &[("input", &input)], &fixture, (case, "upstream"));
                }
            }
        }
    }
}

#[test]
fn decoder_layers() {
    for norm in ["post", "pre"] {
        for activation in ["relu", "gelu", "silu"] {
            let fixture = Fixture::load(&format!("decoder_layer_{norm}_{activation}"));
            for device in devices() {
                let device = device.autodiff();
                let layer = with_weights(DecoderLayer::new(&fixture.config(), &device), &fixture);
                for case in ["", "unpadded."] {
                    let mask = case.is_empty().then(|| fixture.padding_mask("padding_mask", &device));
                    let input = fixture.tensor::<3>("input", &device).require_grad();
                    let memory = fixture.tensor::<3>("memory", &device).require_grad();
                    let attended = layer.cross_attention.key_value(memory.clone());
                    let mut pass = Pass::inference();
                    let output = layer.forward(input.clone(), None, &Mask::Causal, &attended, mask.as_ref(), &mut pass);
                    assert_close(case, &values(output.clone()), fixture.floats(&format!("{case}output")), OUTPUT);
                    let inputs = [("input", &input), ("memory", &memory)];
                    compare_gradients(&layer, output, &inputs, &fixture, (case, "upstream"));
                }
            }
        }
    }
}

/// Every variant of the options, padded and not.
#[test]
fn whole_transformers() {
    for name in transformer_fixtures() {
        let fixture = Fixture::load(&name);
        for device in devices() {
            let device = device.autodiff();
            let model = fixture.transformer(&device);
            let batch = fixture.batch(&device);
            let memory = model.encode(batch.source.clone(), &mut Pass::inference());
            assert_close(&name, &values(memory.states), fixture.floats("output.memory"), OUTPUT);
            let logits = model.forward(&batch, &mut Pass::inference());
            assert_close(&name, &values(logits), fixture.floats("output.logits"), OUTPUT);

            let smoothing = fixture.meta["label_smoothing"].as_f64().unwrap();
            let loss = model.loss(&batch, Objective::cross_entropy(smoothing), &mut Pass::inference());
            let tokens = fixture.ids("token_count")[0];
            assert_eq!(batch.target_tokens as i64, tokens);
            let mean = |sum: Tensor<1>| values(sum / tokens as f64);
            let expected = |sum: &str| [fixture.floats(sum)[0] / tokens as f32];
            assert_close(&name, &mean(loss.smoothed.clone()), &expected("loss_sum"), OUTPUT);
            assert_close(&name, &mean(loss.nll), &expected("nll_sum"), OUTPUT);

            let backward = (loss.smoothed / tokens as f64).backward();
            let mut gradients = GradientsParams::from_grads(backward, &model);
            model.embeddings.zero_padding_gradients(&mut gradients);
            let found = weights::collect_gradients(&model, &gradients);
            assert_gradients(&found, &fixture.under("gradient."), GRADIENT.0, GRADIENT.1);
        }
    }
}

/// The attention weights and vectors of each layer and head of a whole model.
#[test]
fn attention_maps_of_whole_transformers() {
    for name in ["attention_maps_post", "attention_maps_pre"] {
        let fixture = Fixture::load(name);
        for device in devices() {
            let (model, batch) = (fixture.transformer(&device), fixture.batch(&device));
            let (mut maps, mut vectors) = (ByAttention::default(), ByAttention::default());
            let logits = model.forward(&batch, &mut Pass::recording_vectors(&mut maps, &mut vectors));
            assert_close(name, &values(logits), fixture.floats("output.logits"), OUTPUT);
            for (kind, maps, vectors) in [
                ("encoder", &maps.encoder, &vectors.encoder),
                ("decoder", &maps.decoder, &vectors.decoder),
                ("cross", &maps.cross, &vectors.cross),
            ] {
                assert_eq!((maps.len(), vectors.len()), (2, 2), "{kind}");
                let mask = if kind == "decoder" { Some(&Mask::Causal) } else { batch.source.mask.as_ref() };
                for (layer, (map, vectors)) in maps.iter().zip(vectors).enumerate() {
                    let key = format!("map.{kind}.{layer}");
                    assert_close(&key, &values(map.clone()), fixture.floats(&key), OUTPUT);
                    let (queries, keys) = (vectors.queries.clone(), vectors.attended.keys.clone());
                    assert_eq!(vectors.attended.values.dims(), keys.dims(), "{key}");
                    let scoring = Scoring::scaled(fixture.config().head_size());
                    assert_eq!(values(attention_weights(queries, keys, scoring, mask)), values(map.clone()), "{key}");
                }
            }
        }
    }
}

/// Recording changes no logits, and recording the vectors changes no maps.
#[test]
fn recording_changes_nothing() {
    let fixture = Fixture::load("attention_maps_post");
    for device in devices() {
        let (model, batch) = (fixture.transformer(&device), fixture.batch(&device));
        let (mut alone, mut maps, mut vectors) =
            (ByAttention::default(), ByAttention::default(), ByAttention::default());
        let unrecorded = values(model.forward(&batch, &mut Pass::inference()));
        let recorded = values(model.forward(&batch, &mut Pass::recording(&mut alone)));
        model.forward(&batch, &mut Pass::recording_vectors(&mut maps, &mut vectors));
        assert_close("logits", &recorded, &unrecorded, OUTPUT);
        for (alone, with_vectors) in
            [(&alone.encoder, &maps.encoder), (&alone.decoder, &maps.decoder), (&alone.cross, &maps.cross)]
        {
            let all = |maps: &Vec<Tensor<4>>| maps.iter().map(|map| values(map.clone())).collect::<Vec<_>>();
            assert_eq!(all(alone), all(with_vectors));
        }
    }
}
