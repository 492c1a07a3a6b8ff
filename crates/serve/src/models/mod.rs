//! The models of a server: opened when a request needs one, closed when idle or when memory is short, reloaded when their
//! folder changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use decode::settings::Settings;
use decode::{DecodeError, TrainedModel};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::error::ApiError;
use crate::translation_service::TranslationService;

/// The files of a run folder that make up a model.
const FILES: [&str; 4] = ["model.safetensors", "config.toml", "source.tokenizer.json", "target.tokenizer.json"];
/// Time between two checks of a folder for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum time that a model stays open when memory is short, so that two models do not only open and close.
const MIN_OPEN: Duration = Duration::from_millis(300);
/// Time to wait for the memory of a closed model, whose last texts are still decoded.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A language pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguagePair {
    /// Code of the source language, such as `en`.
    pub source: String,
    /// Code of the target language.
    pub target: String,
}

/// A model that a server may open.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// Its name in requests, such as `en-de`.
    pub name: String,
    /// Its languages, if they are known.
    pub pair: Option<LanguagePair>,
    /// Its run folder.
    pub folder: PathBuf,
}

/// Opens a run folder with the default settings of its requests.
pub type OpenModel = Arc<dyn Fn(&Path) -> Result<(TrainedModel, Settings), DecodeError> + Send + Sync>;

/// The models of a server and when they are open.
#[derive(Clone)]
pub struct ModelOptions {
    /// The models. The first is that of requests that name none.
    pub models: Vec<ModelSpec>,
    /// Opens a model.
    pub open: OpenModel,
    /// Maximum bytes of the weights of open models together.
    pub memory: Option<u64>,
    /// Time without a request after which a model is closed.
    pub idle: Option<Duration>,
    /// The language over which pairs without a model of their own are translated.
    pub pivot: Option<String>,
}

/// All models.
pub struct Models {
    slots: Vec<Slot>,
    options: Option<ModelOptions>,
    batch_tokens: usize,
    /// Held while a model is opened, so that memory is counted before the next one.
    opening: tokio::sync::Mutex<()>,
}

struct Slot {
    spec: ModelSpec,
    state: Mutex<State>,
}

struct State {
    open: Option<OpenService>,
    /// Closed models whose last texts are still decoded, with their bytes.
    closing: Vec<(Weak<TrainedModel>, u64)>,
}

struct OpenService {
    service: Arc<TranslationService>,
    bytes: u64,
    stamp: Stamp,
    since: Instant,
    last_used: Instant,
    checked: Instant,
}

/// Size and time of the files of a model; a change means that training has replaced it.
type Stamp = Vec<Option<(u64, SystemTime)>>;

impl Models {
    /// A single open model, which stays open.
    pub fn single(spec: ModelSpec, service: TranslationService) -> Self {
        let batch_tokens = service.batch_tokens;
        let slot = Slot { spec, state: Mutex::new(State { open: None, closing: Vec::new() }) };
        slot.lock().open = Some(OpenService::new(Arc::new(service), 0, Vec::new()));
        Self { slots: vec![slot], options: None, batch_tokens, opening: tokio::sync::Mutex::default() }
    }

    /// Models that are opened when a request needs them.
    pub fn new(options: ModelOptions, batch_tokens: usize) -> Self {
        let slot = |spec: &ModelSpec| {
            let state = State { open: None, closing: Vec::new() };
            Slot { spec: spec.clone(), state: Mutex::new(state) }
        };
        let slots = options.models.iter().map(slot).collect();
        Self { slots, options: Some(options), batch_tokens, opening: tokio::sync::Mutex::default() }
    }

    /// Maximum source tokens of a batch, padding included.
    pub fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    /// The models' names and languages.
    pub fn specs(&self) -> impl Iterator<Item = &ModelSpec> {
        self.slots.iter().map(|slot| &slot.spec)
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
    pub fn route(&self, source: &str, target: &str) -> Option<Vec<usize>> {
        let direct = |source: &str, target: &str| {
            let fits = |spec: &ModelSpec| {
                spec.pair.as_ref().is_some_and(|pair| pair.source == source && pair.target == target)
            };
            self.specs().position(fits)
        };
        if let Some(model) = direct(source, target) {
            return Some(vec![model]);
        }
        let pivot = self.options.as_ref()?.pivot.as_deref()?;
        Some(vec![direct(source, pivot)?, direct(pivot, target)?])
    }

    /// The languages of all models.
    pub fn languages(&self) -> Vec<&str> {
        let pairs = self.specs().filter_map(|spec| spec.pair.as_ref());
        let mut languages: Vec<&str> = pairs.flat_map(|pair| [&pair.source[..], &pair.target[..]]).collect();
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
        let _opening = self.opening.lock().await;
        // Another request may have opened it meanwhile.
        if let Some(service) = self.opened(index) {
            return Ok(service);
        }
        self.open(index).await
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
                    let _opening = models.opening.lock().await;
                    // A folder that is being replaced may not open yet; the model stays as it is until the next check.
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
        let (folder, stamp) = (slot.spec.folder.clone(), stamp(&slot.spec.folder));
        if slot.lock().open.as_ref().is_some_and(|open| open.stamp == stamp) {
            return slot.lock().open.as_ref().map(|open| open.service.clone()).ok_or_else(closed);
        }
        let bytes = stamp.first().copied().flatten().map_or(0, |(bytes, _)| bytes);
        self.make_room(index, bytes, options.memory).await?;
        let (open, batch_tokens) = (options.open.clone(), self.batch_tokens);
        let opened = spawn_blocking(move || {
            let (trained, settings) = open(&folder)?;
            TranslationService::new(trained, settings, batch_tokens)
        });
        let service = match opened.await {
            Ok(opened) => Arc::new(opened.map_err(|error| ApiError::NotOpened {
                model: slot.spec.name.clone(),
                reason: runs::format_chain(&error),
            })?),
            Err(_) => return Err(ApiError::Failed("opening the model panicked".to_string())),
        };
        let mut state = slot.lock();
        state.close();
        state.open = Some(OpenService::new(service.clone(), bytes, stamp));
        Ok(service)
    }

    /// Closes the models used longest ago until `bytes` fit, and waits for their memory.
    async fn make_room(&self, index: usize, bytes: u64, memory: Option<u64>) -> Result<(), ApiError> {
        let Some(limit) = memory else { return Ok(()) };
        let too_little =
            |used: u64| ApiError::NoMemory { model: self.slots[index].spec.name.clone(), bytes, used, limit };
        if bytes > limit {
            return Err(too_little(0));
        }
        let deadline = Instant::now() + CLOSE_WAIT;
        loop {
            let used: u64 = self.slots.iter().map(|slot| slot.lock().bytes()).sum();
            if used + bytes <= limit {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(too_little(used));
            }
            let closing: u64 = self.slots.iter().map(|slot| slot.lock().closing_bytes()).sum();
            if used - closing + bytes > limit {
                let oldest = |slot: &&Slot| slot.lock().open.as_ref().map(|open| open.last_used);
                let open = self
                    .slots
                    .iter()
                    .filter(|slot| slot.lock().open.as_ref().is_some_and(|open| open.since.elapsed() >= MIN_OPEN));
                if let Some(victim) = open.min_by_key(oldest) {
                    victim.lock().close();
                    continue;
                }
            }
            sleep(POLL).await;
        }
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
    pub fn describe(&self) -> Value {
        let describe = |slot: &Slot| {
            let state = slot.lock();
            let pair = slot.spec.pair.as_ref();
            json!({
                "name": slot.spec.name,
                "source": pair.map(|pair| &pair.source),
                "target": pair.map(|pair| &pair.target),
                "open": state.open.is_some(),
                "bytes": state.bytes(),
                "parameters": state.open.as_ref().map(|open| open.service.trained.engine.parameters()),
            })
        };
        json!({ "models": self.slots.iter().map(describe).collect::<Vec<_>>() })
    }
}

fn closed() -> ApiError {
    ApiError::Failed("the model was closed".to_string())
}

impl OpenService {
    fn new(service: Arc<TranslationService>, bytes: u64, stamp: Stamp) -> Self {
        let now = Instant::now();
        Self { service, bytes, stamp, since: now, last_used: now, checked: now }
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.closing.push((Arc::downgrade(&open.service.trained), open.bytes));
        }
        self.closing.retain(|(model, _)| model.strong_count() > 0);
    }

    /// Bytes of the open model and of the closed ones that are still in use.
    fn bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.bytes) + self.closing_bytes()
    }

    fn closing_bytes(&self) -> u64 {
        self.closing.iter().filter(|(model, _)| model.strong_count() > 0).map(|(_, bytes)| bytes).sum()
    }
}

fn stamp(folder: &Path) -> Stamp {
    let file = |name: &&str| {
        let metadata = std::fs::metadata(folder.join(name)).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    FILES.iter().map(file).collect()
}
