//! Pure: version 3 of Confluent's REST API: records one by one in a stream, or in a batch; and how they are answered.
//!
//! A stream is JSON objects one after the other: a [`Framer`] finds where each ends while it comes, [`produce`] reads it, and each gets
//! its own [`report`]. A batch has [`entries`] with ids, and one [`batch_answer`] with status 207.

use super::confluent_v2::{Outcome, headers};
use super::json::Scanner;
use super::read::{self, Fault};
use super::{Envelope, Rejected};
use crate::Accepted;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::ops::Range;
use thiserror::Error;

/// The code of a batch that cannot be taken as one.
pub const BATCH: i32 = 42208;
/// How many entries a batch may have, unless the operator says otherwise.
pub const BATCH_DEFAULT: usize = 10;
/// How long an entry's id may be.
const ID_MAX: usize = 80;

/// How a key or value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedded {
    /// A string in base64.
    Binary,
    /// JSON, passed on as it was written.
    Json,
    /// A string, of which the text is passed on.
    String,
}

impl Embedded {
    const ALL: [(&'static str, Embedded); 3] =
        [("BINARY", Embedded::Binary), ("JSON", Embedded::Json), ("STRING", Embedded::String)];

    fn name(self) -> &'static str {
        match self {
            Embedded::Binary => "BINARY",
            Embedded::Json => "JSON",
            Embedded::String => "STRING",
        }
    }
}

/// A key or value as its report describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// How it was written.
    pub embedded: Embedded,
    /// Bytes in the record.
    pub size: usize,
}

/// A record to produce, and what its report says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produce {
    /// The record.
    pub record: Accepted,
    /// Its key, if the request spoke of one.
    pub key: Option<Described>,
    /// Its value, likewise.
    pub value: Option<Described>,
}

/// Reads one object of a stream.
///
/// # Errors
/// The first thing that is wrong; positions are within the object.
pub fn produce(object: &Bytes, envelope: &Envelope) -> Result<Produce, Rejected> {
    read::whole(object, |scanner| {
        read::begins(scanner, b'{', "a record")?;
        let record = envelope.record(None);
        let mut produce = Produce { record, key: None, value: None };
        scanner.fields::<Fault>(|scanner, name| produce.read(scanner, name, object, envelope))?;
        Ok(produce)
    })
}

impl Produce {
    fn read(
        &mut self,
        scanner: &mut Scanner<'_>,
        name: &str,
        object: &Bytes,
        envelope: &Envelope,
    ) -> Result<(), Fault> {
        let record = &mut self.record;
        match name {
            "key" => (record.key, self.key) = part(scanner, object)?,
            "value" => (record.value, self.value) = part(scanner, object)?,
            "partition_id" => {
                let asked = read::optional(scanner, read::partition)?;
                record.partition = envelope.partition.or(asked);
            }
            "timestamp" => {
                let time = read::optional(scanner, timestamp)?;
                record.timestamp = time.unwrap_or(envelope.timestamp);
            }
            "headers" => {
                let own = read::optional(scanner, headers)?.unwrap_or_default();
                record.headers.truncate(envelope.headers.len());
                record.headers.extend(own);
            }
            // The id of a batch's entry, and what later versions may add.
            _ => scanner.skip()?,
        }
        Ok(())
    }
}

/// A key or value, and its description; null is none.
fn part(
    scanner: &mut Scanner<'_>,
    object: &Bytes,
) -> Result<(Option<Bytes>, Option<Described>), Fault> {
    if scanner.peek() == Some(b'n') {
        scanner.value()?;
        return Ok((None, None));
    }
    read::begins(scanner, b'{', "an object with type and data")?;
    let at = scanner.position();
    let (mut embedded, mut data) = (None, None);
    scanner.fields::<Fault>(|scanner, name| {
        match name {
            "type" => embedded = Some(kind(scanner)?),
            "data" => data = read::optional(scanner, |scanner| Ok(scanner.value()?))?,
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    let expected = "a type of BINARY, JSON or STRING";
    let embedded = embedded.ok_or(Fault::Value { expected, at })?;
    let bytes = data.map(|data| resolve(data, embedded, object)).transpose()?;
    let size = bytes.as_ref().map_or(0, Bytes::len);
    Ok((bytes, Some(Described { embedded, size })))
}

fn kind(scanner: &mut Scanner<'_>) -> Result<Embedded, Fault> {
    let at = scanner.position();
    let expected = "BINARY, JSON or STRING";
    let name = read::text(scanner, expected)?;
    let known = Embedded::ALL.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, embedded)| embedded).ok_or(Fault::Value { expected, at })
}

/// What data stands for: its type may come after it, so that it is read once both are known.
fn resolve(data: Range<usize>, embedded: Embedded, object: &Bytes) -> Result<Bytes, Fault> {
    let at = data.start;
    let raw = object.slice(data);
    let mut scanner = Scanner::new(&raw)?;
    let (resolved, expected) = match embedded {
        Embedded::Json => return Ok(raw),
        Embedded::Binary => (read::base64(&mut scanner).ok(), "a string in base64"),
        Embedded::String => {
            let text = read::text(&mut scanner, "a string").ok();
            (text.map(|text| Bytes::from(text.into_owned())), "a string")
        }
    };
    resolved.ok_or(Fault::Value { expected, at })
}

/// A moment as text, or in seconds since 1970; as milliseconds.
fn timestamp(scanner: &mut Scanner<'_>) -> Result<i64, Fault> {
    let at = scanner.position();
    let expected = "a moment such as 2026-01-31T12:00:00Z";
    let millis = match scanner.peek() {
        Some(b'"') => {
            let text = scanner.text()?;
            text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
        }
        _ => read::integer::<i64>(scanner, expected, |_| true)?.checked_mul(1000),
    };
    millis.filter(|millis| *millis >= 0).ok_or(Fault::Value { expected, at })
}

/// Finds the ends of objects that come one after the other in pieces; each byte is looked at once.
#[derive(Debug, Clone, Default)]
pub struct Framer {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Framer {
    /// Looks at the next piece: how many of its bytes complete an object, or `None` if it does not end here.
    ///
    /// What stands between objects and is not white space counts as one that is wrong, up to its end.
    pub fn end_in(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, byte) in piece.iter().enumerate() {
            if self.ends(*byte) {
                return Some(at + 1);
            }
        }
        None
    }

    /// Whether it is within an object: the end of the stream here is an error.
    pub fn is_within(&self) -> bool {
        self.depth > 0 || self.in_string
    }

    fn ends(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

/// An entry of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the client calls it.
    pub id: String,
    /// Its record, or what is wrong with this entry alone.
    pub produce: Result<Produce, Rejected>,
}

/// Why a batch cannot be taken as one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchRejected {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Rejected),
    /// It has no entries.
    #[error("the batch is empty")]
    Empty,
    /// It has too many.
    #[error("the batch has more than {limit} entries")]
    TooMany {
        /// How many it may have.
        limit: usize,
    },
    /// An entry's id is not 1 to 80 letters, digits, hyphens and underscores.
    #[error("an entry's id is not 1 to 80 letters, digits, hyphens or underscores")]
    Id,
    /// Two entries have the same id.
    #[error("two entries have the same id")]
    SameId,
}

impl BatchRejected {
    /// The status and the code of the answer.
    pub fn code(&self) -> (u16, i32) {
        match self {
            BatchRejected::Unreadable(rejected) => {
                (rejected.status(), i32::from(rejected.status()))
            }
            _ => (422, BATCH),
        }
    }
}

/// The entries of a batch, of which there may be `limit`.
///
/// # Errors
/// What makes the whole of it unusable; what is wrong with an entry's record alone is in [`Entry::produce`].
pub fn entries(
    body: &Bytes,
    limit: usize,
    envelope: &Envelope,
) -> Result<Vec<Entry>, BatchRejected> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut count = 0;
    read::whole(body, |scanner| {
        read::begins(scanner, b'{', "an object with entries")?;
        scanner.fields::<Fault>(|scanner, name| {
            if name != "entries" {
                return Ok(scanner.skip()?);
            }
            read::begins(scanner, b'[', "an array of entries")?;
            scanner.items(|scanner| {
                let entry = scanner.value()?;
                count += 1;
                if count <= limit {
                    found.push(entry);
                }
                Ok(())
            })
        })
    })?;
    match count {
        0 => return Err(BatchRejected::Empty),
        count if count > limit => return Err(BatchRejected::TooMany { limit }),
        _ => {}
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(found.len());
    for range in found {
        let object = body.slice(range);
        let id = id(&object)?;
        if entries.iter().any(|other| other.id == id) {
            return Err(BatchRejected::SameId);
        }
        entries.push(Entry { id, produce: produce(&object, envelope) });
    }
    Ok(entries)
}

fn id(object: &[u8]) -> Result<String, BatchRejected> {
    let mut id = None;
    read::whole(object, |scanner| {
        read::begins(scanner, b'{', "an entry")?;
        scanner.fields::<Fault>(|scanner, name| {
            match name {
                "id" if scanner.peek() == Some(b'"') => id = Some(scanner.text()?.into_owned()),
                _ => scanner.skip()?,
            }
            Ok(())
        })
    })?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = |id: &String| (1..=ID_MAX).contains(&id.len()) && id.bytes().all(allowed);
    id.filter(fits).ok_or(BatchRejected::Id)
}

/// The report on a record: a line of a stream's answer, or an entry of a batch's.
pub fn report(cluster: &str, produce: &Produce, outcome: &Outcome) -> Map<String, Value> {
    let (partition, offset) = match outcome {
        Outcome::Failed { error_code, message } => return failure(*error_code, message),
        Outcome::Stored { partition, offset } => (partition, offset),
    };
    let record = &produce.record;
    let mut report = Map::new();
    let mut add = |name: &str, value: Value| drop(report.insert(name.to_owned(), value));
    add("error_code", json!(200));
    add("cluster_id", json!(cluster));
    add("topic_name", json!(&*record.topic));
    add("partition_id", json!(partition));
    if let Some(offset) = offset {
        add("offset", json!(offset));
    }
    if let Ok(moment) = Timestamp::from_millisecond(record.timestamp) {
        add("timestamp", json!(moment.to_string()));
    }
    for (name, described) in [("key", produce.key), ("value", produce.value)] {
        if let Some(Described { embedded, size }) = described {
            add(name, json!({ "type": embedded.name(), "size": size }));
        }
    }
    report
}

/// The report on what could not be produced.
pub fn failure(error_code: i32, message: &str) -> Map<String, Value> {
    let mut report = Map::new();
    report.insert("error_code".to_owned(), json!(error_code));
    report.insert("message".to_owned(), json!(message));
    report
}

/// The body of a batch's answer from the reports on its entries.
pub fn batch_answer(reports: Vec<(String, Map<String, Value>)>) -> Vec<u8> {
    let (mut successes, mut failures) = (Vec::new(), Vec::new());
    for (id, mut report) in reports {
        let stored = report.get("error_code") == Some(&json!(200));
        report.insert("id".to_owned(), json!(id));
        let list = if stored { &mut successes } else { &mut failures };
        list.push(Value::Object(report));
    }
    json!({ "successes": successes, "failures": failures }).to_string().into_bytes()
}

#[cfg(test)]
mod tests;
