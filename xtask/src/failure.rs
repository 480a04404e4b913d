//! The one error of xtask: a sentence for the person at the terminal.

use std::fmt::{Display, Formatter};

/// What a command ends with when it cannot do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

/// The result of nearly every function here.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure that says this.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A failure that has been told already: the command ends with its status and no further word.
    pub(crate) fn reported() -> Self {
        Self(String::new())
    }

    /// Whether there is nothing left to say.
    pub(crate) fn is_reported(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(message)
    }
}

/// Puts what was being done in front of an error.
pub(crate) trait Doing<T> {
    /// The same result; its error begins with `what`.
    fn doing(self, what: impl Display) -> Result<T>;
}

impl<T, E: Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}
