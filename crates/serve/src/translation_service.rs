//! The model with the default settings of the server.

use std::sync::Arc;

use decode::error::DecodeError;
use decode::settings::Settings;
use decode::trained_model::TrainedModel;
use decode::{EncodedInput, TranslationResult, Translator};
use views::Attention;

/// A trained model that all workers share.
pub struct TranslationService {
    pub trained: TrainedModel,
    /// Settings of requests that have none of their own.
    pub defaults: Settings,
    /// Maximum source tokens of a batch, padding included.
    pub batch_tokens: usize,
}

impl TranslationService {
    /// Checks the default settings and the batch size.
    ///
    /// # Errors
    /// A batch size of zero, or invalid settings.
    pub fn new(trained: TrainedModel, defaults: Settings, batch_tokens: usize) -> Result<Self, DecodeError> {
        Translator::new(&trained, defaults.clone())?.with_batch_tokens(batch_tokens)?;
        Ok(Self { trained, defaults, batch_tokens })
    }

    /// A translator that computes on its caller's thread.
    ///
    /// # Errors
    /// Invalid settings.
    pub fn translator(&self, settings: &Settings) -> Result<Translator<'_>, DecodeError> {
        Ok(Translator::new(&self.trained, settings.clone())?.with_batch_tokens(self.batch_tokens)?.with_workers(1))
    }

    /// Translates a batch of texts with equal settings.
    ///
    /// # Errors
    /// A device that fails, or logits that are not finite.
    pub fn translate(
        &self,
        settings: &Arc<Settings>,
        inputs: &[EncodedInput],
    ) -> Result<Vec<TranslationResult>, DecodeError> {
        self.translator(settings)?.translate_encoded(inputs)
    }

    /// The number of tokens of a given target, `</s>` included.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn target_tokens(&self, target: &str) -> Result<usize, DecodeError> {
        Ok(self.trained.target_tokenizer.encode(target)?.len() + 1)
    }

    /// The attention of a text, with a given target or the model's own translation.
    ///
    /// # Errors
    /// A text or target without tokens or with too many, a translation of more than `max_tokens`, or a device that fails.
    pub fn attend(&self, text: &str, target: Option<&str>, max_tokens: usize) -> Result<Attention, DecodeError> {
        views::attend_up_to(&self.trained, &self.defaults, text, target, max_tokens)
    }
}
