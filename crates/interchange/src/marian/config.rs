//! The network of `config.json`: each option here with its counterpart in Marian.
//!
//! [`read()`] rejects options of Marian that this program does not have, [`write()`] rejects options of this program that
//! Marian does not have. No match here has a catch-all arm: a new option does not compile until both handle it.

use std::path::Path;

use model::config::{Activation, DecoderSelf, NormKind, NormOrder, PositionKind, Tie};
use model::{ConfigError, ModelConfig, VocabularySizes};
use serde_json::{Value, json};

use super::positions;
use crate::network_keys::with_network_keys;

const ELSEWHERE: &str = "translate with transformers, which knows such models";

/// The network that `config.json` describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its options.
    pub model: ModelConfig,
    /// Its vocabulary sizes.
    pub sizes: VocabularySizes,
    /// The id of `</s>` in Marian's files.
    pub end: u32,
    /// The id of `<pad>` in Marian's files, from which the decoder starts.
    pub padding: u32,
}

/// Activations that Marian has.
const ACTIVATIONS: [Activation; 4] = [Activation::Relu, Activation::Gelu, Activation::Silu, Activation::GeluTanh];

/// Returns Marian's names of an activation, of which an export writes the first; none if Marian lacks it.
fn marian_names(activation: Activation) -> &'static [&'static str] {
    match activation {
        Activation::Relu => &["relu"],
        Activation::Gelu => &["gelu"],
        Activation::Silu => &["swish", "silu"],
        Activation::GeluTanh => &["gelu_new"],
        Activation::Swiglu | Activation::GegluTanh => &[],
    }
}

/// ε of every norm in Marian.
const NORM_EPSILON: f64 = 1e-5;

/// Keys that must be absent or have this value.
const FIXED: [(&str, Value); 8] = [
    ("normalize_before", Value::Bool(false)),
    ("normalize_embedding", Value::Bool(false)),
    ("add_final_layer_norm", Value::Bool(false)),
    ("add_bias_logits", Value::Bool(false)),
    ("static_position_embeddings", Value::Bool(true)),
    ("is_encoder_decoder", Value::Bool(true)),
    ("is_decoder", Value::Bool(false)),
    ("quantization_config", Value::Null),
];

/// Reads the contents of `config.json`.
///
/// # Errors
/// The first key that is missing, malformed, or has a value that is not supported.
pub fn read(config: &Value) -> Result<Network, ConfigError> {
    require(config, "model_type", &json!("marian"))?;
    for (key, expected) in &FIXED {
        if !config[*key].is_null() {
            require(config, key, expected)?;
        }
    }
    let scale_embeddings = flag(config, "scale_embedding", false)?;

    let source = size(config, "vocab_size", None)?;
    let shared = flag(config, "share_encoder_decoder_embeddings", true)?;
    let tied = flag(config, "tie_word_embeddings", true)?;
    let target = if shared { source } else { size(config, "decoder_vocab_size", Some(source))? };
    let tie = match (shared, tied) {
        (true, true) => Tie::All,
        (false, true) => Tie::Decoder,
        (false, false) => Tie::None,
        (true, false) => {
            return Err(unexpected("tie_word_embeddings", "false", "true, as embeddings are shared", ELSEWHERE));
        }
    };
    let [end, padding, start] = ["eos_token_id", "pad_token_id", "decoder_start_token_id"].map(|key| {
        let found = size(config, key, None)?;
        let id = u32::try_from(found).ok().filter(|_| found < source.min(target));
        id.ok_or_else(|| {
            let expected = format!("an id below the vocabulary's size, {}", source.min(target));
            unexpected(key, &found.to_string(), &expected, "fetch the file that belongs to these weights")
        })
    });
    let (end, padding) = (end?, padding?);
    if start? != padding {
        let (found, expected) = (&config["decoder_start_token_id"], format!("pad_token_id = {padding}"));
        return Err(unexpected("decoder_start_token_id", &shown(found), &expected, ELSEWHERE));
    }
    // The size of the encoder, and that of the decoder if it differs.
    let both = |encoder: &str, decoder: &str| {
        let (encoder, decoder) = (size(config, encoder, None)?, size(config, decoder, None)?);
        Ok::<_, ConfigError>((encoder, Some(decoder).filter(|decoder| *decoder != encoder)))
    };
    let (n_heads, decoder_heads) = both("encoder_attention_heads", "decoder_attention_heads")?;
    let (d_ff, decoder_d_ff) = both("encoder_ffn_dim", "decoder_ffn_dim")?;
    let name = config["activation_function"].as_str().unwrap_or("nothing");
    let activation = ACTIVATIONS.into_iter().find(|activation| marian_names(*activation).contains(&name));
    let activation = activation.ok_or_else(|| {
        let names: Vec<&str> = ACTIVATIONS.into_iter().flat_map(marian_names).copied().collect();
        unexpected("activation_function", name, &format!("one of {}", names.join(", ")), ELSEWHERE)
    })?;
    let defaults = ModelConfig::default();
    let model = ModelConfig {
        d_model: size(config, "d_model", None)?,
        n_heads,
        head_size: None,
        d_ff,
        encoder_layers: size(config, "encoder_layers", None)?,
        decoder_layers: size(config, "decoder_layers", None)?,
        decoder_heads,
        decoder_d_ff,
        decoder_self: DecoderSelf::Attention,
        dropout: rate(config, "dropout", 0.1)?,
        attention_dropout: rate(config, "attention_dropout", 0.0)?,
        ff_dropout: rate(config, "activation_dropout", 0.0)?,
        stack_dropout: 0.0,
        norm: NormOrder::Post,
        norm_kind: NormKind::Layer,
        norm_epsilon: NORM_EPSILON,
        embedding_norm: false,
        activation,
        positions: PositionKind::SinusoidalHalves,
        position_offset: 0,
        relative_buckets: defaults.relative_buckets,
        relative_max_distance: defaults.relative_max_distance,
        max_length: size(config, "max_position_embeddings", None)?,
        tie,
        bias: true,
        output_bias: true,
        scale_attention: true,
        scale_embeddings,
        scale_logits: false,
    };
    model.validate()?;
    Ok(Network { model, sizes: VocabularySizes { source, target }, end, padding })
}

/// Returns the contents of `config.json`.
///
/// # Errors
/// The first option that Marian does not have.
pub fn write(network: &Network) -> Result<Value, ConfigError> {
    let Network { model, sizes, end, padding } = network;
    let lacks = |field: &str, found: &str, expected: &str| {
        let remedy = format!("train with {expected} to export, or use the run folder as it is");
        Err(unexpected(field, found, &format!("{expected}: Marian has nothing else"), &remedy))
    };
    match model.norm {
        NormOrder::Post => {}
        NormOrder::Pre => return lacks("model.norm", "\"pre\"", "model.norm = \"post\""),
    }
    match model.norm_kind {
        NormKind::Layer => {}
        NormKind::Rms => return lacks("model.norm_kind", "\"rms\"", "model.norm_kind = \"layer\""),
    }
    match model.decoder_self {
        DecoderSelf::Attention => {}
        DecoderSelf::Ssru => return lacks("model.decoder_self", "\"ssru\"", "model.decoder_self = \"attention\""),
    }
    match model.positions {
        PositionKind::Sinusoidal | PositionKind::SinusoidalHalves => {}
        PositionKind::Learned
        | PositionKind::SinusoidalFairseq
        | PositionKind::Relative
        | PositionKind::RelativePerLayer
        | PositionKind::SinusoidalRelative => {
            return lacks("model.positions", &shown(&json!(model.positions)), "model.positions = \"sinusoidal\"");
        }
    }
    let Some(activation) = marian_names(model.activation).first() else {
        let found = shown(&json!(model.activation));
        return lacks("model.activation", &found, "model.activation = \"relu\", \"gelu\", \"gelu_tanh\" or \"silu\"");
    };
    match model.tie {
        Tie::None | Tie::Decoder | Tie::All => {}
        Tie::Inputs => return lacks("model.tie", "\"inputs\"", "model.tie = \"all\" or \"none\""),
    }
    let fixed = [
        ("norm_epsilon", json!(model.norm_epsilon), json!(NORM_EPSILON)),
        ("embedding_norm", json!(model.embedding_norm), json!(false)),
        ("position_offset", json!(model.position_offset), json!(0)),
        ("scale_attention", json!(model.scale_attention), json!(true)),
        ("scale_logits", json!(model.scale_logits), json!(false)),
    ];
    if let Some((key, found, expected)) = fixed.iter().find(|(_, found, expected)| found != expected) {
        return lacks(&format!("model.{key}"), &found.to_string(), &format!("model.{key} = {expected}"));
    }
    if let Some(size) = model.head_size.filter(|size| size * model.n_heads != model.d_model) {
        let expected = format!("model.head_size = {}", model.d_model / model.n_heads);
        return lacks("model.head_size", &size.to_string(), &expected);
    }
    let decoder = model.of_decoder();
    if decoder.heads_width() != model.d_model {
        let expected = "a model.decoder_heads with model.decoder_heads * model.head_size = model.d_model";
        return lacks("model.decoder_heads", &decoder.n_heads.to_string(), expected);
    }
    let own = json!({
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "static_position_embeddings": true,
        "normalize_before": false,
        "normalize_embedding": false,
        "vocab_size": sizes.source,
        "decoder_vocab_size": sizes.target,
        "share_encoder_decoder_embeddings": model.tie == Tie::All,
        "tie_word_embeddings": model.tie != Tie::None,
        "eos_token_id": end,
        "forced_eos_token_id": end,
        "pad_token_id": padding,
        "decoder_start_token_id": padding,
        "bos_token_id": Value::Null,
    });
    Ok(with_network_keys(model, activation, own))
}

/// Returns the order that makes the columns Marian's, or `None` if they are in that order already.
pub fn column_order(model: &ModelConfig) -> Option<Vec<usize>> {
    match model.positions {
        PositionKind::Sinusoidal => Some(positions::halves_of_interleaved(model.d_model)),
        PositionKind::SinusoidalHalves
        | PositionKind::Learned
        | PositionKind::SinusoidalFairseq
        | PositionKind::Relative
        | PositionKind::RelativePerLayer
        | PositionKind::SinusoidalRelative => None,
    }
}

/// Parses a file's contents as JSON.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Value, crate::InterchangeError> {
    serde_json::from_slice(bytes).map_err(|source| crate::InterchangeError::Json { path: path.to_owned(), source })
}

fn unexpected(field: &str, found: &str, expected: &str, remedy: &str) -> ConfigError {
    ConfigError::new(field, found, expected, remedy)
}

pub(crate) fn shown(value: &Value) -> String {
    if value.is_null() { "nothing".to_owned() } else { value.to_string() }
}

pub(crate) fn require(config: &Value, key: &str, expected: &Value) -> Result<(), ConfigError> {
    match &config[key] {
        found if found == expected => Ok(()),
        found => Err(unexpected(key, &shown(found), &shown(expected), ELSEWHERE)),
    }
}

pub(crate) fn size(config: &Value, key: &str, default: Option<usize>) -> Result<usize, ConfigError> {
    let found = &config[key];
    let size = found.as_u64().and_then(|size| usize::try_from(size).ok());
    size.or(default.filter(|_| found.is_null()))
        .ok_or_else(|| unexpected(key, &shown(found), "a number", "fetch the file that belongs to these weights"))
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
pub(crate) fn flag(config: &Value, key: &str, default: bool) -> Result<bool, ConfigError> {
    match &config[key] {
        Value::Null => Ok(default),
        Value::Bool(flag) => Ok(*flag),
        other => Err(unexpected(key, &shown(other), "true or false", "fetch the file that belongs to these weights")),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
pub(crate) fn rate(config: &Value, key: &str, default: f64) -> Result<f64, ConfigError> {
    match &config[key] {
        Value::Null => Ok(default),
        other => other
            .as_f64()
            .ok_or_else(|| unexpected(key, &shown(other), "a number", "fetch the file that belongs to these weights")),
    }
}
