//! The model, and how it decodes where a request does not say otherwise.

use decode::error::DecodeError;
use decode::settings::Settings;
use decode::trained_model::TrainedModel;
use decode::translation::Translation;
use decode::translator::{Item, Translator};
use views::Attention;

/// A trained model that several threads decode with.
pub struct Decoder {
    pub trained: TrainedModel,
    pub settings: Settings,
    pub batch_tokens: usize,
}

impl Decoder {
    /// Decodes as these settings say, unless a request has its own.
    ///
    /// # Errors
    /// A bound of zero, or settings that are not valid.
    pub fn new(trained: TrainedModel, settings: Settings, batch_tokens: usize) -> Result<Self, DecodeError> {
        Translator::new(&trained, settings.clone())?.with_batch_tokens(batch_tokens)?;
        Ok(Self { trained, settings, batch_tokens })
    }

    /// A translator that stays on its caller's thread.
    ///
    /// # Errors
    /// Settings that are not valid.
    pub fn translator(&self, settings: &Settings) -> Result<Translator<'_>, DecodeError> {
        Ok(Translator::new(&self.trained, settings.clone())?.with_batch_tokens(self.batch_tokens)?.with_workers(1))
    }

    /// # Errors
    /// A device that fails; the texts have been encoded before.
    pub fn translate(&self, settings: &Settings, items: &[Item]) -> Result<Vec<Translation>, DecodeError> {
        self.translator(settings)?.translate_items(items)
    }

    /// How many tokens a given target has, `</s>` included.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn target_tokens(&self, target: &str) -> Result<usize, DecodeError> {
        Ok(self.trained.target_tokenizer.encode(target)?.len() + 1)
    }

    /// # Errors
    /// A text or target without tokens or with too many, a translation of more than `most`, or a device that fails.
    pub fn attend(&self, text: &str, target: Option<&str>, most: usize) -> Result<Attention, DecodeError> {
        views::attend_up_to(&self.trained, &self.settings, text, target, most)
    }
}
