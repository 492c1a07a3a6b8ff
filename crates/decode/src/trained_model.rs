//! A trained model: the run folder that `train` wrote, opened for decoding. Files that disagree are rejected.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use model::{ModelConfig, Transformer, VocabularySizes};
use runs::SavedModel;
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

impl TrainedModel {
    /// Opens a run folder on a device without autodiff.
    ///
    /// # Errors
    /// A file that is missing, damaged, of another kind, or that disagrees with the others.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, DecodeError> {
        let SavedModel { config, decoding, source_tokenizer, target_tokenizer, sizes, weights } =
            SavedModel::open(folder)?;
        let engine = engine::open(&weights, &config, sizes, device)
            .map_err(|source| DecodeError::Weights { path: weights, source })?;
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
