//! The one place where the server meets the decoder.

use crate::attend::{self, Attention};
use crate::config::DecodingConfig;
use crate::error::InferError;
use crate::trained::TrainedModel;
use crate::translator::{Translation, Translator};

use super::refusal::Refusal;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub decoding: DecodingConfig,
}

pub struct Item<'a> {
    pub text: &'a str,
    pub place: usize,
}

/// A trained model and how it decodes where a request does not say otherwise.
pub struct Engine {
    trained: TrainedModel,
    settings: Settings,
    batch_tokens: usize,
}

impl Engine {
    pub fn new(trained: TrainedModel, batch_tokens: usize) -> Result<Self, InferError> {
        Translator::new(&trained, batch_tokens)?;
        let settings = Settings { decoding: trained.decoding.clone() };
        Ok(Self { trained, settings, batch_tokens })
    }

    pub fn trained(&self) -> &TrainedModel {
        &self.trained
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    pub fn validate(&self, settings: &Settings) -> Result<(), Refusal> {
        settings.decoding.validate(&self.trained.config).map_err(|error| Refusal::NotARequest(error.to_string()))
    }

    pub fn check(&self, _settings: &Settings, item: &Item) -> Result<usize, InferError> {
        let encoded =
            Translator::new(&self.trained, self.batch_tokens)?.encode(&[item.text.to_string()], item.place)?;
        Ok(encoded.first().map_or(0, |encoded| encoded.ids.len()))
    }

    pub fn translate(&self, settings: &Settings, items: &[Item]) -> Result<Vec<Translation>, InferError> {
        let TrainedModel { model, config, source_tokenizer, target_tokenizer, sizes, device, .. } = &self.trained;
        let trained = TrainedModel {
            model: model.clone(),
            config: config.clone(),
            decoding: settings.decoding.clone(),
            source_tokenizer: source_tokenizer.clone(),
            target_tokenizer: target_tokenizer.clone(),
            sizes: *sizes,
            device: device.clone(),
        };
        let texts: Vec<String> = items.iter().map(|item| item.text.to_string()).collect();
        Translator::new(&trained, self.batch_tokens)?.translate(&texts, 1)
    }

    /// The tokens of a target that is given.
    pub fn target_tokens(&self, target: &str) -> Result<usize, InferError> {
        Ok(self.trained.target_tokenizer.encode(target)?.len() + 1)
    }

    pub fn attend(&self, text: &str, target: Option<&str>) -> Result<Attention, InferError> {
        attend::attend(&self.trained, text, target)
    }
}
