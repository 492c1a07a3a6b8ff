//! State that all requests share.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use axum::http::Extensions;
use decode::TooLong;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client_limits::{Client, ClientLimits, PerMinute};
use crate::error::ApiError;
use crate::job::Job;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::observe::RequestLog;
use crate::queue::Queue;

/// Description of the model in `/health`.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Name of the run folder.
    pub name: String,
    /// Backend that computes.
    pub backend: String,
}

/// The model, its queue, and the counters.
pub struct AppState {
    pub models: Arc<Models>,
    /// Keys of which a request must give one.
    pub api_keys: Option<HashSet<String>>,
    pub queue: Arc<Queue<Job>>,
    pub metrics: Arc<Metrics>,
    pub limits: Limits,
    pub client_limits: ClientLimits,
    pub request_log: Option<RequestLog>,
    /// Whether a proxy names the clients' addresses.
    pub behind_proxy: bool,
    /// The default of `too_long` of requests.
    pub too_long: Option<TooLong>,
    /// Whether pages of other sites may send requests.
    pub cross_origin: bool,
    pub info: ModelInfo,
    pub started: Instant,
    pub connections: Connections,
    stopping: AtomicBool,
    next_request: AtomicU64,
    next_id: AtomicU64,
    /// Distinguishes the identifiers of this server from those of another start.
    id_prefix: u32,
}

impl AppState {
    /// The state at the start: an empty queue, and all counters zero.
    pub fn new(models: Models, limits: Limits, too_long: Option<TooLong>, info: ModelInfo) -> Self {
        Self {
            models: Arc::new(models),
            api_keys: None,
            queue: Arc::new(Queue::new(limits.queue)),
            metrics: Arc::new(Metrics::default()),
            connections: Connections::new(limits.connections),
            client_limits: ClientLimits::new(PerMinute {
                requests: limits.requests_per_minute,
                characters: limits.characters_per_minute,
            }),
            request_log: None,
            behind_proxy: false,
            limits,
            too_long,
            cross_origin: false,
            info,
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            next_request: AtomicU64::new(0),
            next_id: AtomicU64::new(1),
            id_prefix: RandomState::new().hash_one(std::process::id()) as u32,
        }
    }

    /// A new identifier for a request.
    pub fn new_id(&self) -> String {
        format!("{:08x}-{}", self.id_prefix, self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The client of a request, by its key if keys are required, else by its address.
    ///
    /// # Errors
    /// A key that is missing or unknown, where keys are required.
    pub fn client(&self, given: Option<&str>, extensions: &Extensions) -> Result<Client, ApiError> {
        match (&self.api_keys, given) {
            (None, _) => Ok(Client::from_address(extensions)),
            (Some(keys), Some(given)) if keys.contains(given) => Ok(Client::Key(given.to_string())),
            (Some(_), _) => Err(ApiError::InvalidKey),
        }
    }

    /// Charges a client for a request.
    ///
    /// # Errors
    /// A client beyond its limits per minute.
    pub fn charge(&self, client: &Client, characters: usize) -> Result<(), ApiError> {
        self.client_limits.charge(client, characters).map_err(ApiError::ClientLimit)
    }

    /// Whether the server is shutting down.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Rejects every later request for work.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Queues the jobs of a request. Dropping the ticket cancels those that still wait.
    ///
    /// # Errors
    /// The queue is full.
    pub fn enqueue(&self, jobs: Vec<Job>) -> Result<QueueTicket<'_>, ApiError> {
        let ticket = self.admitted();
        self.queue
            .push(ticket.request, jobs)
            .map_err(|full| ApiError::QueueFull { waiting: full.waiting, limit: self.limits.queue })?;
        Ok(ticket)
    }

    /// A ticket without jobs yet, of a request that was admitted before.
    pub fn admitted(&self) -> QueueTicket<'_> {
        QueueTicket { state: self, request: self.next_request.fetch_add(1, Ordering::Relaxed) }
    }
}

/// The jobs of a request in the queue.
///
/// It is dropped with its request, also when that times out or its client disconnects. Jobs that no worker has taken are
/// cancelled then.
pub struct QueueTicket<'a> {
    state: &'a AppState,
    request: u64,
}

impl QueueTicket<'_> {
    /// Queues further jobs of the request, even if the queue is full.
    pub fn push(&self, jobs: Vec<Job>) {
        self.state.queue.push_admitted(self.request, jobs);
    }
}

impl Drop for QueueTicket<'_> {
    fn drop(&mut self) {
        let cancelled = self.state.queue.cancel(self.request);
        if cancelled > 0 {
            self.state.metrics.count_cancelled(cancelled);
        }
    }
}

/// Open connections, with a limit on their number.
pub struct Connections {
    permits: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
}

/// An open connection. Dropping it makes room for another.
pub struct ConnectionGuard {
    open: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    fn new(limit: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))), open: Arc::default() }
    }

    /// Waits until another connection may be open. `None` would mean that the semaphore was closed.
    pub async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Counts an accepted connection.
    pub fn open(&self, permit: OwnedSemaphorePermit) -> ConnectionGuard {
        self.open.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard { open: self.open.clone(), _permit: permit }
    }

    /// Number of open connections.
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
