//! Opens the folder that `train` wrote. Nothing outside it is needed, and whatever does not fit together is refused.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use burn::tensor::Device;
use model::weights::{self, WeightsError};
use model::{ConfigError, ModelConfig, Transformer, VocabularySizes, backend};
use runs::layout;
use serde::Deserialize;
use text::Tokenizer;

use crate::engine::Engine;
use crate::engine::cpu::PlainModel;
use crate::error::DecodeError;
use crate::settings::Settings;
use runs::config::DecodingConfig;

/// A model with all it needs to turn text into text.
#[derive(Debug)]
pub struct TrainedModel {
    pub config: ModelConfig,
    pub decoding: DecodingConfig,
    pub source_tokenizer: Arc<Tokenizer>,
    pub target_tokenizer: Arc<Tokenizer>,
    pub sizes: VocabularySizes,
    pub device: Device,
    /// What decodes.
    pub engine: Engine,
    /// The network as tensors, which only looking inside needs; where `engine` does without, it is opened when asked for.
    network: OnceLock<Transformer>,
    /// Where its weights are.
    weights: Stamp,
}

/// Which file of weights it was. `train` puts others in its place now and then, which length and time tell apart.
#[derive(Debug, Default, PartialEq)]
struct Stamp {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// The file that is there now.
    fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), length: found.len(), modified: found.modified().ok() })
    }
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
        let unreadable = |source: WeightsError| DecodeError::Weights { path: path.clone(), source };
        // Before the weights are read: what takes their place meanwhile is another file.
        let weights = Stamp::at(&path).map_err(|error| unreadable(error.into()))?;
        let engine = match backend::is_flex(device) {
            true => PlainModel::open(&path, &config, sizes).map(|model| Engine::Plain(Box::new(model))),
            false => network(&path, &config, sizes, device).map(|network| Engine::tensors(network, sizes, device)),
        };
        let engine = engine.map_err(unreadable)?;
        let (device, network) = (device.clone(), OnceLock::new());
        Ok(Self { config, decoding, source_tokenizer, target_tokenizer, sizes, device, engine, network, weights })
    }

    /// A model that is not in a folder: this network, with what it needs to turn text into text.
    pub fn of(
        network: Transformer,
        config: ModelConfig,
        decoding: DecodingConfig,
        source_tokenizer: Arc<Tokenizer>,
        target_tokenizer: Arc<Tokenizer>,
        device: Device,
    ) -> Self {
        let sizes = VocabularySizes { source: source_tokenizer.vocab_size(), target: target_tokenizer.vocab_size() };
        let engine = Engine::of(&network, &config, sizes, &device);
        let (network, weights) = (OnceLock::from(network), Stamp::default());
        Self { config, decoding, source_tokenizer, target_tokenizer, sizes, device, engine, network, weights }
    }

    /// The run's own settings: its `[decoding]` table, and one hypothesis for each text.
    pub fn settings(&self) -> Settings {
        Settings::new(self.decoding.clone())
    }

    /// The network as tensors.
    ///
    /// # Errors
    /// Weights that cannot be read any more, or are no longer those that `engine` has.
    pub fn network(&self) -> Result<&Transformer, DecodeError> {
        if let Engine::Tensors(model) = &self.engine {
            return Ok(&model.network);
        }
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let path = &self.weights.path;
        let unreadable = |source: WeightsError| DecodeError::Weights { path: path.clone(), source };
        let still_there = || match Stamp::at(path) {
            Ok(found) if found == self.weights => Ok(()),
            Ok(_) => Err(DecodeError::Replaced { path: path.clone() }),
            Err(error) => Err(unreadable(error.into())),
        };
        still_there()?;
        let network = network(path, &self.config, self.sizes, &self.device);
        // Or were they replaced while they were read? Others may not even fit.
        still_there()?;
        let network = network.map_err(unreadable)?;
        Ok(self.network.get_or_init(|| network))
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

/// Reads a network from its weights file. The configuration has been checked.
fn network(
    path: &Path,
    config: &ModelConfig,
    sizes: VocabularySizes,
    device: &Device,
) -> Result<Transformer, WeightsError> {
    let (tensors, attend) = weights::from_safetensors(&fs::read(path)?)?;
    if attend.is_none() {
        return Err(WeightsError::Foreign);
    }
    let blank = Transformer::blank(config, sizes, device).expect("a configuration that has been checked");
    weights::load(blank, tensors)
}
