//! What every error of the client has in common: a kind to branch on.

/// Who must act on an error, and how; the only thing control flow should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Trying the same again may work; the client has already tried within its limits.
    Retriable,
    /// A newer instance has taken over; this one must stop.
    Fenced,
    /// The broker refuses these credentials or this operation.
    Unauthorized,
    /// The call or its settings are wrong; trying again gives the same answer.
    Misuse,
    /// The client or this producer is closed.
    Closed,
    /// Nothing above: trying again gives the same answer until somebody changes something.
    Fatal,
}
