//! The error of a configuration value, shared by all tables of a configuration file.

/// An invalid configuration value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {found}: expected {expected}; {remedy}")]
pub struct ConfigError {
    /// Full key, such as `model.n_heads`.
    pub field: String,
    /// The invalid value.
    pub found: String,
    /// A description of valid values.
    pub expected: String,
    /// The change that makes the configuration valid.
    pub remedy: String,
}

impl ConfigError {
    /// The error of one field.
    pub fn new(field: &str, found: impl ToString, expected: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.to_string(), found: found.to_string(), expected: expected.into(), remedy: remedy.into() }
    }
}
