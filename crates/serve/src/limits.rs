//! Limits on the cost of one request and of all requests together.

use std::time::Duration;

use decode::ConfigError;
use runs::config::DecodingConfig;

/// Limits of the server. `docs/reference/http.md` lists the status of a request that exceeds one.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Maximum bytes of a request's body.
    pub body_bytes: usize,
    /// Maximum texts of a request.
    pub texts: usize,
    /// Maximum sentences of all texts of a request.
    pub sentences: usize,
    /// Maximum hypotheses per text: `beam` and `n_best`.
    pub beam: usize,
    /// Maximum tokens of a source, and of a target, for `/attend`. Its response grows with their product.
    pub attend_tokens: usize,
    /// Maximum texts that wait for a worker.
    pub queue: usize,
    /// Maximum open connections; further ones wait to be accepted.
    pub connections: usize,
    /// Maximum time from a request to its response, and at shutdown from the signal to the end.
    pub timeout: Duration,
    /// Maximum time for a client to send a request's head, and again its body. Also the time after which a connection is
    /// closed whose client has stopped reading.
    pub read_timeout: Duration,
    /// Maximum time of a connection without a request.
    pub idle_timeout: Duration,
    /// Maximum requests for work of a client per minute.
    pub requests_per_minute: Option<u32>,
    /// Maximum characters of the texts of a client per minute. A single request may exceed it, and delays the next ones.
    pub characters_per_minute: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            texts: 64,
            sentences: 4096,
            beam: 16,
            attend_tokens: 128,
            queue: 1024,
            connections: 256,
            timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            requests_per_minute: None,
            characters_per_minute: None,
        }
    }
}

impl Limits {
    /// Checks the limits on their own.
    ///
    /// # Errors
    /// A limit of zero, or a queue that cannot hold the largest request.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let counts = [
            ("limits.max_body", self.body_bytes),
            ("limits.max_texts", self.texts),
            ("limits.max_sentences", self.sentences),
            ("limits.max_beam", self.beam),
            ("limits.max_attend_tokens", self.attend_tokens),
            ("limits.max_connections", self.connections),
        ];
        if let Some((field, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(ConfigError::new(field, 0, "at least 1", "give a positive number"));
        }
        for (field, limit) in [
            ("limits.max_requests_per_minute", self.requests_per_minute),
            ("limits.max_characters_per_minute", self.characters_per_minute),
        ] {
            if limit == Some(0) {
                return Err(ConfigError::new(
                    field,
                    0,
                    "at least 1",
                    "give a positive number, or omit it for no limit",
                ));
            }
        }
        if self.queue < self.texts {
            let expected = format!("at least the {} texts of the largest request (--max-texts)", self.texts);
            return Err(ConfigError::new("limits.max_queue", self.queue, expected, "give a larger number"));
        }
        Ok(())
    }

    /// Checks the server's default settings against the limits for clients.
    ///
    /// # Errors
    /// A default beam that exceeds the limit for requests.
    pub fn validate_defaults(&self, defaults: &DecodingConfig) -> Result<(), ConfigError> {
        self.validate_beam(defaults.beam)
    }

    /// Checks a default beam, which may be known before a model is opened.
    ///
    /// # Errors
    /// A beam that exceeds the limit for requests.
    pub fn validate_beam(&self, beam: usize) -> Result<(), ConfigError> {
        if beam > self.beam {
            let expected = format!("1 to {} (--max-beam)", self.beam);
            let remedy = "give a smaller --beam or a larger --max-beam";
            return Err(ConfigError::new("decoding.beam", beam, expected, remedy));
        }
        Ok(())
    }
}
