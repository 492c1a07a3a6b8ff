//! BART, mBART, M2M100 (NLLB) and Pegasus: one network with four sets of options. The table of their configuration and the
//! names of their weights.

use model::config::{Activation, DecoderSelf, NormKind, NormOrder, PositionKind, Tie};
use model::weights::NamedTensor;
use model::{ConfigError, ModelConfig};
use serde_json::{Value, json};

use super::keys::Keys;
use super::{Family, Network};
use crate::marian::names::marian_parameter;
use crate::network_keys::with_network_keys;

/// Names of the matrix of the embeddings, of which files have one or equal copies.
pub const EMBEDDINGS: [&str; 3] =
    ["model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"];

/// Name of the output's matrix.
pub const OUTPUT: &str = "lm_head.weight";

/// Left over from conversions: sinusoids under another name, and numbers of versions.
pub const UNUSED: [&str; 4] = [
    "model.encoder.embed_positions.weights",
    "model.decoder.embed_positions.weights",
    "model.encoder.version",
    "model.decoder.version",
];

/// Tables of positions: learned ones, or sinusoids.
pub const POSITIONS: [&str; 2] = ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"];

/// Rows at the start of a table of learned positions that no position has.
pub const UNUSED_POSITIONS: usize = 2;

/// ε of every norm.
const NORM_EPSILON: f64 = 1e-5;

/// Values of `activation_function`, of which an export writes the first of an activation.
const ACTIVATIONS: [(&str, Activation); 5] = [
    ("gelu", Activation::Gelu),
    ("relu", Activation::Relu),
    ("gelu_new", Activation::GeluTanh),
    ("swish", Activation::Silu),
    ("silu", Activation::Silu),
];

/// Keys of the first versions, which the class decides now.
const OLD_KEYS: [&str; 11] = [
    "normalize_embedding",
    "add_final_layer_norm",
    "add_bias_logits",
    "static_position_embeddings",
    "extra_pos_embeddings",
    "force_bos_token_to_be_generated",
    "encoder_layerdrop",
    "decoder_layerdrop",
    "do_blenderbot_90_layernorm",
    "save_step",
    "use_default_system_prompt",
];

/// What the family decides, and no key.
struct Layout {
    norm: NormOrder,
    embedding_norm: bool,
    positions: PositionKind,
    output_bias: bool,
    activation: &'static str,
    scale_embeddings: bool,
    end: usize,
    padding: usize,
}

/// The layout of a family, with the values of keys that `config.json` lacks.
fn layout(family: Family) -> Layout {
    let bart = Layout {
        norm: NormOrder::Post,
        embedding_norm: true,
        positions: PositionKind::Learned,
        output_bias: true,
        activation: "gelu",
        scale_embeddings: false,
        end: 2,
        padding: 1,
    };
    match family {
        Family::T5 | Family::Bart => bart,
        Family::MBart => Layout { norm: NormOrder::Pre, ..bart },
        Family::M2m100 => Layout {
            norm: NormOrder::Pre,
            embedding_norm: false,
            positions: PositionKind::SinusoidalFairseq,
            output_bias: false,
            activation: "relu",
            scale_embeddings: true,
            ..bart
        },
        Family::Pegasus => Layout {
            norm: NormOrder::Pre,
            embedding_norm: false,
            positions: PositionKind::SinusoidalHalves,
            end: 1,
            padding: 0,
            ..bart
        },
    }
}

/// Reads the contents of `config.json`.
///
/// # Errors
/// The first key that is missing, malformed, unknown, or has a value that is not supported.
pub fn read(family: Family, config: &Value) -> Result<Network, ConfigError> {
    let layout = layout(family);
    let model_type = config["model_type"].as_str().unwrap_or_default();
    let keys = Keys::new(config);
    keys.fixed("is_encoder_decoder", &json!(true))?;
    keys.fixed("is_decoder", &json!(false))?;
    keys.fixed("quantization_config", &Value::Null)?;
    keys.fixed("tie_word_embeddings", &json!(true))?;
    keys.fixed("normalize_before", &json!(layout.norm == NormOrder::Pre))?;
    for key in OLD_KEYS {
        keys.value(key);
    }
    let vocab_size = keys.vocab_size()?;
    let padding = keys.id("pad_token_id", Some(layout.padding), vocab_size)?;
    let end = keys.id("eos_token_id", Some(layout.end), vocab_size)?;
    let [start, forced] = ["decoder_start_token_id", "forced_bos_token_id"].map(|key| match keys.value(key) {
        Value::Null => Ok(None),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            keys.id(key, None, vocab_size).map(Some)
        }
    });
    let name = keys.name("activation_function", layout.activation)?;
    let activation = ACTIVATIONS.iter().find(|(theirs, _)| *theirs == name).map(|(_, activation)| *activation);
    let activation = activation.ok_or_else(|| {
        let names: Vec<&str> = ACTIVATIONS.iter().map(|(theirs, _)| *theirs).collect();
        let remedy = "translate with transformers, which knows such models";
        ConfigError::new("activation_function", name, format!("one of {}", names.join(", ")), remedy)
    })?;
    // The size of the encoder, and that of the decoder if it differs.
    let both = |encoder: &'static str, decoder: &'static str| {
        let (encoder, decoder) = (keys.size(encoder, None)?, keys.size(decoder, None)?);
        Ok::<_, ConfigError>((encoder, Some(decoder).filter(|decoder| *decoder != encoder)))
    };
    let (n_heads, decoder_heads) = both("encoder_attention_heads", "decoder_attention_heads")?;
    let (d_ff, decoder_d_ff) = both("encoder_ffn_dim", "decoder_ffn_dim")?;
    let fairseq = layout.positions == PositionKind::SinusoidalFairseq;
    let model = ModelConfig {
        d_model: keys.size("d_model", None)?,
        n_heads,
        d_ff,
        encoder_layers: keys.size("encoder_layers", None)?,
        decoder_layers: keys.size("decoder_layers", None)?,
        decoder_heads,
        decoder_d_ff,
        dropout: keys.rate("dropout", 0.1)?,
        attention_dropout: keys.rate("attention_dropout", 0.0)?,
        ff_dropout: keys.rate("activation_dropout", 0.0)?,
        norm: layout.norm,
        norm_epsilon: NORM_EPSILON,
        embedding_norm: layout.embedding_norm,
        activation,
        positions: layout.positions,
        position_offset: if fairseq { padding as usize + 1 } else { 0 },
        max_length: keys.size("max_position_embeddings", Some(1024))?,
        output_bias: layout.output_bias,
        scale_embeddings: keys.flag("scale_embedding", layout.scale_embeddings)?,
        ..ModelConfig::default()
    };
    keys.finish(model_type)?;
    model.validate()?;
    Ok(Network { model, vocab_size, tied: Some(true), end, padding, start: start?, forced: forced? })
}

/// Parts of the network outside its layers: the name here, the name in transformers.
const PARTS: [(&str, &str); 6] = [
    ("source_embedding_norm", "model.encoder.layernorm_embedding"),
    ("target_embedding_norm", "model.decoder.layernorm_embedding"),
    ("encoder.norm", "model.encoder.layer_norm"),
    ("decoder.norm", "model.decoder.layer_norm"),
    ("source_positions", "model.encoder.embed_positions"),
    ("target_positions", "model.decoder.embed_positions"),
];

/// Returns the name in transformers of a weight of the network.
pub fn name(ours: &str) -> Option<String> {
    if let Some(parameter) = marian_parameter(ours) {
        return Some(parameter.name);
    }
    let (part, kind) = ours.rsplit_once('.')?;
    let (_, theirs) = PARTS.iter().find(|(name, _)| *name == part)?;
    let kind = match kind {
        "gamma" | "table" => "weight",
        "beta" => "bias",
        _ => return None,
    };
    Some(format!("{theirs}.{kind}"))
}

/// Returns a table of learned positions as files have it, with the rows that no position has.
pub fn stored_positions(name: String, shape: &[usize], values: &[f32]) -> NamedTensor {
    let unused = vec![0.0; UNUSED_POSITIONS * shape[1]];
    let shape = vec![shape[0] + UNUSED_POSITIONS, shape[1]];
    NamedTensor { name, shape, values: [&unused[..], values].concat() }
}

/// Returns the contents of `config.json`.
///
/// # Errors
/// The first option that the family does not have.
pub fn write(family: Family, network: &Network) -> Result<Value, ConfigError> {
    let Network { model, vocab_size, end, padding, start, forced, .. } = network;
    let (layout, defaults) = (layout(family), ModelConfig::default());
    let [model_type, architecture] = family.architecture();
    let decoder = model.of_decoder();
    let offset = if layout.positions == PositionKind::SinusoidalFairseq { *padding as usize + 1 } else { 0 };
    let fixed = [
        ("positions", json!(model.positions), json!(layout.positions)),
        ("norm", json!(model.norm), json!(layout.norm)),
        ("norm_kind", json!(model.norm_kind), json!(NormKind::Layer)),
        ("norm_epsilon", json!(model.norm_epsilon), json!(NORM_EPSILON)),
        ("embedding_norm", json!(model.embedding_norm), json!(layout.embedding_norm)),
        ("position_offset", json!(model.position_offset), json!(offset)),
        ("decoder_self", json!(model.decoder_self), json!(DecoderSelf::Attention)),
        ("tie", json!(model.tie), json!(Tie::All)),
        ("bias", json!(model.bias), json!(true)),
        ("scale_attention", json!(model.scale_attention), json!(true)),
        ("scale_logits", json!(model.scale_logits), json!(defaults.scale_logits)),
        ("stack_dropout", json!(model.stack_dropout), json!(defaults.stack_dropout)),
        ("head_size", json!(model.heads_width()), json!(model.d_model)),
        ("decoder_heads", json!(decoder.heads_width()), json!(model.d_model)),
    ];
    let lacks = |key: &str, found: &Value, expected: String| {
        let remedy = "export in another format, or use the run folder as it is";
        let expected = format!("{expected}: {model_type} has nothing else");
        Err(ConfigError::new(&format!("model.{key}"), found, expected, remedy))
    };
    if let Some((key, found, expected)) = fixed.iter().find(|(_, found, expected)| found != expected) {
        return match *key {
            "head_size" | "decoder_heads" => {
                lacks(key, found, "a product with the heads that is model.d_model".to_owned())
            }
            _ => lacks(key, found, format!("model.{key} = {expected}")),
        };
    }
    // Its table of positions has the row of `<pad>`, which must exist.
    if layout.positions == PositionKind::SinusoidalFairseq && *padding as usize >= model.max_length + 2 {
        let expected = format!("at least {}, one less than the id of <pad>", padding.saturating_sub(1));
        return lacks("max_length", &json!(model.max_length), expected);
    }
    if model.output_bias && !layout.output_bias {
        return lacks("output_bias", &json!(true), "model.output_bias = false".to_owned());
    }
    let Some((activation, _)) = ACTIVATIONS.iter().find(|(_, activation)| *activation == model.activation) else {
        return lacks("activation", &json!(model.activation), "another activation".to_owned());
    };
    let own = json!({
        "architectures": [architecture],
        "model_type": model_type,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "tie_word_embeddings": true,
        "vocab_size": vocab_size,
        "eos_token_id": end,
        "pad_token_id": padding,
        "decoder_start_token_id": start,
        "forced_bos_token_id": forced,
        "forced_eos_token_id": if family == Family::M2m100 { Value::Null } else { json!(end) },
    });
    Ok(with_network_keys(model, activation, own))
}
