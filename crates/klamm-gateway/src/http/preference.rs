//! Pure: whether a client wants to wait for Kafka, by `Prefer` of RFC 7240.

use crate::Ack;
use http::HeaderMap;
use std::time::Duration;

/// What a client prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Preference {
    /// `respond-async`: an answer as soon as the records are safe.
    respond_async: bool,
    /// `wait=N`: an answer with more in it, if that takes no longer.
    wait: Option<Duration>,
}

/// How long a request is kept waiting for Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patience {
    /// `None`: not at all.
    pub(super) wait: Option<Duration>,
    /// What of the client's preferences that goes by.
    pub(super) applied: Option<String>,
}

impl Preference {
    /// What the headers say; what is not understood counts for nothing, and of what is said twice, the first does.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut preference = Self::default();
        let values = headers.get_all("prefer").iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        for one in texts.flat_map(|text| text.split(',')) {
            // Parameters of a preference stand behind a semicolon; these have none.
            let one = one.split(';').next().unwrap_or_default().trim();
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("respond-async") => {
                    preference.respond_async = true
                }
                name if name.eq_ignore_ascii_case("wait") && preference.wait.is_none() => {
                    preference.wait = value.parse().ok().map(Duration::from_secs);
                }
                _ => {}
            }
        }
        preference
    }

    /// What comes of it where `ack` is usual and nobody waits for longer than `max`.
    ///
    /// A client that gives a time to wait wants to know more than that the records are safe; one that wants an answer at once does
    /// not.
    pub(super) fn patience(self, ack: Ack, max: Duration) -> Patience {
        match (self.respond_async, self.wait) {
            (true, None) => Patience { wait: None, applied: Some("respond-async".to_owned()) },
            (respond_async, Some(wait)) => {
                let wait = wait.min(max);
                let both = if respond_async { "respond-async, " } else { "" };
                let applied = Some(format!("{both}wait={}", wait.as_secs()));
                Patience { wait: (!wait.is_zero()).then_some(wait), applied }
            }
            (false, None) => Patience { wait: (ack == Ack::Kafka).then_some(max), applied: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(prefer: &[&str], ack: Ack) -> (Option<u64>, Option<String>) {
        let mut headers = HeaderMap::new();
        for value in prefer {
            headers.append("prefer", value.parse().unwrap());
        }
        let patience = Preference::of(&headers).patience(ack, Duration::from_secs(30));
        (patience.wait.map(|wait| wait.as_secs()), patience.applied)
    }

    #[test]
    fn clients_wait_as_they_prefer() {
        type Prefer<'a> = &'a [&'a str];
        let table: [(Prefer<'_>, Ack, Option<u64>, Option<&str>); 11] = [
            (&[], Ack::Wal, None, None),
            (&[], Ack::Kafka, Some(30), None),
            (&["respond-async"], Ack::Kafka, None, Some("respond-async")),
            (&["Respond-Async"], Ack::Wal, None, Some("respond-async")),
            (&["wait=5"], Ack::Wal, Some(5), Some("wait=5")),
            (&["wait=500"], Ack::Kafka, Some(30), Some("wait=30")),
            (&["wait=0"], Ack::Kafka, None, Some("wait=0")),
            (&["respond-async, wait=3"], Ack::Wal, Some(3), Some("respond-async, wait=3")),
            (
                &["respond-async", "wait=\"3\"; x=y"],
                Ack::Wal,
                Some(3),
                Some("respond-async, wait=3"),
            ),
            (&["wait=2, wait=9, return=minimal"], Ack::Wal, Some(2), Some("wait=2")),
            (&["wait=soon, handling=lenient"], Ack::Kafka, Some(30), None),
        ];
        for (prefer, ack, wait, applied) in table {
            assert_eq!(patience(prefer, ack), (wait, applied.map(str::to_owned)), "{prefer:?}");
        }
    }
}
