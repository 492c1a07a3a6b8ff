//! What a connection is doing: waiting for a request, reading a head, or answering.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The activity of one connection. Its stream and its service report to it; the loop that polls them reads the deadline.
///
/// hyper's own timer for heads also runs while a connection is idle, so it cannot bound both.
pub struct Activity(Mutex<State>);

struct State {
    /// Requests without a response yet.
    requests: usize,
    /// When the first byte of a request arrived whose head is incomplete.
    head_since: Option<Instant>,
    /// When the last byte was read or written, or the last response was ready.
    last: Instant,
}

impl Activity {
    /// A connection that has just been accepted.
    pub fn new() -> Self {
        Self(Mutex::new(State { requests: 0, head_since: None, last: Instant::now() }))
    }

    /// Bytes have arrived.
    pub fn read(&self) {
        let mut state = self.lock();
        state.last = Instant::now();
        if state.requests == 0 {
            state.head_since = state.head_since.or(Some(state.last));
        }
    }

    /// Bytes have left.
    pub fn written(&self) {
        self.lock().last = Instant::now();
    }

    /// A head is complete.
    pub fn request_started(&self) {
        let mut state = self.lock();
        state.requests += 1;
        state.head_since = None;
    }

    /// A response is ready, or its request has ended without one.
    pub fn request_finished(&self) {
        let mut state = self.lock();
        state.requests -= 1;
        (state.head_since, state.last) = (None, Instant::now());
    }

    /// When the connection is to be closed, if nothing happens: after `idle` without a request, or `head` after the first
    /// byte of one. A request that is being answered has limits of its own.
    pub fn deadline(&self, idle: Duration, head: Duration) -> Option<Instant> {
        let state = self.lock();
        match (state.requests, state.head_since) {
            (0, None) => Some(state.last + idle),
            (0, Some(since)) => Some(since + head),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered, until it is dropped.
pub struct RequestGuard<A: std::ops::Deref<Target = Activity>>(pub A);

impl<A: std::ops::Deref<Target = Activity>> Drop for RequestGuard<A> {
    fn drop(&mut self) {
        self.0.request_finished();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_follow_the_activity() {
        let (idle, head) = (Duration::from_secs(60), Duration::from_secs(10));
        let activity = Activity::new();
        let deadline = || activity.deadline(idle, head).map(|at| at.saturating_duration_since(Instant::now()));
        assert!(deadline().is_some_and(|left| left > head), "idle");
        activity.read();
        assert!(deadline().is_some_and(|left| left <= head), "within a head");
        activity.request_started();
        activity.read();
        assert_eq!(deadline(), None, "a body");
        activity.request_finished();
        activity.written();
        assert!(deadline().is_some_and(|left| left > head), "idle again");
    }
}
