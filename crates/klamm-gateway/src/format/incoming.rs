//! Pure: a whole request to a topic, from its headers, query and body to records.

use super::envelope::push;
use super::plain::{Plain, Split};
use super::{Envelope, Media, Query, RECORDS_MAX, Rejected, cloud_events, confluent_v2};
use crate::Accepted;
use crate::schema::Schema;
use bytes::Bytes;
use std::collections::BTreeSet;

/// How long what a client names its request by may be.
const NAME_MAX: usize = 255;

/// How a request wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// In klamm's own way.
    Klamm,
    /// As Confluent's REST API does in version 2.
    ConfluentV2,
}

/// What a request brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its records; each carries what the request is named by, if it is.
    pub records: Vec<Accepted>,
    /// How it wants to be answered.
    pub dialect: Dialect,
    /// In partial mode, the lines that are no records: counted from 0 among those that are not blank.
    pub refused: Vec<(usize, Rejected)>,
    /// Lines that are wrong keep no others from being taken.
    pub partial: bool,
}

impl Incoming {
    /// The same if the value of every record is what the schema allows; in partial mode, what of it is. A record without a
    /// value has null.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn held_to(mut self, schema: &Schema) -> Result<Self, Rejected> {
        let refused: BTreeSet<usize> = self.refused.iter().map(|(line, _)| *line).collect();
        let mut lines = (0..).filter(|line| !refused.contains(line));
        let mut records = Vec::with_capacity(self.records.len());
        for (record, line) in self.records.into_iter().zip(&mut lines) {
            match schema.check(record.value.as_deref().unwrap_or(b"null")) {
                Ok(()) => records.push(record),
                Err(mismatch) => {
                    let rejected = Rejected::Schema { record: line, mismatch };
                    if !self.partial {
                        return Err(rejected);
                    }
                    self.refused.push((line, rejected));
                }
            }
        }
        self.refused.sort_by_key(|(line, _)| *line);
        Ok(Self { records, ..self })
    }
}

/// What the headers of a request say, each looked at once.
#[derive(Default)]
struct Said<'a> {
    content_type: Option<&'a [u8]>,
    /// `Idempotency-Key`, else `webhook-id`.
    name: Option<&'a [u8]>,
    cloud_event: bool,
}

/// How the request with these headers wants to be answered, which is also how it is told that it is wrong.
pub fn dialect<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Dialect {
    match said(headers).map(|said| Media::of(said.content_type)) {
        Ok(Ok(Media::ConfluentJson | Media::ConfluentBinary)) => Dialect::ConfluentV2,
        _ => Dialect::Klamm,
    }
}

/// Reads a request: `headers` with names in lower case, `query` without its question mark.
///
/// # Errors
/// The first thing that is wrong, unless the query asks for partial mode: then only what makes the whole of it unusable.
pub fn incoming<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    query: &str,
    body: &Bytes,
    mut envelope: Envelope,
) -> Result<Incoming, Rejected> {
    let said = said(headers.clone())?;
    let query = Query::parse(query)?;
    envelope.key = query.key.clone().or(envelope.key);
    envelope.partition = envelope.partition.or(query.partition);
    envelope.timestamp = query.timestamp.unwrap_or(envelope.timestamp);
    let media = Media::of(said.content_type)?;
    let mut incoming = match media {
        Media::ConfluentJson => confluent(&query, body, confluent_v2::Embedded::Json, &envelope)?,
        Media::ConfluentBinary => {
            confluent(&query, body, confluent_v2::Embedded::Binary, &envelope)?
        }
        Media::CloudEvents => {
            klamm(whole(&query).and_then(|()| cloud_events::batch(body, &envelope))?)
        }
        Media::CloudEvent => {
            whole(&query)?;
            klamm(vec![cloud_events::structured(body, &envelope)?])
        }
        _ if said.cloud_event => {
            whole(&query)?;
            klamm(vec![cloud_events::binary(headers, said.content_type, body, &envelope)?])
        }
        _ => plain(media, &query, body, &envelope)?,
    };
    if let Some(name) = said.name {
        let identity = envelope.identity(&[name]);
        incoming.records.iter_mut().for_each(|record| record.idempotency = Some(identity));
    }
    Ok(incoming)
}

fn klamm(records: Vec<Accepted>) -> Incoming {
    Incoming { records, dialect: Dialect::Klamm, refused: Vec::new(), partial: false }
}

fn confluent(
    query: &Query,
    body: &Bytes,
    embedded: confluent_v2::Embedded,
    envelope: &Envelope,
) -> Result<Incoming, Rejected> {
    whole(query)?;
    let records = confluent_v2::records(body, embedded, envelope)?;
    Ok(Incoming { dialect: Dialect::ConfluentV2, ..klamm(records) })
}

fn plain(
    media: Media,
    query: &Query,
    body: &Bytes,
    envelope: &Envelope,
) -> Result<Incoming, Rejected> {
    let usual = Plain::of(media);
    let split = query.split.unwrap_or(usual.split);
    let plain = Plain { split, checked: envelope.checked, ..usual };
    match (query.partial, plain.split) {
        (false, _) => Ok(klamm(plain.records(body, envelope)?)),
        (true, Split::Lines) => partial(plain, body, envelope),
        (true, _) => Err(only("partial", "lines to be split")),
    }
}

fn said<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Said<'a>, Rejected> {
    let mut said = Said::default();
    let mut webhook = None;
    for (name, value) in headers {
        match name {
            "content-type" => said.content_type = Some(value),
            "idempotency-key" => said.name = Some(named(name, value)?),
            "webhook-id" => webhook = Some(named(name, value)?),
            "ce-specversion" => said.cloud_event = true,
            _ => {}
        }
    }
    said.name = said.name.or(webhook);
    Ok(said)
}

fn named<'a>(header: &str, value: &'a [u8]) -> Result<&'a [u8], Rejected> {
    if (1..=NAME_MAX).contains(&value.len()) {
        return Ok(value);
    }
    Err(Rejected::Header { name: header.to_owned(), expected: "1 to 255 bytes" })
}

/// That a query does not ask for what this kind of body cannot give.
fn whole(query: &Query) -> Result<(), Rejected> {
    match query {
        Query { split: Some(_), .. } => Err(only("split", "a body that is not split already")),
        Query { partial: true, .. } => Err(only("partial", "lines to be split")),
        _ => Ok(()),
    }
}

fn only(name: &str, expected: &'static str) -> Rejected {
    Rejected::Query { name: name.to_owned(), expected }
}

/// The lines that are records, and those that are not.
fn partial(plain: Plain, body: &Bytes, envelope: &Envelope) -> Result<Incoming, Rejected> {
    let mut incoming = Incoming { partial: true, ..klamm(Vec::new()) };
    for (index, line) in plain.lines(body).enumerate() {
        if index == RECORDS_MAX {
            return Err(Rejected::TooMany { limit: RECORDS_MAX });
        }
        match line {
            Ok(line) => push(&mut incoming.records, envelope.record(Some(line)))?,
            Err(rejected) => incoming.refused.push((index, rejected)),
        }
    }
    let none = incoming.records.is_empty() && incoming.refused.is_empty();
    if none { Err(Rejected::Empty) } else { Ok(incoming) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(headers: &[(&str, &str)], query: &str, body: &str) -> Result<Incoming, Rejected> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let body = Bytes::copy_from_slice(body.as_bytes());
        incoming(headers, query, &body, Envelope::new("t".into(), 7))
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
    const EVENT: &str = r#"{"specversion":"1.0","id":"7","source":"/s","type":"t","data":1}"#;

    #[test]
    fn every_kind_of_request_becomes_its_records() {
        let kind = |name| ("content-type", name);
        let ce = [("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/s"), ("ce-type", "t")];
        let [a, b, c, d] = ce;
        let two = format!("[{EVENT},{EVENT}]");
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let table: [(Headers<'_>, &str, &str, usize, Option<&str>); 10] = [
            (&[JSON], "", "{}", 1, Some("{}")),
            (&[JSON], "split=array", "[1,2]", 2, Some("1")),
            (&[LINES], "", "1\n2\n3", 3, Some("1")),
            (&[kind("text/plain")], "split=lines", "a\nb", 2, Some("a")),
            (&[], "", "\u{1}", 1, Some("\u{1}")),
            (&[kind("application/cloudevents+json")], "", EVENT, 1, Some("1")),
            (&[kind("application/cloudevents-batch+json")], "", &two, 2, Some("1")),
            (&[JSON, a, b, c, d], "", "{}", 1, Some("{}")),
            (
                &[kind("application/vnd.kafka.json.v2+json")],
                "",
                r#"{"records":[{"value":1}]}"#,
                1,
                Some("1"),
            ),
            (&[kind("application/vnd.kafka.binary.v2+json")], "", r#"{"records":[{}]}"#, 1, None),
        ];
        for (headers, query, body, count, first) in table {
            let incoming = read(headers, query, body).unwrap();
            assert_eq!(incoming.records.len(), count, "{headers:?}");
            assert_eq!(incoming.records[0].value.as_deref(), first.map(str::as_bytes));
            let confluent = headers.iter().any(|(_, value)| value.contains("kafka"));
            let expected = if confluent { Dialect::ConfluentV2 } else { Dialect::Klamm };
            assert_eq!(incoming.dialect, expected);
            let pairs = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            assert_eq!(dialect(pairs), expected);
        }
    }

    #[test]
    fn the_query_speaks_for_every_record() {
        let incoming = read(&[LINES], "key=k&partition=2&timestamp=5", "1\n2").unwrap();
        for record in incoming.records {
            assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
            assert_eq!((record.partition, record.timestamp), (Some(2), 5));
        }
    }

    #[test]
    fn what_a_request_is_named_by_is_on_its_records() {
        let identity = |headers: &[(&str, &str)]| {
            let records = read(headers, "", "1").unwrap().records;
            records[0].idempotency
        };
        let of = |name: &[u8]| Some(Envelope::new("t".into(), 0).identity(&[name]));
        assert_eq!(identity(&[JSON]), None);
        assert_eq!(identity(&[JSON, ("webhook-id", "w")]), of(b"w"));
        for order in [[0, 1], [1, 0]] {
            let both = [("webhook-id", "w"), ("idempotency-key", "i")];
            assert_eq!(identity(&order.map(|at| both[at])), of(b"i"));
        }
        let long = "x".repeat(256);
        for name in ["", &long] {
            assert_eq!(read(&[("idempotency-key", name)], "", "1").unwrap_err().status(), 400);
        }
    }

    #[test]
    fn partial_mode_keeps_what_is_right() {
        let incoming = read(&[LINES], "partial", "1\n\n{\n3").unwrap();
        assert_eq!(incoming.records.len(), 2);
        let refused: Vec<_> = incoming
            .refused
            .iter()
            .map(|(index, rejected)| (*index, rejected.position().unwrap().line))
            .collect();
        assert_eq!(refused, [(1, 3)]);
        assert_eq!(read(&[LINES], "", "1\n{").unwrap_err().status(), 400, "atomic without it");
        assert_eq!(read(&[LINES], "partial", "\n"), Err(Rejected::Empty));
        let wrong = "{\n".repeat(RECORDS_MAX + 1);
        assert_eq!(read(&[LINES], "partial", &wrong).unwrap_err().status(), 413);
    }

    #[test]
    fn a_query_that_makes_no_sense_is_refused() {
        let event = ("content-type", "application/cloudevents+json");
        let confluent = ("content-type", "application/vnd.kafka.json.v2+json");
        for (header, query) in [
            (JSON, "partial"),
            (event, "split=lines"),
            (event, "partial"),
            (confluent, "split=array"),
            (confluent, "partial"),
        ] {
            let rejected = read(&[header], query, "{}").unwrap_err();
            assert!(matches!(rejected, Rejected::Query { .. }), "{query}: {rejected}");
        }
    }

    proptest! {
        #[test]
        fn hostile_requests_never_panic(kind in 0_usize..8, query in "[a-z=&%+0-9]{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let kinds = ["application/json", "text/plain", "application/x-ndjson", "x", "application/cloudevents+json",
                "application/cloudevents-batch+json", "application/vnd.kafka.json.v2+json", "application/vnd.kafka.v2+json"];
            let headers = [("content-type", kinds[kind].as_bytes()), ("ce-id", &bytes), ("idempotency-key", &bytes)];
            let body = Bytes::from(bytes.clone());
            let _ = incoming(headers.into_iter(), &query, &body, Envelope::new("t".into(), 0));
        }
    }
}
