//! Pure: everything that a request can be refused for, and how it is told.

use super::{Crowded, Problem, WrongPath};
use crate::events::NotRead;
use crate::format::confluent_v3::BatchRejected;
use crate::format::{Rejected, confluent_v2};
use crate::forward::{NoPartition, UnloggedRefused};
use crate::guard::Denied;
use crate::route::Missed;
use crate::wal::{AppendRefused, Seen};
use std::borrow::Cow;
use std::time::Duration;

/// How soon there may be room in memory again.
const CROWDED_RETRY: Duration = Duration::from_secs(1);
/// How soon a topic may be readable again.
const READ_RETRY: Duration = Duration::from_secs(5);
/// How soon somebody may have looked at a log that failed.
const FAILED_RETRY: Duration = Duration::from_secs(30);

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident $name:literal,)*) => {
        /// Why something was refused: what is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Reason {
            $($(#[$doc])* $reason,)*
        }

        impl Reason {
            /// All of them, in the order of their numbers.
            pub(super) const ALL: [Reason; [$($name),*].len()] = [$(Reason::$reason),*];

            /// Its name in metrics.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Reason::$reason => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// Nothing is at this path, or it names what cannot be.
    Path "path",
    /// The method is none of the path's.
    Method "method",
    /// The body is not what it should be.
    Invalid "invalid",
    /// The body is in a format or an encoding that is not read here.
    MediaType "media_type",
    /// The body, a record or a batch is too large.
    TooLarge "too_large",
    /// Bodies in memory are as large as they may be.
    Crowded "crowded",
    /// The body came too slowly.
    SlowBody "slow_body",
    /// The body did not come to its end.
    Broken "broken",
    /// The log is full.
    Full "log_full",
    /// The topic has its share of the log.
    TopicShare "topic_share",
    /// The log takes nothing.
    Failed "log_failed",
    /// As much waits in memory as there may be.
    Memory "memory_full",
    /// As many read as there may be.
    Readers "readers",
    /// There is no such topic or partition.
    NoTopic "no_topic",
    /// What was to be read is gone.
    Gone "gone",
    /// Kafka cannot be read.
    Away "kafka_away",
    /// The same request is being taken.
    InFlight "in_flight",
    /// Another request had the same name.
    OtherPayload "other_payload",
    /// It is not known who asks.
    Unauthenticated "unauthenticated",
    /// It cannot be found out who asks.
    Unproven "unproven",
    /// Who asks may not.
    Forbidden "forbidden",
    /// Pages of this origin, or this sender, may not ask.
    Origin "origin",
    /// Who asks has asked for too much.
    Quota "quota",
    /// The signature over the body is missing or wrong.
    Signature "signature",
    /// The head is none, or is too large.
    Head "bad_head",
    /// The head came too slowly.
    SlowHead "slow_head",
    /// The client did not take its answer.
    SlowReader "slow_reader",
    /// A TLS handshake failed or took too long.
    Handshake "handshake",
    /// There are as many connections as there may be.
    Connections "connections",
    /// An address has as many connections as it may have.
    Address "connections_per_address",
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) problem: Box<Problem>,
    /// When another attempt makes sense.
    pub(super) retry_after: Option<Duration>,
    /// What else the answer's head says.
    pub(super) header: Option<(&'static str, Cow<'static, str>)>,
    /// What Confluent's API calls it, where that is not the status.
    pub(super) code: Option<i32>,
}

impl Refused {
    pub(super) fn new(
        reason: Reason,
        status: u16,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let problem = Box::new(Problem::new(status, title, detail));
        Self { reason, problem, retry_after: None, header: None, code: None }
    }

    fn unavailable(reason: Reason, detail: String, retry_after: Duration) -> Self {
        let refused = Self::new(reason, 503, "Service Unavailable", detail);
        Self { retry_after: Some(retry_after), ..refused }
    }

    /// The body is in an encoding that is not read here.
    pub(super) fn encoding() -> Self {
        let detail = "bodies may be encoded by gzip, deflate or zstd, and once";
        let refused = Self::new(Reason::MediaType, 415, "Unsupported Media Type", detail);
        Self { header: Some(("accept-encoding", "gzip, deflate, zstd".into())), ..refused }
    }

    /// Something is larger than `limit` bytes.
    pub(super) fn too_large(what: &str, limit: usize) -> Self {
        let detail = format!("{what} is larger than {limit} bytes");
        Self::new(Reason::TooLarge, 413, "Content Too Large", detail)
    }

    /// The body did not come in time.
    pub(super) fn slow() -> Self {
        Self::new(Reason::SlowBody, 408, "Request Timeout", "the body came too slowly")
    }

    /// The body ended before its end, or its chunks were none.
    pub(super) fn broken(why: impl Into<String>) -> Self {
        Self::new(Reason::Broken, 400, "Bad Request", why)
    }

    /// What cannot be read of a request; `confluent` says that it is one of Confluent's version 2.
    pub(super) fn rejected(rejected: &Rejected, confluent: bool) -> Self {
        let mut refused = Self::from(rejected);
        if confluent {
            let (status, code) = confluent_v2::code(rejected);
            refused.problem.status = status;
            refused.code = Some(code);
        }
        refused
    }

    /// The same request is being taken.
    pub(super) fn in_flight() -> Self {
        let detail = "the request with this name is being taken";
        let refused = Self::new(Reason::InFlight, 409, "Conflict", detail);
        Self { retry_after: Some(Duration::from_secs(1)), ..refused }
    }

    /// Another request had the same name.
    pub(super) fn other_payload() -> Self {
        let detail = "another request had the same name";
        Self::new(Reason::OtherPayload, 422, "Unprocessable Content", detail)
    }
}

impl From<&Rejected> for Refused {
    fn from(rejected: &Rejected) -> Self {
        let reason = match rejected.status() {
            413 => Reason::TooLarge,
            415 => Reason::MediaType,
            _ => Reason::Invalid,
        };
        Self {
            reason,
            problem: Box::new(rejected.into()),
            retry_after: None,
            header: None,
            code: None,
        }
    }
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        Self::from(&rejected)
    }
}

impl From<WrongPath> for Refused {
    fn from(wrong: WrongPath) -> Self {
        let problem = Box::new(wrong.into());
        Self { reason: Reason::Path, problem, retry_after: None, header: None, code: None }
    }
}

impl From<Missed> for Refused {
    fn from(missed: Missed) -> Self {
        let detail = missed.to_string();
        match missed {
            Missed::Path(wrong) => wrong.into(),
            Missed::Method { allow } => {
                let refused = Self::new(Reason::Method, 405, "Method Not Allowed", detail);
                Self { header: Some(("allow", allow.into())), ..refused }
            }
        }
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let detail = denied.to_string();
        match denied {
            Denied::Unauthenticated { challenge, .. } => {
                let refused = Self::new(Reason::Unauthenticated, 401, "Unauthorized", detail);
                let challenge = Some(challenge).filter(|challenge| !challenge.is_empty());
                let header = challenge.map(|challenge| ("www-authenticate", challenge.into()));
                Self { header, ..refused }
            }
            Denied::Forbidden { .. } => Self::new(Reason::Forbidden, 403, "Forbidden", detail),
            Denied::TooMany { retry_after, .. } => {
                let refused = Self::new(Reason::Quota, 429, "Too Many Requests", detail);
                Self { retry_after: Some(retry_after), ..refused }
            }
            Denied::Unavailable { retry_after, .. } => {
                Self::unavailable(Reason::Unproven, detail, retry_after)
            }
            Denied::Signature { .. } => Self::new(Reason::Signature, 401, "Unauthorized", detail),
        }
    }
}

impl From<BatchRejected> for Refused {
    fn from(rejected: BatchRejected) -> Self {
        let (status, code) = rejected.code();
        let refused = match &rejected {
            BatchRejected::Unreadable(rejected) => Self::from(rejected),
            _ => Self::new(Reason::Invalid, status, "Unprocessable Content", rejected.to_string()),
        };
        Self { code: Some(code), ..refused }
    }
}

impl From<Crowded> for Refused {
    fn from(crowded: Crowded) -> Self {
        Self::unavailable(Reason::Crowded, crowded.to_string(), CROWDED_RETRY)
    }
}

impl From<NotRead> for Refused {
    fn from(not: NotRead) -> Self {
        let reason = match not {
            NotRead::Full(_) => Reason::Readers,
            NotRead::Away(_) | NotRead::Data(_) => Reason::Away,
            NotRead::NoTopic | NotRead::NoPartition(_) => Reason::NoTopic,
            NotRead::TooMany | NotRead::NotInCursor(_) => Reason::Invalid,
            NotRead::Forbidden(_) => Reason::Forbidden,
            NotRead::Gone { .. } => Reason::Gone,
        };
        let problem = Box::new(Problem::from(&not));
        let retry_after = (problem.status == 503).then_some(READ_RETRY);
        Self { reason, problem, retry_after, header: None, code: None }
    }
}

impl From<NoPartition> for Refused {
    fn from(missing: NoPartition) -> Self {
        let detail = format!("{missing}; nothing was taken");
        let refused = Self::new(Reason::NoTopic, 404, "Not Found", detail);
        Self { code: Some(confluent_v2::PARTITION_NOT_FOUND), ..refused }
    }
}

impl From<UnloggedRefused> for Refused {
    fn from(refused: UnloggedRefused) -> Self {
        let detail = format!("{refused}; nothing was taken");
        match refused {
            UnloggedRefused::Full => Self::unavailable(Reason::Memory, detail, CROWDED_RETRY),
            UnloggedRefused::Closed => Self::unavailable(Reason::Failed, detail, READ_RETRY),
        }
    }
}

impl From<AppendRefused> for Refused {
    fn from(refused: AppendRefused) -> Self {
        let detail = refused.to_string();
        match refused {
            AppendRefused::Full { retry_after } => {
                Self::unavailable(Reason::Full, detail, retry_after)
            }
            AppendRefused::TopicShare { retry_after, .. } => {
                Self::unavailable(Reason::TopicShare, detail, retry_after)
            }
            AppendRefused::TooLarge { .. } => {
                Self::new(Reason::TooLarge, 413, "Content Too Large", detail)
            }
            AppendRefused::Seen(Seen::Other) => Self::other_payload(),
            AppendRefused::Seen(_) => Self::in_flight(),
            AppendRefused::Failed(_) | AppendRefused::Closed => {
                Self::unavailable(Reason::Failed, detail, FAILED_RETRY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_says_when_to_come_back() {
        let retry_after = Duration::from_secs(7);
        let share = AppendRefused::TopicShare { topic: "t".to_owned(), retry_after };
        let table = [
            (AppendRefused::Full { retry_after }.into(), 503, Some(7)),
            (share.into(), 503, Some(7)),
            (AppendRefused::Failed("EIO".to_owned()).into(), 503, Some(30)),
            (AppendRefused::Closed.into(), 503, Some(30)),
            (AppendRefused::TooLarge { bytes: 2, max: 1 }.into(), 413, None),
            (Crowded { asked: 1, taken: 1, capacity: 1 }.into(), 503, Some(1)),
            (Refused::in_flight(), 409, Some(1)),
            (Refused::slow(), 408, None),
            (WrongPath::Unknown.into(), 404, None),
        ];
        for (refused, status, seconds) in table {
            let told = refused.retry_after.map(|time| time.as_secs());
            assert_eq!((refused.problem.status, told), (status, seconds), "{refused:?}");
        }
    }

    #[test]
    fn every_reason_has_its_own_name() {
        let names = Reason::ALL.map(Reason::name);
        for (number, name) in names.iter().enumerate() {
            assert_eq!(Reason::ALL[number] as usize, number);
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
    }
}
