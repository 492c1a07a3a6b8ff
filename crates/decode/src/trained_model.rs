//! A trained model: the run folder that `train` wrote, opened for decoding. Files that disagree are rejected.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use model::weights::WeightsError;
use model::{ConfigError, ModelConfig, Transformer, VocabularySizes};
use runs::layout;
use serde::Deserialize;
use text::Tokenizer;

use crate::engine::{self, Engine};
use crate::error::DecodeError;
use crate::settings::Settings;
use runs::config::DecodingConfig;

/// A network with its configuration and tokenizers: everything that turns text into text.
#[derive(Debug)]
pub struct TrainedModel {
    /// The `[model]` table.
    pub config: ModelConfig,
    /// The `[decoding]` table: the defaults of [`settings`](Self::settings).
    pub decoding: DecodingConfig,
    /// The tokenizer of sources.
    pub source_tokenizer: Arc<Tokenizer>,
    /// The tokenizer of targets.
    pub target_tokenizer: Arc<Tokenizer>,
    /// The sizes of both vocabularies, `<pad>` included.
    pub sizes: VocabularySizes,
    /// The device of the engine.
    pub device: Device,
    /// The engine that decodes.
    pub engine: Box<dyn Engine>,
}

/// The tables of `config.toml` that decoding reads.
#[derive(Deserialize)]
struct ConfigFile {
    model: ModelConfig,
    #[serde(default)]
    decoding: DecodingConfig,
}

impl TrainedModel {
    /// Opens a run folder on a device without autodiff.
    ///
    /// # Errors
    /// A file that is missing, damaged, of another kind, or that disagrees with the others.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, DecodeError> {
        for missing in [layout::CONFIG, layout::SOURCE_TOKENIZER, layout::TARGET_TOKENIZER, layout::WEIGHTS] {
            if !folder.join(missing).is_file() {
                return Err(DecodeError::NotARun { path: folder.to_path_buf(), missing });
            }
        }
        let path = folder.join(layout::CONFIG);
        let config_text =
            fs::read_to_string(&path).map_err(|source| DecodeError::Read { path: path.clone(), source })?;
        let toml_error = |source| DecodeError::Toml { path: path.clone(), source: Box::new(source) };
        let ConfigFile { model: config, decoding } = toml::from_str(&config_text).map_err(toml_error)?;
        let written: toml::Table = toml::from_str(&config_text).map_err(toml_error)?;
        complete(&written).map_err(|source| DecodeError::Config { path: path.clone(), source })?;
        let (source, target) = (folder.join(layout::SOURCE_TOKENIZER), folder.join(layout::TARGET_TOKENIZER));
        let source_tokenizer = Arc::new(Tokenizer::load(&source)?);
        // A joint vocabulary is opened once.
        let target_tokenizer =
            match fs::read(&source).is_ok_and(|text| fs::read(&target).is_ok_and(|other| text == other)) {
                true => source_tokenizer.clone(),
                false => Arc::new(Tokenizer::load(&target)?),
            };
        let sizes = VocabularySizes { source: source_tokenizer.vocab_size(), target: target_tokenizer.vocab_size() };
        config
            .validate()
            .and_then(|()| config.validate_vocabularies(sizes))
            .and_then(|()| decoding.validate(&config))
            .map_err(|source| DecodeError::Config { path, source })?;
        let path = folder.join(layout::WEIGHTS);
        let engine = engine::open(&path, &config, sizes, device)
            .map_err(|source: WeightsError| DecodeError::Weights { path: path.clone(), source })?;
        Ok(Self { config, decoding, source_tokenizer, target_tokenizer, sizes, device: device.clone(), engine })
    }

    /// A model that is not in a folder: this network, with what it needs to turn text into text.
    pub fn from_network(
        network: &Transformer,
        config: ModelConfig,
        decoding: DecodingConfig,
        source_tokenizer: Arc<Tokenizer>,
        target_tokenizer: Arc<Tokenizer>,
        device: Device,
    ) -> Self {
        let sizes = VocabularySizes { source: source_tokenizer.vocab_size(), target: target_tokenizer.vocab_size() };
        let engine = engine::from_network(network, &config, sizes, &device);
        Self::from_engine(engine, config, decoding, source_tokenizer, target_tokenizer, device)
    }

    /// A model that is not in a folder: this engine, with what it needs to turn text into text.
    pub fn from_engine(
        engine: Box<dyn Engine>,
        config: ModelConfig,
        decoding: DecodingConfig,
        source_tokenizer: Arc<Tokenizer>,
        target_tokenizer: Arc<Tokenizer>,
        device: Device,
    ) -> Self {
        let sizes = VocabularySizes { source: source_tokenizer.vocab_size(), target: target_tokenizer.vocab_size() };
        Self { config, decoding, source_tokenizer, target_tokenizer, sizes, device, engine }
    }

    /// The run's own settings: its `[decoding]` table, and one hypothesis for each text.
    pub fn settings(&self) -> Settings {
        Settings::new(self.decoding.clone())
    }
}

/// Checks that the `[model]` table has every key: a lost key would be read as its default, and `n_heads`, for one, changes
/// the answers without changing a shape.
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
