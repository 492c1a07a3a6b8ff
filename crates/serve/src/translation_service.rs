//! The model with the default settings of the server.

use std::sync::Arc;

use decode::error::DecodeError;
use decode::settings::Settings;
use decode::trained_model::TrainedModel;
use decode::{EncodedInput, Input, Translator};
use views::{Attention, EncodedTarget};

/// A trained model that all workers share.
pub struct TranslationService {
    pub trained: Arc<TrainedModel>,
    /// Settings of requests that have none of their own.
    pub defaults: Settings,
    /// Maximum source tokens of a batch, padding included.
    pub batch_tokens: usize,
    /// The translator of the default settings.
    default_translator: Translator<'static>,
}

impl TranslationService {
    /// Checks the default settings and the batch size.
    ///
    /// # Errors
    /// A batch size of zero, or invalid settings.
    pub fn new(trained: TrainedModel, defaults: Settings, batch_tokens: usize) -> Result<Self, DecodeError> {
        let trained = Arc::new(trained);
        let translator = Translator::new_shared(trained.clone(), defaults.clone())?.with_batch_tokens(batch_tokens)?;
        Ok(Self { trained, defaults, batch_tokens, default_translator: translator })
    }

    /// The translator of a request, which computes on its caller's thread.
    ///
    /// # Errors
    /// Invalid settings.
    pub fn translator(&self, settings: Settings) -> Result<Translator<'static>, DecodeError> {
        let translator = Translator::new_shared(self.trained.clone(), settings)?;
        Ok(translator.with_batch_tokens(self.batch_tokens)?.with_workers(1))
    }

    /// Encodes the source of an `/attend` request.
    ///
    /// # Errors
    /// A text longer than the model's positions.
    pub fn encode(&self, text: &str) -> Result<EncodedInput, DecodeError> {
        self.default_translator.encode(&Input { text, line: 1 })
    }

    /// Encodes the target of an `/attend` request.
    ///
    /// # Errors
    /// A text that cannot be encoded.
    pub fn encode_target(&self, target: &str) -> Result<EncodedTarget, DecodeError> {
        EncodedTarget::new(&self.default_translator, target)
    }

    /// The attention of a text, with a given target or the model's own translation.
    ///
    /// # Errors
    /// A text or target without tokens or with too many, a translation of more than `max_tokens`, or a device that fails.
    pub fn attend(
        &self,
        source: &EncodedInput,
        target: Option<&EncodedTarget>,
        max_tokens: usize,
    ) -> Result<Attention, DecodeError> {
        views::attend_encoded(&self.default_translator, source, target, max_tokens)
    }
}
