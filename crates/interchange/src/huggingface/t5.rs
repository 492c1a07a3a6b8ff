//! T5, mT5, UMT5 and ByT5: the table of their configuration and the names of their weights.

use model::config::{Activation, DecoderSelf, NormKind, NormOrder, PositionKind, Tie};
use model::{ConfigError, ModelConfig};
use serde_json::{Value, json};

use super::Network;
use super::keys::Keys;

/// Values of `model_type`. ByT5 is a `t5` with a tokenizer of its own.
pub const MODEL_TYPES: [&str; 3] = ["t5", "mt5", "umt5"];

/// Names of the matrix of the embeddings, of which files have one or equal copies.
pub const EMBEDDINGS: [&str; 3] = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];

/// Name of the output's matrix.
pub const OUTPUT: &str = "lm_head.weight";

/// Left over in the files of the first T5: attention to the memory has no distances.
pub const UNUSED: [&str; 1] = ["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"];

/// Longest text of the first T5, whose configuration alone names one. The network has no limit.
const N_POSITIONS: usize = 512;

/// Values of `feed_forward_proj`, of which an export writes the first of an activation.
const ACTIVATIONS: [(&str, Activation); 6] = [
    ("relu", Activation::Relu),
    ("gelu", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("silu", Activation::Silu),
    ("gated-gelu", Activation::GegluTanh),
    ("gated-silu", Activation::Swiglu),
];

/// Reads the contents of `config.json`.
///
/// # Errors
/// The first key that is missing, malformed, unknown, or has a value that is not supported.
pub fn read(config: &Value) -> Result<Network, ConfigError> {
    let model_type = config["model_type"].as_str().unwrap_or_default();
    let keys = Keys::new(config);
    keys.fixed("is_encoder_decoder", &json!(true))?;
    keys.fixed("is_decoder", &json!(false))?;
    keys.fixed("quantization_config", &Value::Null)?;
    let vocab_size = keys.vocab_size()?;
    let padding = keys.id("pad_token_id", Some(0), vocab_size)?;
    let end = keys.id("eos_token_id", Some(1), vocab_size)?;
    let start = keys.id("decoder_start_token_id", Some(padding as usize), vocab_size)?;
    if start != padding {
        let expected = format!("pad_token_id = {padding}");
        let remedy = "translate with transformers, which knows such models";
        return Err(ConfigError::new("decoder_start_token_id", start, expected, remedy));
    }
    let (tied, scale_logits) = tying(&keys, model_type)?;
    let encoder_layers = keys.size("num_layers", None)?;
    let dropout = keys.rate("dropout_rate", 0.1)?;
    let model = ModelConfig {
        d_model: keys.size("d_model", None)?,
        n_heads: keys.size("num_heads", None)?,
        head_size: Some(keys.size("d_kv", None)?),
        d_ff: keys.size("d_ff", None)?,
        encoder_layers,
        decoder_layers: keys.size("num_decoder_layers", Some(encoder_layers))?,
        decoder_heads: None,
        decoder_d_ff: None,
        decoder_self: DecoderSelf::Attention,
        dropout,
        attention_dropout: dropout,
        ff_dropout: dropout,
        stack_dropout: dropout,
        norm: NormOrder::Pre,
        norm_kind: NormKind::Rms,
        norm_epsilon: keys.rate("layer_norm_epsilon", 1e-6)?,
        embedding_norm: false,
        activation: activation(&keys, model_type)?,
        positions: if model_type == "umt5" { PositionKind::RelativePerLayer } else { PositionKind::Relative },
        position_offset: 0,
        relative_buckets: keys.size("relative_attention_num_buckets", Some(32))?,
        relative_max_distance: keys.size("relative_attention_max_distance", Some(128))?,
        max_length: keys.size("n_positions", Some(N_POSITIONS))?,
        tie: Tie::All,
        bias: false,
        output_bias: false,
        scale_attention: false,
        scale_embeddings: false,
        scale_logits,
    };
    keys.finish(model_type)?;
    model.validate()?;
    Ok(Network { model, vocab_size, tied, end, padding, start: Some(start), forced: None })
}

/// Whether the output has the embeddings' matrix, if the configuration decides that, and whether logits are scaled.
///
/// Until version 4 of transformers `tie_word_embeddings` meant both. Since version 5 it is always true, the weights decide,
/// and `scale_decoder_outputs` is a key of its own. mT5's logits are not scaled.
fn tying(keys: &Keys, model_type: &str) -> Result<(Option<bool>, bool), ConfigError> {
    let tied = keys.flag("tie_word_embeddings", true)?;
    if model_type == "mt5" {
        return Ok((None, false));
    }
    if keys.value("scale_decoder_outputs").is_null() {
        return Ok((Some(tied), tied));
    }
    Ok((None, keys.flag("scale_decoder_outputs", true)?))
}

/// The activation, of which `dense_act_fn` and `is_gated_act` repeat parts.
fn activation(keys: &Keys, model_type: &str) -> Result<Activation, ConfigError> {
    let default = if model_type == "t5" { "relu" } else { "gated-gelu" };
    let name = keys.name("feed_forward_proj", default)?;
    let found = ACTIVATIONS.iter().find(|(theirs, _)| *theirs == name);
    let (_, activation) = found.ok_or_else(|| {
        let names: Vec<&str> = ACTIVATIONS.iter().map(|(theirs, _)| *theirs).collect();
        let remedy = "translate with transformers, which knows such models";
        ConfigError::new("feed_forward_proj", name, format!("one of {}", names.join(", ")), remedy)
    })?;
    let (gated, function) = name.strip_prefix("gated-").map_or((false, name), |function| (true, function));
    let function = if gated && function == "gelu" { "gelu_new" } else { function };
    keys.fixed("is_gated_act", &json!(gated))?;
    keys.fixed("dense_act_fn", &json!(function))?;
    Ok(*activation)
}

/// Parts of a layer: the name here, the name in transformers.
const PARTS: [(&str, &str); 8] = [
    ("self_attention.query", "SelfAttention.q"),
    ("self_attention.key", "SelfAttention.k"),
    ("self_attention.value", "SelfAttention.v"),
    ("self_attention.output", "SelfAttention.o"),
    ("cross_attention.query", "EncDecAttention.q"),
    ("cross_attention.key", "EncDecAttention.k"),
    ("cross_attention.value", "EncDecAttention.v"),
    ("cross_attention.output", "EncDecAttention.o"),
];

/// Returns the name in transformers of a weight of the network.
pub fn name(ours: &str, model: &ModelConfig) -> Option<String> {
    match ours {
        "embeddings.shared" => return Some(EMBEDDINGS[0].to_owned()),
        "embeddings.output" => return Some(OUTPUT.to_owned()),
        _ => {}
    }
    if let Some(stack) = ours.strip_suffix(".norm.gamma").filter(|stack| !stack.contains('.')) {
        return Some(format!("{stack}.final_layer_norm.weight"));
    }
    if let Some((stack, layer)) = ours.split_once(".relative_positions.") {
        let layer = layer.strip_suffix(".bias")?;
        return Some(format!("{stack}.block.{layer}.layer.0.SelfAttention.relative_attention_bias.weight"));
    }
    // `encoder.layers.0.self_attention.query.weight`
    let (stack, rest) = ours.split_once(".layers.")?;
    let (layer, rest) = rest.split_once('.')?;
    let (part, _) = rest.rsplit_once('.')?;
    let sublayer = match part.split(['.', '_']).next()? {
        "self" => 0,
        "cross" => 1,
        "feed" if stack == "encoder" => 1,
        "feed" => 2,
        _ => return None,
    };
    let gated = match model.activation {
        Activation::Swiglu | Activation::GegluTanh => true,
        Activation::Relu | Activation::Gelu | Activation::Silu | Activation::GeluTanh => false,
    };
    let theirs = match part {
        _ if part.ends_with("_residual.norm") => "layer_norm",
        "feed_forward.gate" => "DenseReluDense.wi_0",
        "feed_forward.inner" if gated => "DenseReluDense.wi_1",
        "feed_forward.inner" => "DenseReluDense.wi",
        "feed_forward.output" => "DenseReluDense.wo",
        _ => PARTS.iter().find(|(name, _)| *name == part)?.1,
    };
    Some(format!("{stack}.block.{layer}.layer.{sublayer}.{theirs}.weight"))
}

/// Returns the contents of `config.json`.
///
/// # Errors
/// The first option that T5 does not have.
pub fn write(network: &Network) -> Result<Value, ConfigError> {
    let Network { model, vocab_size, end, padding, .. } = network;
    let lacks = |key: &str, found: &Value, expected: &str| {
        let (field, remedy) = (format!("model.{key}"), "export in another format, or use the run folder as it is");
        Err(ConfigError::new(&field, found, format!("{expected}: T5 has nothing else"), remedy))
    };
    let (model_type, architecture) = match model.positions {
        PositionKind::Relative => ("t5", "T5ForConditionalGeneration"),
        PositionKind::RelativePerLayer => ("umt5", "UMT5ForConditionalGeneration"),
        PositionKind::Sinusoidal
        | PositionKind::SinusoidalHalves
        | PositionKind::SinusoidalFairseq
        | PositionKind::Learned
        | PositionKind::SinusoidalRelative => {
            return lacks("positions", &json!(model.positions), "model.positions = \"relative\"");
        }
    };
    match model.tie {
        Tie::All | Tie::Inputs => {}
        Tie::None | Tie::Decoder => return lacks("tie", &json!(model.tie), "model.tie = \"all\" or \"inputs\""),
    }
    let decoder = model.of_decoder();
    let fixed = [
        ("decoder_self", json!(model.decoder_self), json!(DecoderSelf::Attention)),
        ("norm", json!(model.norm), json!(NormOrder::Pre)),
        ("norm_kind", json!(model.norm_kind), json!(NormKind::Rms)),
        ("bias", json!(model.bias), json!(false)),
        ("output_bias", json!(model.output_bias), json!(false)),
        ("embedding_norm", json!(model.embedding_norm), json!(false)),
        ("scale_attention", json!(model.scale_attention), json!(false)),
        ("scale_embeddings", json!(model.scale_embeddings), json!(false)),
        ("decoder_heads", json!(decoder.n_heads), json!(model.n_heads)),
        ("decoder_d_ff", json!(decoder.d_ff), json!(model.d_ff)),
    ];
    if let Some((key, found, expected)) = fixed.iter().find(|(_, found, expected)| found != expected) {
        return lacks(key, found, &format!("model.{key} = {expected}"));
    }
    let Some((name, _)) = ACTIVATIONS.iter().find(|(_, activation)| *activation == model.activation) else {
        return lacks("activation", &json!(model.activation), "another activation");
    };
    let (gated, function) = name.strip_prefix("gated-").map_or((false, *name), |function| (true, function));
    Ok(json!({
        "architectures": [architecture],
        "model_type": model_type,
        "is_encoder_decoder": true,
        "d_model": model.d_model,
        "d_kv": model.head_size(),
        "d_ff": model.d_ff,
        "num_heads": model.n_heads,
        "num_layers": model.encoder_layers,
        "num_decoder_layers": model.decoder_layers,
        "n_positions": model.max_length,
        "relative_attention_num_buckets": model.relative_buckets,
        "relative_attention_max_distance": model.relative_max_distance,
        "feed_forward_proj": name,
        "is_gated_act": gated,
        "dense_act_fn": if gated && function == "gelu" { "gelu_new" } else { function },
        "dropout_rate": model.dropout,
        "layer_norm_epsilon": model.norm_epsilon,
        "tie_word_embeddings": model.scale_logits,
        "scale_decoder_outputs": model.scale_logits,
        "vocab_size": vocab_size,
        "eos_token_id": end,
        "pad_token_id": padding,
        "decoder_start_token_id": padding,
        "dtype": "float32",
        "torch_dtype": "float32",
        "use_cache": true,
    }))
}
