//! The error of a configuration value, shared by all tables of a configuration file.

/// A configuration value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {found}: expected {expected}; {remedy}")]
pub struct ConfigError {
    /// Full key, such as `model.n_heads`.
    pub field: String,
    pub found: String,
    pub expected: String,
    pub remedy: String,
}

impl ConfigError {
    pub fn new(field: &str, found: impl ToString, expected: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.to_string(), found: found.to_string(), expected: expected.into(), remedy: remedy.into() }
    }
}
