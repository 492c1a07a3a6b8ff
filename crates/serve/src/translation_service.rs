//! The model with the default settings of the server.

use std::sync::Arc;

use decode::Translator;
use decode::error::DecodeError;
use decode::settings::Settings;
use decode::trained_model::TrainedModel;

/// A trained model that all workers share.
pub struct TranslationService {
    pub trained: Arc<TrainedModel>,
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
        let trained = Arc::new(trained);
        let service = Self { trained, defaults, batch_tokens };
        match service.translator(service.defaults.clone()) {
            Ok(_) => Ok(service),
            // Requests may name the languages of a model for several.
            Err(DecodeError::Setting(error)) if error.field.ends_with("_lang") && error.found == "nothing" => {
                Ok(service)
            }
            Err(error) => Err(error),
        }
    }

    /// The translator of a request, which computes on its caller's thread.
    ///
    /// # Errors
    /// Invalid settings.
    pub fn translator(&self, settings: Settings) -> Result<Translator<'static>, DecodeError> {
        let translator = Translator::new_shared(self.trained.clone(), settings)?;
        Ok(translator.with_batch_tokens(self.batch_tokens)?.with_workers(1))
    }
}
