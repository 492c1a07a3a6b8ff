//! Opens the folder that `train` wrote. Nothing outside it is needed, and whatever does not fit together is refused.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use model::{ConfigError, ModelConfig, Transformer, VocabularySizes, weights};
use serde::Deserialize;
use text::Tokenizer;

use crate::config::DecodingConfig;
use crate::error::InferError;

/// File names inside a run folder.
pub mod files {
    pub const CONFIG: &str = "config.toml";
    pub const SOURCE_TOKENIZER: &str = "source.tokenizer.json";
    pub const TARGET_TOKENIZER: &str = "target.tokenizer.json";
    pub const WEIGHTS: &str = "model.safetensors";
}

/// A model with all it needs to turn text into text.
#[derive(Debug)]
pub struct TrainedModel {
    pub model: Transformer,
    pub config: ModelConfig,
    pub decoding: DecodingConfig,
    pub source_tokenizer: Arc<Tokenizer>,
    pub target_tokenizer: Arc<Tokenizer>,
    pub sizes: VocabularySizes,
    pub device: Device,
}

/// The tables of `config.toml` that decoding reads; the others are `train`'s.
#[derive(Deserialize)]
struct ConfigFile {
    model: ModelConfig,
    #[serde(default)]
    decoding: DecodingConfig,
}

impl TrainedModel {
    /// Opens a run folder on a plain (not differentiating) device.
    ///
    /// # Errors
    /// A file that is missing, damaged, of another kind, or that disagrees with the others.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, InferError> {
        for missing in [files::CONFIG, files::SOURCE_TOKENIZER, files::TARGET_TOKENIZER, files::WEIGHTS] {
            if !folder.join(missing).is_file() {
                return Err(InferError::NotARun { path: folder.to_path_buf(), missing });
            }
        }
        let path = folder.join(files::CONFIG);
        let config_text =
            fs::read_to_string(&path).map_err(|source| InferError::Read { path: path.clone(), source })?;
        let toml_error = |source| InferError::Toml { path: path.clone(), source: Box::new(source) };
        let ConfigFile { model: config, decoding } = toml::from_str(&config_text).map_err(toml_error)?;
        let written: toml::Table = toml::from_str(&config_text).map_err(toml_error)?;
        complete(&written).map_err(|source| InferError::Config { path: path.clone(), source })?;
        let source_tokenizer = Arc::new(Tokenizer::load(&folder.join(files::SOURCE_TOKENIZER))?);
        let target_tokenizer = Arc::new(Tokenizer::load(&folder.join(files::TARGET_TOKENIZER))?);
        let sizes = VocabularySizes { source: source_tokenizer.vocab_size(), target: target_tokenizer.vocab_size() };
        let model = decoding
            .validate(&config)
            .and_then(|()| Transformer::blank(&config, sizes, device))
            .map_err(|source| InferError::Config { path, source })?;

        let path = folder.join(files::WEIGHTS);
        let bytes = fs::read(&path).map_err(|source| InferError::Read { path: path.clone(), source })?;
        let model = load_weights(model, &bytes).map_err(|source| InferError::Weights { path, source })?;
        Ok(Self { model, config, decoding, source_tokenizer, target_tokenizer, sizes, device: device.clone() })
    }
}

/// Checks that the `[model]` table says everything: a key that was lost would be read as its default, and heads, for
/// one, change the answers without changing a shape.
fn complete(written: &toml::Table) -> Result<(), ConfigError> {
    let all = toml::Table::try_from(ModelConfig::default()).unwrap_or_default();
    let model = written.get("model").and_then(toml::Value::as_table);
    match all.keys().find(|key| model.is_none_or(|model| !model.contains_key(*key))) {
        None => Ok(()),
        Some(key) => Err(ConfigError::new(
            &format!("model.{key}"),
            "nothing",
            "a value, since `train` writes every key",
            "restore the file that belongs to these weights",
        )),
    }
}

fn load_weights(model: Transformer, bytes: &[u8]) -> Result<Transformer, weights::WeightsError> {
    let (tensors, attend) = weights::from_safetensors(bytes)?;
    if attend.is_none() {
        return Err(weights::WeightsError::Foreign);
    }
    weights::load(model, tensors)
}
