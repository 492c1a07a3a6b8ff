//! The network of Marian's configuration: each option here with its counterpart.
//!
//! [`read()`] rejects options of Marian that this program does not have, by name.

use model::config::{Activation, DecoderSelf, NormKind, NormOrder, PositionKind, Tie};
use model::{ConfigError, ModelConfig, VocabularySizes};

use super::yaml::Settings;

/// ε of Marian's layer normalisation.
const NORM_EPSILON: f64 = 1e-6;

/// Positions of an imported model. Sinusoids have no limit; this one bounds the memory of a sentence.
const MAX_LENGTH: usize = 1024;

const ELSEWHERE: &str = "translate with Marian, which knows such models";

/// The network that a configuration describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its options.
    pub model: ModelConfig,
    /// Its vocabulary sizes, `<pad>` included, which Marian does not have.
    pub sizes: VocabularySizes,
}

/// Keys that must be absent or have one of these values.
const FIXED: [(&str, &[&str]); 18] = [
    ("type", &["transformer"]),
    ("transformer-train-position-embeddings", &["false"]),
    ("transformer-no-projection", &["false"]),
    ("transformer-pool", &["false"]),
    ("transformer-no-affine", &["false"]),
    ("transformer-rnn-projection", &["false"]),
    ("transformer-ffn-depth", &["2"]),
    ("transformer-decoder-ffn-depth", &["0", "2"]),
    ("transformer-postprocess-emb", &["d", ""]),
    ("ulr", &["false"]),
    ("right-left", &["false"]),
    ("lemma-dim-emb", &["0"]),
    ("lemma-dependency", &[""]),
    ("factor-predictor", &[""]),
    ("factors-combine", &["sum"]),
    ("input-types", &["sequence"]),
    ("transformer-flavor", &["base"]),
    ("dec-cell", &["ssru", "gru", "lstm"]),
];

/// Reads a configuration.
///
/// # Errors
/// The first key that is missing, malformed, or has a value that is not supported.
pub fn read(settings: &Settings) -> Result<Network, ConfigError> {
    if settings.value("type").is_none() {
        return Err(ConfigError::new("type", "nothing", "transformer", ELSEWHERE));
    }
    for (key, allowed) in FIXED {
        if let Some(found) = settings.value(key).filter(|found| !allowed.contains(found)) {
            return Err(ConfigError::new(key, shown(found), allowed.join(" or "), ELSEWHERE));
        }
    }
    for key in ["transformer-tied-layers", "embedding-vectors"] {
        if let Some(found) = settings.list(key).first().filter(|found| !found.is_empty()) {
            return Err(ConfigError::new(key, shown(found), "none", ELSEWHERE));
        }
    }
    let norm = norm_order(settings)?;
    let activation = match settings.value("transformer-ffn-activation").unwrap_or("swish") {
        "relu" => Activation::Relu,
        "swish" => Activation::Silu,
        // Marian's gelu is x·sigmoid(1.702 x), which no option here computes.
        other => return Err(ConfigError::new("transformer-ffn-activation", shown(other), "relu or swish", ELSEWHERE)),
    };
    let decoder_self = match settings.value("transformer-decoder-autoreg").unwrap_or("self-attention") {
        "self-attention" => DecoderSelf::Attention,
        "rnn" => match settings.value("dec-cell") {
            Some("ssru") => DecoderSelf::Ssru,
            other => return Err(ConfigError::new("dec-cell", shown(other.unwrap_or("")), "ssru", ELSEWHERE)),
        },
        other => {
            let expected = "self-attention or rnn";
            return Err(ConfigError::new("transformer-decoder-autoreg", shown(other), expected, ELSEWHERE));
        }
    };
    let flag = |key: &str| flag(settings, key);
    let (all, source, target) = (flag("tied-embeddings-all")?, flag("tied-embeddings-src")?, flag("tied-embeddings")?);
    let tie = match (all || (source && target), source, target) {
        (true, ..) => Tie::All,
        (false, true, _) => Tie::Inputs,
        (false, false, true) => Tie::Decoder,
        (false, false, false) => Tie::None,
    };
    let sizes = match settings.list("dim-vocabs") {
        [source, target] => VocabularySizes { source: entries(source)?, target: entries(target)? },
        other => {
            let found = format!("[{}]", other.join(", "));
            return Err(ConfigError::new("dim-vocabs", found, "two sizes, of source and target", ELSEWHERE));
        }
    };
    let d_ff = size(settings, "transformer-dim-ffn", Some(2048))?;
    let model = ModelConfig {
        d_model: size(settings, "dim-emb", None)?,
        n_heads: size(settings, "transformer-heads", Some(8))?,
        d_ff,
        encoder_layers: size(settings, "enc-depth", None)?,
        decoder_layers: size(settings, "dec-depth", None)?,
        decoder_d_ff: Some(size(settings, "transformer-decoder-dim-ffn", Some(0))?)
            .filter(|width| *width != 0 && *width != d_ff),
        decoder_self,
        dropout: rate(settings, "transformer-dropout")?,
        attention_dropout: rate(settings, "transformer-dropout-attention")?,
        ff_dropout: rate(settings, "transformer-dropout-ffn")?,
        norm,
        norm_kind: NormKind::Layer,
        norm_epsilon: NORM_EPSILON,
        activation,
        positions: PositionKind::SinusoidalFairseq,
        max_length: MAX_LENGTH,
        tie,
        bias: true,
        output_bias: !flag("output-omit-bias")?,
        ..ModelConfig::default()
    };
    model.validate()?;
    model.validate_vocabularies(sizes)?;
    Ok(Network { model, sizes })
}

/// Marian writes what happens around a sub-layer as letters: d for dropout, a for add, n for norm.
fn norm_order(settings: &Settings) -> Result<NormOrder, ConfigError> {
    let around = |key: &str, default: &'static str| settings.value(key).unwrap_or(default).to_owned();
    let found = [
        around("transformer-preprocess", ""),
        around("transformer-postprocess", "dan"),
        around("transformer-postprocess-top", ""),
    ];
    match [&found[0][..], &found[1], &found[2]] {
        ["", "dan" | "an", ""] => Ok(NormOrder::Post),
        ["n", "da" | "a", "n"] => Ok(NormOrder::Pre),
        [before, after, top] => Err(ConfigError::new(
            "transformer-preprocess, transformer-postprocess, transformer-postprocess-top",
            format!("{before:?}, {after:?}, {top:?}"),
            "\"\", \"dan\", \"\" or \"n\", \"da\", \"n\"",
            ELSEWHERE,
        )),
    }
}

fn shown(value: &str) -> String {
    if value.is_empty() { "\"\"".to_owned() } else { value.to_owned() }
}

/// Reads a vocabulary's size, and adds `<pad>`.
fn entries(text: &str) -> Result<usize, ConfigError> {
    let size = text.parse().ok().filter(|size| (2..1 << 24).contains(size));
    let size: usize = size.ok_or_else(|| ConfigError::new("dim-vocabs", text, "a number of entries", ELSEWHERE))?;
    Ok(size + 1)
}

fn size(settings: &Settings, key: &str, default: Option<usize>) -> Result<usize, ConfigError> {
    let found = settings.value(key);
    let size = found.map_or(default, |found| found.parse().ok());
    let remedy = "fetch the model again";
    size.ok_or_else(|| ConfigError::new(key, found.unwrap_or("nothing"), "a whole number", remedy))
}

fn flag(settings: &Settings, key: &str) -> Result<bool, ConfigError> {
    match settings.value(key) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(ConfigError::new(key, shown(other), "true or false", "fetch the model again")),
    }
}

fn rate(settings: &Settings, key: &str) -> Result<f64, ConfigError> {
    let Some(found) = settings.value(key) else { return Ok(0.0) };
    found.parse().map_err(|_| ConfigError::new(key, shown(found), "a rate", "fetch the model again"))
}
