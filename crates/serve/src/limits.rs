//! What the server lets a client ask for. What goes beyond one is refused with a status of its own; see `docs/serving.md`.

use std::time::Duration;

use decode::error::DecodeError;
use runs::config::DecodingConfig;

/// Bounds on what one request, and all of them together, may cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Most bytes of a request's body.
    pub body_bytes: usize,
    /// Most texts of a request.
    pub texts: usize,
    /// Most hypotheses per text: `beam` and `n_best`.
    pub beam: usize,
    /// Most tokens of a text, and of a target, whose attention is shown: answers grow with their product.
    pub attend_tokens: usize,
    /// Most texts that wait for a worker.
    pub queue: usize,
    /// Most connections that are open at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a request may wait for its answer, and how long the server finishes what it accepted when it is told to
    /// stop.
    pub timeout: Duration,
    /// How long a client may take to send a request's head, and again its body, and how long it may leave its answers
    /// unread without taking a byte of them; an idle connection is closed after it.
    pub read_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            texts: 64,
            beam: 16,
            attend_tokens: 128,
            queue: 1024,
            connections: 256,
            timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// # Errors
    /// A limit of zero, or a queue that could never take the largest request.
    pub fn validate(&self) -> Result<(), DecodeError> {
        let counts = [
            ("--max-body", self.body_bytes),
            ("--max-texts", self.texts),
            ("--max-beam", self.beam),
            ("--max-attend-tokens", self.attend_tokens),
            ("--max-connections", self.connections),
        ];
        if let Some((option, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(DecodeError::Option { option, found: "0".to_string(), expected: "at least 1".to_string() });
        }
        if self.queue < self.texts {
            let expected = format!("at least the {} texts that one request may have (--max-texts)", self.texts);
            return Err(DecodeError::Option { option: "--max-queue", found: self.queue.to_string(), expected });
        }
        Ok(())
    }

    /// # Errors
    /// Usual settings that no client could ask for.
    pub fn admit(&self, usual: &DecodingConfig) -> Result<(), DecodeError> {
        if usual.beam > self.beam {
            let expected = format!("1 to {} (--max-beam); give a smaller --beam or a larger --max-beam", self.beam);
            return Err(DecodeError::Option { option: "--beam", found: usual.beam.to_string(), expected });
        }
        Ok(())
    }
}
