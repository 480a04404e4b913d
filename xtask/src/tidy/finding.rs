//! What a rule says about a place.

use std::fmt::{Display, Formatter};

/// Whether a finding fails the check or is only listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Listed, so that it is seen while it is still easy to mend.
    Watch,
    /// Fails the check.
    Broken,
}

/// One sentence about one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Whether it fails the check.
    pub(crate) severity: Severity,
    /// The path from the top of the repository.
    pub(crate) file: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) message: String,
}

impl Finding {
    /// A broken rule.
    pub(crate) fn broken(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Broken, file: file.to_owned(), line, message: message.into() }
    }

    /// Something to keep an eye on.
    pub(crate) fn watch(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Watch, ..Self::broken(file, line, message) }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Watch => "watch",
            Severity::Broken => "broken",
        };
        match self.line {
            0 => write!(f, "{severity}: {}: {}", self.file, self.message),
            line => write!(f, "{severity}: {}:{line}: {}", self.file, self.message),
        }
    }
}
