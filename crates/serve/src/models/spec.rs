//! The models that a server may open, and the languages that each translates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use decode::settings::Settings;
use decode::{ConfigError, DecodeError, TrainedModel};

/// A model that a server may open. It translates every source language to every other target language.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// Its name in requests, such as `en-de`.
    pub name: String,
    /// Codes of its source languages, such as `en`; none if they are unknown.
    pub sources: Vec<String>,
    /// Codes of its target languages.
    pub targets: Vec<String>,
    /// Its run folder.
    pub folder: PathBuf,
}

impl ModelSpec {
    /// The language pairs of the model, source first.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs =
            self.sources.iter().flat_map(|source| self.targets.iter().map(move |target| (&**source, &**target)));
        pairs.filter(|(source, target)| source != target)
    }

    /// Whether the model translates a language pair.
    pub fn translates(&self, source: &str, target: &str) -> bool {
        let has = |codes: &[String], code: &str| codes.iter().any(|known| known == code);
        source != target && has(&self.sources, source) && has(&self.targets, target)
    }

    /// The languages of the model, each once or twice.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().chain(&self.targets).map(String::as_str)
    }
}

/// A language pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguagePair {
    /// Code of the source language, such as `en`.
    pub source: String,
    /// Code of the target language.
    pub target: String,
}

/// A model that takes part in a translation, and the languages between which it translates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index of the model.
    pub model: usize,
    /// The languages, if the request names them.
    pub pair: Option<LanguagePair>,
}

/// Opens a run folder with the default settings of its requests.
pub type OpenModel = Arc<dyn Fn(&Path) -> Result<(TrainedModel, Settings), DecodeError> + Send + Sync>;

/// The models of a server and when they are open.
#[derive(Clone)]
pub struct ModelOptions {
    /// The models.
    pub models: Vec<ModelSpec>,
    /// Opens a model.
    pub open: OpenModel,
    /// Maximum bytes of the weights of open models together, as they are in memory.
    pub memory: Option<u64>,
    /// Time without a request after which a model is closed.
    pub idle: Option<Duration>,
    /// The language over which pairs without a model of their own are translated.
    pub pivot: Option<String>,
}

impl ModelOptions {
    /// Checks that the pivot is a language of the models.
    ///
    /// # Errors
    /// A pivot that no model translates from or to.
    pub fn check_pivot(&self) -> Result<(), ConfigError> {
        let Some(pivot) = &self.pivot else { return Ok(()) };
        let mut languages: Vec<&str> = self.models.iter().flat_map(ModelSpec::languages).collect();
        languages.sort_unstable();
        languages.dedup();
        if languages.contains(&&pivot[..]) {
            return Ok(());
        }
        let expected = format!("a language of the models: {}", languages.join(", "));
        Err(ConfigError::new("pivot", pivot, expected, "name one of them, or omit it"))
    }
}

/// The steps of a translation between two languages: one model, or two over the pivot.
pub fn route(specs: &[&ModelSpec], pivot: Option<&str>, source: &str, target: &str) -> Option<Vec<Step>> {
    let direct = |source: &str, target: &str| {
        let model = specs.iter().position(|spec| spec.translates(source, target))?;
        let pair = LanguagePair { source: source.to_string(), target: target.to_string() };
        Some(Step { model, pair: Some(pair) })
    };
    if let Some(step) = direct(source, target) {
        return Some(vec![step]);
    }
    Some(vec![direct(source, pivot?)?, direct(pivot?, target)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, sources: &[&str], targets: &[&str]) -> ModelSpec {
        let owned = |codes: &[&str]| codes.iter().map(|code| code.to_string()).collect();
        ModelSpec {
            name: name.to_string(),
            sources: owned(sources),
            targets: owned(targets),
            folder: PathBuf::from(name),
        }
    }

    #[test]
    fn routes_carry_the_languages_of_each_step() {
        let specs = [spec("all", &["de", "en"], &["de", "en"]), spec("en-fr", &["en"], &["fr"])];
        let specs: Vec<&ModelSpec> = specs.iter().collect();
        let steps = |pivot, source, target| {
            let names = |step: Step| {
                let pair = step.pair.expect("languages");
                (step.model, pair.source, pair.target)
            };
            route(&specs, pivot, source, target).map(|steps| steps.into_iter().map(names).collect::<Vec<_>>())
        };
        let step = |model, source: &str, target: &str| (model, source.to_string(), target.to_string());
        assert_eq!(steps(None, "de", "en"), Some(vec![step(0, "de", "en")]));
        assert_eq!(steps(None, "en", "en"), None);
        assert_eq!(steps(None, "de", "fr"), None);
        assert_eq!(steps(Some("en"), "de", "fr"), Some(vec![step(0, "de", "en"), step(1, "en", "fr")]));
        assert_eq!(steps(Some("en"), "fr", "de"), None);
    }
}
