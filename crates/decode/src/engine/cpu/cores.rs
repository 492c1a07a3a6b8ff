//! The cores of the machine, shared among the batches that are decoded at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kernels::decode::Workspace;

/// The number of cores, and the batches that share them. A batch that is alone computes its products on all cores; several
/// batches compute on one core each. With few weights, a batch always computes on one core: its products are over before
/// another core could help.
#[derive(Debug)]
pub(super) struct Cores {
    cores: usize,
    batches: AtomicUsize,
    /// Buffers and threads of earlier batches.
    idle: Mutex<Vec<Workspace>>,
}

/// Size of the weights, in bytes, from which on a batch uses all cores.
const MIN_BYTES: usize = 4 << 20;

impl Cores {
    /// The threads of the current pool, for weights of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let cores = if bytes < MIN_BYTES { 1 } else { rayon::current_num_threads() };
        Self { cores, batches: AtomicUsize::new(0), idle: Mutex::default() }
    }

    /// Begins a batch.
    pub fn begin(&self) -> Workspace {
        self.batches.fetch_add(1, Ordering::Relaxed);
        let mut workspace = self.idle().pop().unwrap_or_default();
        self.share(&mut workspace);
        workspace
    }

    /// Sets the threads of the next products of a batch.
    pub fn share(&self, workspace: &mut Workspace) {
        workspace.set_threads((self.cores / self.batches.load(Ordering::Relaxed).max(1)).max(1));
    }

    /// Ends a batch.
    pub fn end(&self, workspace: Workspace) {
        self.batches.fetch_sub(1, Ordering::Relaxed);
        self.idle().push(workspace);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        // Locked for a move only, so no panic can leave it half-changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
