//! The state of one model: closed, open, or replaced while its last texts are decoded.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use decode::TrainedModel;

use super::spec::ModelSpec;
use crate::translation_service::TranslationService;

/// The files of a run folder that make up a model.
const FILES: [&str; 4] = ["model.safetensors", "config.toml", "source.tokenizer.json", "target.tokenizer.json"];

/// A model, open or not.
pub struct Slot {
    pub spec: ModelSpec,
    state: Mutex<State>,
}

/// What is in memory of a model.
#[derive(Default)]
pub struct State {
    pub open: Option<OpenService>,
    /// Closed models whose last texts are still decoded, with their bytes.
    closing: Vec<(Weak<TrainedModel>, u64)>,
    /// The stamp and the bytes in memory of the model when it was open last.
    pub known: Option<(Stamp, u64)>,
}

/// An open model.
pub struct OpenService {
    pub service: Arc<TranslationService>,
    pub bytes: u64,
    pub stamp: Stamp,
    pub since: Instant,
    pub last_used: Instant,
    pub checked: Instant,
}

/// Size and time of the files of a model; a change means that training has replaced it.
pub type Stamp = Vec<Option<(u64, SystemTime)>>;

impl OpenService {
    /// A model that was opened now.
    pub fn new(service: Arc<TranslationService>, stamp: Stamp) -> Self {
        let now = Instant::now();
        let bytes = service.trained.engine.bytes() as u64;
        Self { service, bytes, stamp, since: now, last_used: now, checked: now }
    }
}

impl Slot {
    /// A closed model.
    pub fn new(spec: ModelSpec) -> Self {
        Self { spec, state: Mutex::default() }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes that the model needs once it is open: those of the last time, else those of its file, up to `limit`, since
    /// the weights may be smaller in memory.
    pub fn expected_bytes(&self, stamp: &Stamp, limit: u64) -> u64 {
        let known = self.lock().known.as_ref().filter(|(known, _)| known == stamp).map(|(_, bytes)| *bytes);
        known.unwrap_or_else(|| stamp.first().copied().flatten().map_or(0, |(bytes, _)| bytes.min(limit)))
    }
}

impl State {
    /// Closes the model. Its memory is free when its last texts are decoded.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.closing.push((Arc::downgrade(&open.service.trained), open.bytes));
        }
        self.closing.retain(|(model, _)| model.strong_count() > 0);
    }

    /// Replaces the open model, if there is one.
    pub fn replace(&mut self, open: OpenService) {
        self.close();
        self.known = Some((open.stamp.clone(), open.bytes));
        self.open = Some(open);
    }

    /// Bytes of the open model and of the closed ones that are still in use.
    pub fn bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.bytes) + self.closing_bytes()
    }

    /// Bytes of the closed models that are still in use.
    pub fn closing_bytes(&self) -> u64 {
        self.closing.iter().filter(|(model, _)| model.strong_count() > 0).map(|(_, bytes)| bytes).sum()
    }
}

/// The stamp of a folder as it is now.
pub fn stamp(folder: &Path) -> Stamp {
    let file = |name: &&str| {
        let metadata = std::fs::metadata(folder.join(name)).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    FILES.iter().map(file).collect()
}
