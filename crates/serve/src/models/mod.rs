//! The models of a server: opened when a request needs one, closed when idle or when memory is short, reloaded when their
//! folder changes.

mod memory;
mod slot;
mod spec;

use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::spawn_blocking;

use self::memory::make_room;
use self::slot::{OpenService, Slot, stamp};
pub use self::spec::{LanguagePair, ModelOptions, ModelSpec, OpenModel, Step};
use crate::error::ApiError;
use crate::translation_service::TranslationService;

/// Time between two checks of a folder for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// All models.
pub struct Models {
    slots: Vec<Slot>,
    options: Option<ModelOptions>,
    batch_tokens: usize,
    /// Held while a model is opened, so that memory is counted before the next one.
    opening: Arc<tokio::sync::Mutex<()>>,
}

/// The response of `/models`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelList {
    /// The models, in the order of the server's options.
    models: Vec<ModelStatus>,
}

/// A model of the server.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelStatus {
    /// The name, by which requests select the model.
    pub name: String,
    /// The source language, if the model has one.
    source: Option<String>,
    /// The target language, if the model has one.
    target: Option<String>,
    /// The source languages; none if they are unknown.
    sources: Vec<String>,
    /// The target languages.
    targets: Vec<String>,
    /// Whether the model is in memory.
    open: bool,
    /// Bytes of the weights in memory, those of a replaced model with unfinished texts included.
    pub bytes: u64,
    /// Number of weights of an open model.
    parameters: Option<usize>,
}

impl Models {
    /// A single open model, which stays open.
    pub fn single(spec: ModelSpec, service: TranslationService) -> Self {
        let batch_tokens = service.batch_tokens;
        let slot = Slot::new(spec);
        slot.lock().replace(OpenService::new(Arc::new(service), Vec::new()));
        Self { slots: vec![slot], options: None, batch_tokens, opening: Arc::default() }
    }

    /// Models that are opened when a request needs them.
    pub fn new(options: ModelOptions, batch_tokens: usize) -> Self {
        let slots = options.models.iter().cloned().map(Slot::new).collect();
        Self { slots, options: Some(options), batch_tokens, opening: Arc::default() }
    }

    /// Maximum source tokens of a batch, padding included.
    pub fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    /// The models' names and languages.
    pub fn specs(&self) -> impl Iterator<Item = &ModelSpec> {
        self.slots.iter().map(|slot| &slot.spec)
    }

    /// The models' names.
    pub fn names(&self) -> Vec<&str> {
        self.specs().map(|spec| &spec.name[..]).collect()
    }

    /// The name of a model.
    pub fn name(&self, index: usize) -> &str {
        &self.slots[index].spec.name
    }

    /// The index of a model by name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.specs().position(|spec| spec.name == name)
    }

    /// The model of a server that has one and no other.
    pub fn only(&self) -> Option<Arc<TranslationService>> {
        match (&self.options, &self.slots[..]) {
            (None, [slot]) => slot.lock().open.as_ref().map(|open| open.service.clone()),
            _ => None,
        }
    }

    /// The models that translate a language pair: one, or two over the pivot.
    pub fn route(&self, source: &str, target: &str) -> Option<Vec<Step>> {
        let pivot = self.options.as_ref().and_then(|options| options.pivot.as_deref());
        spec::route(&self.specs().collect::<Vec<_>>(), pivot, source, target)
    }

    /// The languages of all models.
    pub fn languages(&self) -> Vec<&str> {
        let mut languages: Vec<&str> = self.specs().flat_map(ModelSpec::languages).collect();
        languages.sort_unstable();
        languages.dedup();
        languages
    }

    /// A model, opened if it is closed.
    ///
    /// # Errors
    /// A folder that cannot be opened, or too little memory for the model beside those in use.
    pub async fn get(self: &Arc<Self>, index: usize) -> Result<Arc<TranslationService>, ApiError> {
        if let Some(service) = self.opened(index) {
            return Ok(service);
        }
        let (models, opening) = (self.clone(), self.opening.clone().lock_owned().await);
        // Another request may have opened it meanwhile.
        if let Some(service) = self.opened(index) {
            return Ok(service);
        }
        // A task of its own: it ends even if the request does not wait so long.
        let opened = tokio::spawn(async move {
            let _opening = opening;
            models.open(index).await
        });
        opened.await.map_err(|_| ApiError::Failed("opening the model panicked".to_string()))?
    }

    /// The model if it is open. Begins to reload it if its folder has changed.
    fn opened(self: &Arc<Self>, index: usize) -> Option<Arc<TranslationService>> {
        let mut state = self.slots[index].lock();
        let open = state.open.as_mut()?;
        open.last_used = Instant::now();
        if self.options.is_some() && open.checked.elapsed() >= CHECK_INTERVAL {
            open.checked = Instant::now();
            if stamp(&self.slots[index].spec.folder) != open.stamp {
                let models = self.clone();
                tokio::spawn(async move {
                    // While a model opens, or if a folder that is being replaced does not open yet, the model stays as it is
                    // until the next check.
                    let Ok(_opening) = models.opening.try_lock() else { return };
                    drop(models.open(index).await);
                });
            }
        }
        Some(open.service.clone())
    }

    /// Opens a model while `opening` is held. An open one is replaced: its requests finish with the former weights.
    async fn open(&self, index: usize) -> Result<Arc<TranslationService>, ApiError> {
        let Some(options) = &self.options else {
            return Err(ApiError::Failed("the model is not open".to_string()));
        };
        let slot = &self.slots[index];
        let (spec, stamp) = (slot.spec.clone(), stamp(&slot.spec.folder));
        if let Some(open) = slot.lock().open.as_ref().filter(|open| open.stamp == stamp) {
            return Ok(open.service.clone());
        }
        if let Some(limit) = options.memory {
            make_room(&self.slots, index, slot.expected_bytes(&stamp, limit), limit).await?;
        }
        let (open, batch_tokens) = (options.open.clone(), self.batch_tokens);
        let opened = spawn_blocking(move || {
            let (trained, settings) = open(&spec.folder)?;
            let service = TranslationService::new(trained, settings, batch_tokens)?;
            service.check_languages(&spec)?;
            Ok(service)
        });
        let opened = opened.await.map_err(|_| ApiError::Failed("opening the model panicked".to_string()))?;
        let service = opened.map_err(|error: decode::DecodeError| ApiError::NotOpened {
            model: slot.spec.name.clone(),
            reason: runs::format_chain(&error),
        })?;
        let opened = OpenService::new(Arc::new(service), stamp);
        // The file may have fewer bytes than the weights in memory.
        slot.lock().known = Some((opened.stamp.clone(), opened.bytes));
        if let Some(limit) = options.memory {
            make_room(&self.slots, index, opened.bytes, limit).await?;
        }
        let service = opened.service.clone();
        slot.lock().replace(opened);
        Ok(service)
    }

    /// Closes the models without a request for the time of `idle`.
    pub fn close_idle(&self) {
        let Some(idle) = self.options.as_ref().and_then(|options| options.idle) else { return };
        for slot in &self.slots {
            let mut state = slot.lock();
            if state.open.as_ref().is_some_and(|open| open.last_used.elapsed() >= idle) {
                state.close();
            }
        }
    }

    /// The response of `/models`.
    pub fn list(&self) -> ModelList {
        let describe = |slot: &Slot| {
            let (spec, state) = (&slot.spec, slot.lock());
            let single = |codes: &[String]| match codes {
                [code] => Some(code.clone()),
                _ => None,
            };
            ModelStatus {
                name: spec.name.clone(),
                source: single(&spec.sources),
                target: single(&spec.targets),
                sources: spec.sources.clone(),
                targets: spec.targets.clone(),
                open: state.open.is_some(),
                bytes: state.bytes(),
                parameters: state.open.as_ref().map(|open| open.service.trained.engine.parameters()),
            }
        };
        ModelList { models: self.slots.iter().map(describe).collect() }
    }
}

impl ModelList {
    /// The models.
    pub fn iter(&self) -> impl Iterator<Item = &ModelStatus> {
        self.models.iter()
    }
}
