//! A linear layer with LoRA has the losses and gradients of PyTorch (scripts/fixtures/lora.py).

use burn::nn::{Linear, LinearConfig};
use serde_json::Value;

use super::*;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../tests/it/fixtures/lora.json")).expect("JSON")
}

/// A matrix of the fixture.
fn matrix(fixture: &Value, name: &str) -> NamedTensor {
    let rows: Vec<Vec<f32>> = serde_json::from_value(fixture[name].clone()).expect("rows");
    NamedTensor { name: name.to_string(), shape: vec![rows.len(), rows[0].len()], values: rows.concat() }
}

fn tensor(fixture: &Value, name: &str, device: &Device) -> Tensor<2> {
    let NamedTensor { shape, values, .. } = matrix(fixture, name);
    Tensor::from_data(TensorData::new(values, [shape[0], shape[1]]), device)
}

/// A model of one layer, so that its weight has the name of one in a layer.
#[derive(Module, Debug)]
struct Layer {
    query: Linear,
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5 * largest.max(1.0), "{what}: {found}, PyTorch {expected}");
    }
}

#[test]
fn losses_and_gradients_equal_those_of_pytorch() {
    let (fixture, device) = (fixture(), Device::flex().autodiff());
    let [outputs, inputs] = matrix(&fixture, "w").shape[..] else { panic!("a matrix") };
    let layer = Layer { query: LinearConfig::new(inputs, outputs).with_bias(false).init(&device) };
    let mut model = model::weights::replace(layer, |_, _| matrix(&fixture, "w").values);
    let rank = matrix(&fixture, "a").shape[0];
    let alpha = fixture["alpha"].as_f64().expect("a number");
    let config = LoraConfig { rank, alpha, ..LoraConfig::default() };
    let stored = [("w", "query.base"), ("a", "query.lora_a"), ("b", "query.lora_b")];
    let tensors = stored.map(|(theirs, ours)| NamedTensor { name: ours.to_string(), ..matrix(&fixture, theirs) });
    let mut lora = Lora::from_tensors(&config, tensors.to_vec(), &device);
    let by_name = |mut tensors: Vec<NamedTensor>| {
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        tensors
    };
    assert_eq!(by_name(lora.tensors()), by_name(tensors.to_vec()), "the tensors restore it");
    let mut adam = Adam::default();
    model = lora.step(model, LoraGradients::new(), &mut adam, 0.0, 1);
    let (x, t) = (tensor(&fixture, "x", &device), tensor(&fixture, "t", &device));
    let losses: Vec<f32> = serde_json::from_value(fixture["losses"].clone()).expect("numbers");
    for (step, expected) in (1..).zip(losses) {
        let loss = (model.query.forward(x.clone()) - t.clone()).square().mean();
        close(&[loss.clone().into_scalar()], &[expected], &format!("loss of step {step}"));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let gradients = lora.gradients(&model, &gradients);
        if step == 1 {
            for (gradient, name) in gradients["query.weight"].iter().zip(["gradient_a", "gradient_b"]) {
                let found: Vec<f32> = gradient.clone().transpose().into_data().iter().collect();
                close(&found, &matrix(&fixture, name).values, name);
            }
        }
        model = lora.step(model, gradients, &mut adam, fixture["rate"].as_f64().expect("a number"), step);
    }
    let merged = model::weights::collect(&model).remove(0).values;
    close(&merged, &matrix(&fixture, "merged").values, "merged");
}

#[test]
fn new_factors_change_nothing_and_depend_on_the_seed() {
    let device = Device::flex().autodiff();
    let layer = || Layer { query: LinearConfig::new(6, 4).init(&device) };
    let config = LoraConfig::default();
    let model = freeze_others(layer(), &LoraConfig { matrices: vec!["query".to_string()], ..config.clone() }).unwrap();
    assert_eq!(model::parameters::trainable(&model), ["query.weight"]);
    assert_eq!(freeze_others(layer(), &config).unwrap_err(), "value");
    let before = model::weights::collect(&model);
    let mut lora = Lora::new(&model, &config, 1);
    assert_eq!(lora.tensors(), Lora::new(&model, &config, 1).tensors());
    assert_ne!(lora.tensors(), Lora::new(&model, &config, 2).tensors());
    let sizes: Vec<(String, usize)> = lora.sizes().into_iter().collect();
    let expected = [("query.base", 24), ("query.lora_a", 48), ("query.lora_b", 32)];
    assert_eq!(sizes, expected.map(|(name, size)| (name.to_string(), size)));
    let merged = lora.step(model, LoraGradients::new(), &mut Adam::default(), 0.1, 1);
    assert_eq!(model::weights::collect(&merged), before);
}
