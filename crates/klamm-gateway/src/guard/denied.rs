//! Pure: why somebody may not do something.

use std::time::Duration;
use thiserror::Error;

/// Why a request is refused by the [`Guard`](super::Guard). No text in it repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// 401: it is not known who asks.
    #[error("{reason}")]
    Unauthenticated {
        /// The value of `WWW-Authenticate`: printable ASCII. Empty when no header could help.
        challenge: String,
        /// What is missing or wrong.
        reason: &'static str,
    },
    /// 403: it is known who asks, and that is not enough.
    #[error("{principal} may not {action} {topic}")]
    Forbidden {
        /// Who asks.
        principal: String,
        /// `produce to` or `read`.
        action: &'static str,
        /// What they asked for.
        topic: String,
    },
    /// 429: too much, or too much at once; later it will pass.
    #[error("{reason}; the same passes in {} ms", retry_after.as_millis())]
    TooMany {
        /// After this time the same passes, if nobody takes its place.
        retry_after: Duration,
        /// What there was too much of.
        reason: &'static str,
    },
    /// 503: what is needed to find out who asks cannot be had.
    #[error("{reason}")]
    Unavailable {
        /// When it is worth another try.
        retry_after: Duration,
        /// What cannot be had.
        reason: &'static str,
    },
    /// 401: the signature over the body is missing or wrong.
    #[error("{reason}")]
    Signature {
        /// What is missing or wrong.
        reason: &'static str,
    },
}

impl Denied {
    /// The status code of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Denied::Unauthenticated { .. } | Denied::Signature { .. } => 401,
            Denied::Forbidden { .. } => 403,
            Denied::TooMany { .. } => 429,
            Denied::Unavailable { .. } => 503,
        }
    }

    /// A name for counting, of a set that never grows at run time.
    pub fn kind(&self) -> &'static str {
        match self {
            Denied::Unauthenticated { .. } => "unauthenticated",
            Denied::Forbidden { .. } => "forbidden",
            Denied::TooMany { .. } => "quota",
            Denied::Unavailable { .. } => "unavailable",
            Denied::Signature { .. } => "signature",
        }
    }

    /// The value of `Retry-After` where one belongs: whole seconds, at least one.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Denied::TooMany { retry_after, .. } | Denied::Unavailable { retry_after, .. } => {
                let whole = retry_after.as_secs();
                Some(whole.saturating_add(u64::from(retry_after.subsec_nanos() > 0)).max(1))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Denied;
    use std::time::Duration;

    #[test]
    fn seconds_are_rounded_up() {
        for (ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (90_000, 90)] {
            let denied =
                Denied::TooMany { retry_after: Duration::from_millis(ms), reason: "too much" };
            assert_eq!(denied.retry_after_seconds(), Some(seconds));
        }
        assert_eq!(Denied::Signature { reason: "" }.retry_after_seconds(), None);
    }
}
