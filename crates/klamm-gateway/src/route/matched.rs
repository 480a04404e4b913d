//! Pure: what a route makes of a request.

use super::pointer::{At, Pointer};
use super::rules::{Rules, Source};
use crate::accepted::{Accepted, AcceptedHeader};
use crate::format::{Envelope, Rejected, decode_percent};
use crate::peer::Peer;
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;

/// Parameters of a query that [`format::incoming`](crate::format::incoming) knows.
const KNOWN: [&str; 5] = ["key", "partition", "timestamp", "split", "partial"];
/// What a timestamp looks like.
const TIMESTAMP: &str = "milliseconds since 1970 or a time of RFC 3339";

/// How the records in a body are laid out, and how the request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// As its content type says.
    Topic,
    /// There are none: it reads a topic.
    Events,
    /// A stream of records as Confluent's REST API has them in version 3.
    Stream {
        /// What the client calls the cluster.
        cluster: String,
    },
    /// A batch of them.
    Batch {
        /// What the client calls the cluster.
        cluster: String,
    },
}

/// The route of a request, and what its path says.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched<'a> {
    /// What becomes of it: name, limits, when it is answered, how it is signed.
    pub rules: &'a Rules,
    /// How it is laid out and answered.
    pub target: Target,
    /// Where its records go; Kafka allows the name.
    pub topic: Arc<str>,
    /// Where in it.
    pub partition: Option<i32>,
    /// The key, if the path has it.
    key: Option<String>,
}

impl<'a> Matched<'a> {
    pub(super) fn new(
        rules: &'a Rules,
        target: Target,
        topic: Arc<str>,
        partition: Option<i32>,
        key: Option<String>,
    ) -> Self {
        Self { rules, target, topic, partition, key }
    }

    /// What all records of the request have in common, and what of its query is still to be read.
    ///
    /// `now_ms` is when the request came, in milliseconds since 1970.
    ///
    /// # Errors
    /// A key that is required and not there, a timestamp that is none, or a parameter of the query for something that
    /// the route sets.
    pub fn envelope<'q>(
        &self,
        head: &'q Parts,
        peer: &Peer,
        now_ms: i64,
    ) -> Result<(Envelope, Cow<'q, str>), Rejected> {
        let mut envelope = Envelope::new(self.topic.clone(), now_ms);
        envelope.partition = self.partition;
        envelope.checked = self.rules.checked;
        envelope.headers = self.headers(&head.headers);
        let query = head.uri.query().unwrap_or_default();
        let rest = self.query(query)?;
        if let Some(source) = &self.rules.key {
            let key = self.read(source, head, peer)?.filter(|key| !key.is_empty());
            if key.is_none() && self.rules.key_required {
                missing(source, "the key of the records")?;
            }
            envelope.key = key;
        }
        if let Some(source) = &self.rules.timestamp
            && let Some(text) = self.read(source, head, peer)?
        {
            let time = std::str::from_utf8(&text).ok().and_then(timestamp);
            envelope.timestamp = time.ok_or_else(|| wrong(source, TIMESTAMP))?;
        }
        Ok((envelope, rest))
    }

    /// Gives each record what the route reads from its value.
    ///
    /// # Errors
    /// A key that is required and not there, or something else than the route can read. A value that is not JSON has
    /// nothing that could be read.
    pub fn complete(&self, records: &mut [Accepted]) -> Result<(), Rejected> {
        for (index, record) in records.iter_mut().enumerate() {
            if let Some(Source::Json(pointer)) = &self.rules.key {
                match read_json(record, pointer, index)? {
                    Some(key) => record.key = Some(Bytes::from(key)),
                    None if self.rules.key_required => {
                        return Err(at(pointer, index, "the key of the record"));
                    }
                    None => {}
                }
            }
            if let Some(Source::Json(pointer)) = &self.rules.timestamp
                && let Some(time) = read_json(record, pointer, index)?
            {
                let time = timestamp(&time).ok_or_else(|| at(pointer, index, TIMESTAMP))?;
                record.timestamp = time;
            }
        }
        Ok(())
    }

    /// Whether [`Matched::complete`] has anything to do.
    pub fn reads_records(&self) -> bool {
        let json = |source: &Option<Source>| matches!(source, Some(Source::Json(_)));
        json(&self.rules.key) || json(&self.rules.timestamp)
    }

    fn headers(&self, headers: &HeaderMap) -> Vec<AcceptedHeader> {
        let mut copied = Vec::new();
        for rule in &self.rules.headers {
            copied.extend(headers.get_all(&rule.from).iter().map(|value| AcceptedHeader {
                name: rule.to.clone(),
                value: Some(Bytes::copy_from_slice(value.as_bytes())),
            }));
        }
        copied
    }

    /// What of a query the route leaves to others.
    fn query<'q>(&self, query: &'q str) -> Result<Cow<'q, str>, Rejected> {
        let rules = self.rules;
        let sets = [rules.key.is_some(), rules.partition.is_some(), rules.timestamp.is_some()];
        if query.is_empty() || !(rules.ignore_query || sets.contains(&true)) {
            return Ok(Cow::Borrowed(query));
        }
        let mut rest = Vec::new();
        for part in query.split('&') {
            let name = part.split_once('=').map_or(part, |(name, _)| name);
            if self.reads(name) {
                continue;
            }
            if KNOWN.iter().zip(sets).any(|(known, set)| set && *known == name) {
                let expected = "nothing: the route says what it is";
                return Err(Rejected::Query { name: name.to_owned(), expected });
            }
            if !rules.ignore_query || KNOWN.contains(&name) {
                rest.push(part);
            }
        }
        Ok(Cow::Owned(rest.join("&")))
    }

    /// Whether the route reads the parameter of this name.
    fn reads(&self, name: &str) -> bool {
        let rules = self.rules;
        let mut sources = rules.key.iter().chain(&rules.timestamp);
        sources.any(|source| matches!(source, Source::Query(read) if **read == *name))
    }

    fn read(&self, source: &Source, head: &Parts, peer: &Peer) -> Result<Option<Bytes>, Rejected> {
        Ok(match source {
            Source::Header(name) => header(&head.headers, name),
            Source::Query(name) => parameter(head.uri.query().unwrap_or_default(), name)?,
            Source::Path(_) => self.key.clone().map(Bytes::from),
            Source::Client => Some(peer.address.ip().to_canonical().to_string().into()),
            Source::Text(text) => Some(text.clone()),
            Source::Json(_) => None,
        })
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<Bytes> {
    headers.get(name).map(|value| Bytes::copy_from_slice(value.as_bytes()))
}

/// The first parameter of this name.
fn parameter(query: &str, name: &str) -> Result<Option<Bytes>, Rejected> {
    let mut pairs = query.split('&').map(|part| part.split_once('=').unwrap_or((part, "")));
    let Some((_, value)) = pairs.find(|(given, _)| *given == name) else { return Ok(None) };
    match decode_percent(value.as_bytes(), true) {
        Some(value) => Ok(Some(value.into())),
        None => Err(Rejected::Query { name: name.to_owned(), expected: "percent-encoding" }),
    }
}

/// What stands at a pointer in a record's value.
fn read_json(
    record: &Accepted,
    pointer: &Pointer,
    index: usize,
) -> Result<Option<String>, Rejected> {
    let Some(value) = &record.value else { return Ok(None) };
    match pointer.find(value) {
        Ok(At::Scalar(text)) => Ok(Some(text.into_owned()).filter(|text| !text.is_empty())),
        Ok(At::Nothing) | Err(_) => Ok(None),
        Ok(At::Nested) => Err(at(pointer, index, "a string, a number or a boolean")),
    }
}

/// A time in milliseconds since 1970.
fn timestamp(text: &str) -> Option<i64> {
    let number = text.parse().ok();
    let time = number.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
    time.filter(|time| *time >= 0)
}

/// A source of the request as a whole has nothing.
fn missing(source: &Source, expected: &'static str) -> Result<(), Rejected> {
    match source {
        // Read later, from each record.
        Source::Json(_) => Ok(()),
        source => Err(wrong(source, expected)),
    }
}

fn wrong(source: &Source, expected: &'static str) -> Rejected {
    match source {
        Source::Query(name) => Rejected::Query { name: name.to_string(), expected },
        Source::Header(name) => Rejected::Header { name: name.to_string(), expected },
        _ => Rejected::Header { name: "of the request".to_owned(), expected },
    }
}

fn at(pointer: &Pointer, record: usize, expected: &'static str) -> Rejected {
    Rejected::Pointer { pointer: pointer.to_string(), record, expected }
}
