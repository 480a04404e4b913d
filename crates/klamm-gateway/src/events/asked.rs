//! Pure: what a request to read a topic asks for.

use super::cursor::{Cursor, PARTITIONS_MAX};
use crate::format::{Rejected, decode_percent};
use bytes::Bytes;
use http::HeaderMap;
use http::header::ACCEPT;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a browser sends when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";
/// The content type of Server-Sent Events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
/// Records of an answer to a poll where none is given.
const LIMIT: usize = 500;
/// Records of an answer to a poll at most.
const LIMIT_MAX: usize = 10_000;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// With the first record there is.
    Earliest,
    /// With the next that comes.
    Latest,
    /// Where a reader has ended.
    Cursor(Cursor),
    /// With the first record that is not older: milliseconds since 1970.
    Time(i64),
}

/// How records are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// As they come, for as long as the client likes.
    Stream,
    /// Once.
    Poll {
        /// How long to wait if there is none.
        wait: Duration,
        /// How many at most.
        limit: usize,
    },
}

/// What a request to read a topic asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) from: From,
    /// `None`: all of them.
    pub(crate) partitions: Option<BTreeSet<i32>>,
    /// Only records with this key.
    pub(crate) key: Option<Bytes>,
    pub(crate) how: How,
}

impl Asked {
    /// Reads a request; polls wait for `wait_max` at most.
    ///
    /// # Errors
    /// A parameter that nobody knows, or a value that cannot be.
    pub(crate) fn of(
        topic: &str,
        headers: &HeaderMap,
        query: &str,
        wait_max: Duration,
    ) -> Result<Self, Rejected> {
        let stream = wants_stream(headers);
        let how = How::Poll { wait: Duration::ZERO, limit: LIMIT };
        let how = if stream { How::Stream } else { how };
        let mut asked = Self { from: From::Latest, partitions: None, key: None, how };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            asked.set(topic, name, value, wait_max)?;
        }
        if let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) {
            let cursor = id.to_str().ok().and_then(|id| Cursor::parse(topic, id).ok());
            let expected = "a cursor that was given out for this topic";
            let wrong = || Rejected::Header { name: LAST_EVENT_ID.to_owned(), expected };
            asked.from = From::Cursor(cursor.ok_or_else(wrong)?);
        }
        Ok(asked)
    }

    fn set(
        &mut self,
        topic: &str,
        name: &str,
        value: &str,
        wait_max: Duration,
    ) -> Result<(), Rejected> {
        let wrong = |expected| Rejected::Query { name: name.to_owned(), expected };
        let encoded = || wrong("percent-encoding");
        let bytes = decode_percent(value.as_bytes(), true).ok_or_else(encoded)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        match (name, &mut self.how) {
            ("from", _) => {
                let expected =
                    "earliest, latest, a time, or a cursor that was given out for this topic";
                self.from = from(topic, text).ok_or_else(|| wrong(expected))?;
            }
            ("partition", _) => {
                let expected = "numbers of partitions with commas between them, at most 512";
                self.partitions = Some(partitions(text).ok_or_else(|| wrong(expected))?);
            }
            ("key", _) => self.key = Some(bytes.into()),
            ("wait", How::Poll { wait, .. }) => {
                let seconds = text.parse().map_err(|_| wrong("seconds"))?;
                *wait = Duration::from_secs(seconds).min(wait_max);
            }
            ("limit", How::Poll { limit, .. }) => {
                let number = text.parse().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
                *limit = number.ok_or_else(|| wrong("a number from 1 to 10000"))?;
            }
            (_, How::Stream) => return Err(wrong("from, partition or key")),
            _ => return Err(wrong("from, partition, key, wait or limit")),
        }
        Ok(())
    }
}

fn from(topic: &str, text: &str) -> Option<From> {
    match text {
        "earliest" => return Some(From::Earliest),
        "latest" => return Some(From::Latest),
        _ => {}
    }
    let number = || text.parse().ok();
    let time = || Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
    if let Some(time) = number().or_else(time) {
        return (time >= 0).then_some(From::Time(time));
    }
    Cursor::parse(topic, text).ok().map(From::Cursor)
}

fn partitions(text: &str) -> Option<BTreeSet<i32>> {
    let number = |text: &str| text.parse().ok().filter(|partition| *partition >= 0);
    let all: Option<BTreeSet<i32>> = text.split(',').take(PARTITIONS_MAX + 1).map(number).collect();
    all.filter(|all| all.len() <= PARTITIONS_MAX)
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = accepted.flat_map(|value| value.split(','));
    ranges.any(|range| {
        let media = range.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case(EVENT_STREAM)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_secs(30);

    fn asked(headers: &[(&'static str, &str)], query: &str) -> Result<Asked, Rejected> {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        Asked::of("t", &headers.collect(), query, MAX)
    }

    fn poll(wait: u64, limit: usize) -> How {
        How::Poll { wait: Duration::from_secs(wait), limit }
    }

    #[test]
    fn polls_and_streams_are_told_apart() {
        let how = |headers: &[_], query: &str| asked(headers, query).unwrap().how;
        assert_eq!(how(&[], ""), poll(0, LIMIT));
        assert_eq!(how(&[("accept", "application/json")], "wait=5&limit=7"), poll(5, 7));
        assert_eq!(how(&[], "wait=99"), poll(30, LIMIT));
        let both = [("accept", "application/json, Text/Event-Stream; q=1")];
        assert_eq!(how(&both, ""), How::Stream);
    }

    #[test]
    fn all_places_to_begin_with_are_read() {
        let from = |query: &str| asked(&[], query).unwrap().from;
        let cursor = Cursor::new(true, [(1, 2)].into());
        let text = cursor.encode("t");
        assert_eq!(from(""), From::Latest);
        assert_eq!(from("from=earliest"), From::Earliest);
        assert_eq!(from("from=latest"), From::Latest);
        assert_eq!(from("from=1700000000000"), From::Time(1_700_000_000_000));
        assert_eq!(from("from=1970-01-01T00:00:01%2B00:00"), From::Time(1000));
        assert_eq!(from(&format!("from={text}")), From::Cursor(cursor.clone()));
        let again = asked(&[("last-event-id", &text)], "from=earliest").unwrap();
        assert_eq!(again.from, From::Cursor(cursor));
        let first = asked(&[("last-event-id", "")], "from=earliest").unwrap();
        assert_eq!(first.from, From::Earliest);
    }

    #[test]
    fn what_is_to_be_read_is_understood() {
        let asked = asked(&[], "partition=3,1&key=a%20b").unwrap();
        assert_eq!(asked.partitions, Some([1, 3].into()));
        assert_eq!(asked.key, Some(Bytes::from_static(b"a b")));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let stream = [("accept", EVENT_STREAM)];
        for query in [
            "from=",
            "from=-1",
            "from=yesterday",
            "partition=",
            "partition=-1",
            "partition=1,",
            "key=%4",
            "wait=x",
            "wait=-1",
            "limit=0",
            "limit=10001",
            "form=latest",
        ] {
            assert_eq!(asked(&[], query).unwrap_err().status(), 400, "{query}");
        }
        let many: Vec<String> = (0..513).map(|n| n.to_string()).collect();
        assert!(asked(&[], &format!("partition={}", many.join(","))).is_err());
        assert!(asked(&stream, "wait=1").is_err());
        assert!(asked(&[("last-event-id", "x")], "").is_err());
    }
}
