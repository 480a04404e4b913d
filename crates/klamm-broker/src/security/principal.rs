//! Pure: who a client is.

use std::fmt;

/// What Kafka calls a client that did not say who it is.
const ANONYMOUS: &str = "ANONYMOUS";

/// A user: the name before the authorizer, in the form `User:name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Principal {
    name: String,
}

impl Principal {
    pub(crate) fn user(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Whoever comes over a listener that asks for nothing.
    pub(crate) fn anonymous() -> Self {
        Self::user(ANONYMOUS)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User:{}", self.name)
    }
}
