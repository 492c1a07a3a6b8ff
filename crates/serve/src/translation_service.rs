//! The model with the default settings of the server.

use std::sync::Arc;

use decode::error::DecodeError;
use decode::settings::Settings;
use decode::trained_model::TrainedModel;
use decode::{ConfigError, Translator};
use text::LanguageNames;

use crate::languages;
use crate::models::{LanguagePair, ModelSpec};

/// A trained model that all workers share.
pub struct TranslationService {
    pub trained: Arc<TrainedModel>,
    /// Settings of requests that have none of their own.
    pub defaults: Settings,
    /// Maximum source tokens of a batch, padding included.
    pub batch_tokens: usize,
}

/// The languages of a pair by the names that the model has for them, where it has tokens for languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanguageTokens {
    pub source: Option<String>,
    pub target: Option<String>,
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

    /// Checks that the model has a token for each of its languages, if it has any.
    ///
    /// # Errors
    /// A language without a token.
    pub fn check_languages(&self, spec: &ModelSpec) -> Result<(), DecodeError> {
        let names = self.language_names();
        for (known, codes) in [(names.source, &spec.sources), (names.target, &spec.targets)] {
            let missing = |code: &&String| !known.is_empty() && languages::named(code, &known).is_none();
            if let Some(code) = codes.iter().find(missing) {
                let expected = format!("a language of this model: {}", known.join(", "));
                return Err(ConfigError::new("model", code, expected, "name these languages in --model").into());
            }
        }
        Ok(())
    }

    /// The names of a pair of languages in the model.
    pub fn language_tokens(&self, pair: &LanguagePair) -> LanguageTokens {
        let names = self.language_names();
        let named = |code: &str, known: &[&str]| languages::named(code, known).map(str::to_string);
        LanguageTokens { source: named(&pair.source, &names.source), target: named(&pair.target, &names.target) }
    }

    fn language_names(&self) -> LanguageNames<'_> {
        LanguageNames::new(&self.trained.source_tokenizer, &self.trained.target_tokenizer)
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
