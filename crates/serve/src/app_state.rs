//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Refusal;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::translation_service::Decoder;
use crate::worker::Work;

/// What the server says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// The run folder's name.
    pub name: String,
    /// What it computes on.
    pub backend: String,
}

/// A model, its queue, and what is counted.
pub struct Server {
    pub decoder: Arc<Decoder>,
    pub queue: Arc<Queue<Work>>,
    pub metrics: Arc<Metrics>,
    pub limits: Limits,
    pub about: About,
    pub started: Instant,
    pub connections: Connections,
    stopping: AtomicBool,
    requests: AtomicU64,
}

impl Server {
    pub fn new(decoder: Decoder, limits: Limits, about: About) -> Self {
        Self {
            decoder: Arc::new(decoder),
            queue: Arc::new(Queue::new(limits.queue)),
            metrics: Arc::new(Metrics::default()),
            connections: Connections::new(limits.connections),
            limits,
            about,
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        }
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From now on no work is taken.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Queues the work of a request, for as long as its place is held.
    ///
    /// # Errors
    /// The queue is full.
    pub fn enqueue(&self, work: Vec<Work>) -> Result<Place<'_>, Refusal> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let full = |waiting| Refusal::QueueFull { waiting, limit: self.limits.queue };
        self.queue.add(request, work).map_err(|found| full(found.waiting))?;
        Ok(Place { server: self, request })
    }
}

/// A request's place in the queue. Given up (because time is up, or the client has left), what has not begun is not
/// begun any more.
pub struct Place<'a> {
    server: &'a Server,
    request: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let forgotten = self.server.queue.forget(self.request);
        if forgotten > 0 {
            self.server.metrics.forgotten(forgotten);
        }
    }
}

/// How many connections there may be, and are.
pub struct Connections {
    free: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
}

/// A connection, for as long as it is open.
pub struct Open {
    open: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    fn new(limit: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))), open: Arc::default() }
    }

    /// Waits until one more may be open.
    pub async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }

    /// Counts a connection that has come.
    pub fn opened(&self, permit: OwnedSemaphorePermit) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open { open: self.open.clone(), _permit: permit }
    }

    /// Those that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
