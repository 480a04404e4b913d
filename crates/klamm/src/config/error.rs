//! What is wrong with a setting.

use thiserror::Error;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No setting has this name.
    #[error("unknown setting {name:?}{}", nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// The name as given.
        name: String,
        /// The name nearest to it, if one is near.
        nearest: Option<&'static str>,
    },
    /// The value is not one the setting takes. The value itself is left out: it may be a secret.
    #[error("{name}: {reason}")]
    Invalid {
        /// The setting.
        name: String,
        /// What it takes.
        reason: String,
    },
    /// Settings that need each other or exclude each other.
    #[error("{0}")]
    Conflict(String),
}

impl ConfigError {
    pub(crate) fn missing(name: &str) -> Self {
        ConfigError::Invalid { name: name.to_owned(), reason: "it is not set".to_owned() }
    }

    pub(crate) fn invalid(name: &str, reason: impl Into<String>) -> Self {
        ConfigError::Invalid { name: name.to_owned(), reason: reason.into() }
    }
}
