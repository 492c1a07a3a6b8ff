//! The weights before the first update.

use model::config::NormOrder;
use model::{ModelConfig, Transformer, weights};
use testing::model_fixture::{devices, small_config, small_model, small_sizes};

#[test]
fn every_backend_starts_from_the_same_weights() {
    let devices = devices();
    let first = weights::collect(&small_model(&devices[0]));
    for device in &devices[1..] {
        assert_eq!(weights::collect(&small_model(device)), first);
    }
    // The same weights on every machine and in every version of this program.
    for (name, expected) in [
        ("encoder.layers.0.self_attention.query.weight", [0.2996579f32, 0.22014265, -0.0011034786]),
        ("encoder.layers.0.self_attention.output.weight", [-0.25270674, 0.19135255, -0.09170368]),
        ("decoder.layers.1.feed_forward.inner.weight", [-0.011250636, -0.21035172, 0.048095174]),
    ] {
        let weight = first.iter().find(|weight| weight.name == name).expect(name);
        assert_eq!(weight.values[..3], expected, "{name}");
    }
}

#[test]
fn head_projections_start_smaller_in_post_norm() {
    for (norm, gain) in [(NormOrder::Post, 0.5f32.sqrt()), (NormOrder::Pre, 1.0)] {
        let config = ModelConfig { d_model: 48, norm, ..small_config() };
        let model = Transformer::new(&config, small_sizes(), 7, &devices()[0]).unwrap();
        let found = weights::collect(&model);
        for attention in ["encoder.layers.1.self", "decoder.layers.1.self", "decoder.layers.1.cross"] {
            for (part, gain) in [("query", gain), ("key", gain), ("value", gain), ("output", 1.0)] {
                let name = format!("{attention}_attention.{part}.weight");
                let weight = found.iter().find(|weight| weight.name == name).expect(&name);
                let largest = weight.values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                let limit = gain * (6.0f32 / (48.0 + 48.0)).sqrt();
                assert!((0.98 * limit..=1.001 * limit).contains(&largest), "{name}, {norm:?}: {largest} of {limit}");
            }
        }
    }
}
