//! What the server lets a client ask for. What goes beyond one is refused with a status of its own; see `docs/serving.md`.

use std::time::Duration;

use decode::ConfigError;
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
    pub fn validate(&self) -> Result<(), ConfigError> {
        let counts = [
            ("limits.max_body", self.body_bytes),
            ("limits.max_texts", self.texts),
            ("limits.max_beam", self.beam),
            ("limits.max_attend_tokens", self.attend_tokens),
            ("limits.max_connections", self.connections),
        ];
        if let Some((field, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(ConfigError::new(field, 0, "at least 1", "give a positive number"));
        }
        if self.queue < self.texts {
            let expected = format!("at least the {} texts that one request may have (--max-texts)", self.texts);
            return Err(ConfigError::new("limits.max_queue", self.queue, expected, "give a larger number"));
        }
        Ok(())
    }

    /// # Errors
    /// Usual settings that no client could ask for.
    pub fn admit(&self, usual: &DecodingConfig) -> Result<(), ConfigError> {
        if usual.beam > self.beam {
            let expected = format!("1 to {} (--max-beam)", self.beam);
            let remedy = "give a smaller --beam or a larger --max-beam";
            return Err(ConfigError::new("decoding.beam", usual.beam, expected, remedy));
        }
        Ok(())
    }
}
