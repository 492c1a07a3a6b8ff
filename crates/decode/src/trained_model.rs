//! A trained model: a run folder opened for decoding. Files that do not match each other are rejected.

use std::ops::Deref;
use std::path::Path;

use burn::tensor::Device;
use model::Transformer;
use runs::{SavedModel, layout};

use crate::engine::{self, Engine};
use crate::error::DecodeError;
use crate::settings::Settings;

/// An engine with its configuration and tokenizers, which it dereferences to.
#[derive(Debug)]
pub struct TrainedModel {
    /// Configuration and tokenizers.
    pub saved: SavedModel,
    /// The device of the engine.
    pub device: Device,
    /// The engine that decodes.
    pub engine: Box<dyn Engine>,
}

impl Deref for TrainedModel {
    type Target = SavedModel;

    fn deref(&self) -> &SavedModel {
        &self.saved
    }
}

impl TrainedModel {
    /// Opens a run folder on a device without autodiff.
    ///
    /// # Errors
    /// A file that is missing, damaged, of another kind, or that disagrees with the others.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, DecodeError> {
        let saved = SavedModel::open(folder)?;
        let path = folder.join(layout::WEIGHTS);
        let engine = engine::open(&path, &saved.config, saved.sizes, device)
            .map_err(|source| DecodeError::Weights { path, source })?;
        Ok(Self { saved, device: device.clone(), engine })
    }

    /// A model without a folder, from a network in memory.
    pub fn from_network(network: &Transformer, saved: SavedModel, device: Device) -> Self {
        let engine = engine::from_network(network, &saved.config, saved.sizes, &device);
        Self { saved, device, engine }
    }

    /// The run's own settings: its `[decoding]` table, and one hypothesis for each text.
    pub fn settings(&self) -> Settings {
        Settings::new(self.decoding.clone())
    }
}
