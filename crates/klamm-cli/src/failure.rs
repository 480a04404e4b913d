//! How the command fails: a message that says what to do next, and a documented exit status.

use klamm::consumer::OffsetsError;
use klamm::{AdminError, ClientError, ConfigError, EnqueueError, ErrorCode, ErrorKind};
use std::fmt;

pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const UNREACHABLE: u8 = 3;
pub(crate) const UNAUTHORIZED: u8 = 4;
pub(crate) const TOPIC: u8 = 5;
pub(crate) const DATA: u8 = 6;
pub(crate) const RATE_MISSED: u8 = 7;
pub(crate) const INTERNAL: u8 = 70;
pub(crate) const INTERRUPTED: u8 = 130;

/// Why the command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    message: String,
}

impl Failure {
    pub(crate) fn new(status: u8, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// Puts what was being done before the reason.
    pub(crate) fn while_doing(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

pub(crate) fn status_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Unauthorized => UNAUTHORIZED,
        ErrorKind::Misuse => USAGE,
        ErrorKind::Retriable => UNREACHABLE,
        _ => FAILED,
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::new(USAGE, format!("{error}\n  all settings: docs/configuration.md"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let status = status_of(error.kind());
        let hint =
            if status == UNREACHABLE { "\n  is the broker running, and is -b right?" } else { "" };
        Failure::new(status, format!("{error}{hint}"))
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        let status = match error.code() {
            Some(
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                | ErrorCode::TOPIC_ALREADY_EXISTS
                | ErrorCode::GROUP_ID_NOT_FOUND,
            ) => TOPIC,
            Some(ErrorCode::NON_EMPTY_GROUP | ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC) => FAILED,
            _ => status_of(error.kind()),
        };
        Failure::new(status, error.to_string())
    }
}

impl From<EnqueueError> for Failure {
    fn from(error: EnqueueError) -> Self {
        let status = match &error {
            EnqueueError::Topic(e) if e.kind() == ErrorKind::Misuse => TOPIC,
            EnqueueError::RecordTooLarge { .. } => DATA,
            other => status_of(other.kind()),
        };
        Failure::new(status, error.to_string())
    }
}

impl From<OffsetsError> for Failure {
    fn from(error: OffsetsError) -> Self {
        let status = match error.kind() {
            ErrorKind::Misuse => TOPIC,
            kind => status_of(kind),
        };
        Failure::new(status, error.to_string())
    }
}
