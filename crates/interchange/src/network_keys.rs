//! The keys of `config.json` that Marian and the family of BART have in common.

use model::ModelConfig;
use serde_json::{Value, json};

/// Returns the keys of the network's sizes and rates, with the `others` of a format.
pub(crate) fn with_network_keys(model: &ModelConfig, activation: &str, mut others: Value) -> Value {
    let decoder = model.of_decoder();
    let mut keys = json!({
        "is_encoder_decoder": true,
        "d_model": model.d_model,
        "encoder_layers": model.encoder_layers,
        "decoder_layers": model.decoder_layers,
        "encoder_attention_heads": model.n_heads,
        "decoder_attention_heads": decoder.n_heads,
        "encoder_ffn_dim": model.d_ff,
        "decoder_ffn_dim": decoder.d_ff,
        "activation_function": activation,
        "dropout": model.dropout,
        "attention_dropout": model.attention_dropout,
        "activation_dropout": model.ff_dropout,
        "max_position_embeddings": model.max_length,
        "scale_embedding": model.scale_embeddings,
        "dtype": "float32",
        "torch_dtype": "float32",
        "use_cache": true,
    });
    if let (Value::Object(keys), Value::Object(others)) = (&mut keys, &mut others) {
        keys.append(others);
    }
    keys
}
