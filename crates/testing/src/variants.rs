//! The variants of the network's options, for every test that must cover all of them.
//!
//! The tests of PyTorch parity, finite differences, engine parity and the exchange formats iterate over [`variants`]. A new
//! variant of an option fails all four until it has its cases.

use model::ModelConfig;
use model::config::{Activation, DecoderSelf, NormKind, NormOrder, PositionKind, Tie};
use serde::Serialize;
use serde_json::{Value, json};

/// A configuration with some options changed.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The changed options with their values, as in a configuration file; none for the base itself.
    pub changes: Vec<(&'static str, Value)>,
    /// The configuration.
    pub config: ModelConfig,
}

impl Variant {
    fn new(base: &ModelConfig, changes: &[(&'static str, Value)]) -> Self {
        let mut config = serde_json::to_value(base).expect("a configuration");
        for (option, value) in changes {
            config[*option] = value.clone();
        }
        Self { changes: changes.to_vec(), config: serde_json::from_value(config).expect("valid options") }
    }

    /// The changes in words, such as `norm_pre, bias_false`.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
    pub fn name(&self) -> String {
        let change = |(option, value): &(&str, Value)| match value {
            Value::String(value) => format!("{option}_{value}"),
            value => format!("{option}_{value}"),
        };
        match self.changes.is_empty() {
            true => "base".to_string(),
            false => self.changes.iter().map(change).collect::<Vec<_>>().join(", "),
        }
    }

    /// Whether a configuration has the same options, whatever its sizes and rates.
    pub fn has_options_of(&self, other: &ModelConfig) -> bool {
        options(&self.config) == options(other)
    }
}

/// The base, each other value of each option alone, and some pairs.
pub fn variants(base: &ModelConfig) -> Vec<Variant> {
    let singles = [
        others("norm", NormOrder::ALL, base.norm),
        others("norm_kind", NormKind::ALL, base.norm_kind),
        others("norm_epsilon", &[1e-5, 0.1], base.norm_epsilon),
        others("embedding_norm", &[true, false], base.embedding_norm),
        others("activation", Activation::ALL, base.activation),
        others("positions", PositionKind::ALL, base.positions),
        others("position_offset", &[0, 2], base.position_offset),
        others("tie", Tie::ALL, base.tie),
        others("bias", &[true, false], base.bias),
        others("output_bias", &[true, false], base.output_bias),
        others("scale_attention", &[true, false], base.scale_attention),
        others("scale_embeddings", &[true, false], base.scale_embeddings),
        others("scale_logits", &[true, false], base.scale_logits),
        others("head_size", &[None, Some(5)], base.head_size),
        others("decoder_heads", &[None, Some(2)], base.decoder_heads),
        others("decoder_d_ff", &[None, Some(14)], base.decoder_d_ff),
        others("decoder_self", DecoderSelf::ALL, base.decoder_self),
    ];
    let pairs = [
        vec![("norm", json!("pre")), ("norm_kind", json!("rms"))],
        vec![("norm", json!("pre")), ("activation", json!("swiglu"))],
        vec![("norm_kind", json!("rms")), ("positions", json!("learned"))],
        vec![("positions", json!("sinusoidal_halves")), ("output_bias", json!(true))],
        vec![("tie", json!("none")), ("output_bias", json!(true))],
        vec![("norm", json!("pre")), ("norm_kind", json!("rms")), ("bias", json!(false))],
        // T5 1.1, and BART with stacks that differ.
        vec![
            ("norm", json!("pre")),
            ("norm_kind", json!("rms")),
            ("norm_epsilon", json!(1e-6)),
            ("activation", json!("geglu_tanh")),
            ("positions", json!("relative")),
            ("relative_buckets", json!(8)),
            ("relative_max_distance", json!(12)),
            ("tie", json!("inputs")),
            ("bias", json!(false)),
            ("scale_attention", json!(false)),
            ("scale_embeddings", json!(false)),
            ("head_size", json!(5)),
        ],
        vec![
            ("embedding_norm", json!(true)),
            ("activation", json!("gelu")),
            ("positions", json!("learned")),
            ("output_bias", json!(true)),
            ("scale_embeddings", json!(false)),
            ("decoder_heads", json!(2)),
            ("decoder_d_ff", json!(14)),
        ],
    ];
    let singles = singles.into_iter().flatten().map(|change| vec![change]);
    let all = std::iter::once(Vec::new()).chain(singles).chain(pairs);
    all.map(|changes| Variant::new(base, &changes)).collect()
}

/// The options of a configuration: all but sizes that every network has, and rates. A new field does not compile until it
/// is named here.
fn options(config: &ModelConfig) -> Value {
    let ModelConfig {
        // Sizes.
        d_model: _,
        n_heads: _,
        d_ff: _,
        encoder_layers: _,
        decoder_layers: _,
        max_length: _,
        // Rates.
        dropout: _,
        attention_dropout: _,
        ff_dropout: _,
        stack_dropout: _,
        // Options.
        norm,
        norm_kind,
        norm_epsilon,
        embedding_norm,
        activation,
        positions,
        position_offset,
        relative_buckets,
        relative_max_distance,
        tie,
        bias,
        output_bias,
        scale_attention,
        scale_embeddings,
        scale_logits,
        head_size,
        decoder_heads,
        decoder_d_ff,
        decoder_self,
    } = *config;
    json!([
        norm,
        norm_kind,
        activation,
        positions,
        tie,
        norm_epsilon,
        embedding_norm,
        position_offset,
        relative_buckets,
        relative_max_distance,
        bias,
        output_bias,
        scale_attention,
        scale_embeddings,
        scale_logits,
        head_size,
        decoder_heads,
        decoder_d_ff,
        decoder_self
    ])
}

/// The values of an option other than the base's.
fn others<T: Copy + PartialEq + Serialize>(option: &'static str, all: &[T], base: T) -> Vec<(&'static str, Value)> {
    let others = all.iter().filter(|value| **value != base);
    others.map(|value| (option, serde_json::to_value(value).expect("a value"))).collect()
}
