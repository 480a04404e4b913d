//! Pure: CloudEvents over HTTP, in binary, structured and batched mode, as records in CloudEvents' binary mode for Kafka.
//!
//! Attributes become headers `ce_*`, `datacontenttype` becomes `content-type`, data becomes the value (none is null), and
//! `partitionkey` becomes the key where the envelope has none. Source and id are the record's identity.

use super::envelope::push;
use super::json::{Scanner, check};
use super::plain::{Plain, Split};
use super::read::{self, Fault};
use super::{Envelope, Media, Rejected, decode_percent};
use crate::{Accepted, AcceptedHeader};
use bytes::Bytes;
use std::ops::Range;

/// How many attributes an event may have.
pub const ATTRIBUTES_MAX: usize = 100;

/// What every event must say of itself.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// An event in binary mode: `headers` are all of the request's.
///
/// # Errors
/// An attribute is missing or cannot be read, or the body is not what `content_type` says.
pub fn binary<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    content_type: Option<&[u8]>,
    body: &Bytes,
    envelope: &Envelope,
) -> Result<Accepted, Rejected> {
    let mut event = Event::default();
    for (name, value) in headers {
        let Some(attribute) = name.strip_prefix("ce-") else { continue };
        let wrong = |expected| Rejected::Header { name: name.to_owned(), expected };
        if !is_name(attribute) {
            return Err(wrong("a name of lower-case letters and digits"));
        }
        let decoded = decode_percent(value, false).and_then(|text| String::from_utf8(text).ok());
        let text = decoded.ok_or_else(|| wrong("UTF-8, percent-encoded"))?;
        if event.get(attribute).is_some() || !event.add(attribute, text.into()) {
            return Err(wrong("each attribute once, and no more than 100"));
        }
    }
    if let Some(content_type) = content_type {
        event.content_type = Some(Bytes::copy_from_slice(content_type));
    }
    if !body.is_empty() || content_type.is_some() {
        let plain = Plain { split: Split::Whole, ..Plain::of(Media::of(content_type)?) };
        let checked = plain.records(body, envelope)?.pop();
        event.data = checked.and_then(|record| record.value);
    }
    let missing = event.missing();
    match missing {
        Some(name) => Err(Rejected::Header { name: format!("ce-{name}"), expected: "a value" }),
        None => Ok(event.record(envelope)),
    }
}

/// An event in structured mode.
///
/// # Errors
/// The body is not JSON, or not an event.
pub fn structured(body: &Bytes, envelope: &Envelope) -> Result<Accepted, Rejected> {
    let read_event = |scanner: &mut Scanner<'_>| event(scanner, body);
    Ok(read::whole(body, read_event)?.record(envelope))
}

/// Many events; none of them is no error, as the specification has it.
///
/// # Errors
/// The body is not JSON, or one of them not an event: all or none.
pub fn batch(body: &Bytes, envelope: &Envelope) -> Result<Vec<Accepted>, Rejected> {
    read::whole(body, |scanner| {
        read::begins(scanner, b'[', "an array of events")?;
        let mut records = Vec::new();
        scanner.items::<Fault>(|scanner| {
            let event = event(scanner, body)?;
            Ok(push(&mut records, event.record(envelope))?)
        })?;
        Ok(records)
    })
}

/// An event in the making.
#[derive(Default)]
struct Event {
    attributes: Vec<(String, Bytes)>,
    content_type: Option<Bytes>,
    data: Option<Bytes>,
}

impl Event {
    fn get(&self, name: &str) -> Option<&Bytes> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// False if there are too many.
    fn add(&mut self, name: &str, value: Bytes) -> bool {
        let room = self.attributes.len() < ATTRIBUTES_MAX;
        if room {
            self.attributes.push((name.to_owned(), value));
        }
        room
    }

    fn missing(&self) -> Option<&'static str> {
        REQUIRED.into_iter().find(|name| self.get(name).is_none_or(Bytes::is_empty))
    }

    fn record(self, envelope: &Envelope) -> Accepted {
        let part = |name| self.get(name).map(Bytes::as_ref).unwrap_or_default();
        let identity = envelope.identity(&[part("source"), part("id")]);
        let key = self.get("partitionkey").cloned();
        let mut record = envelope.record(self.data);
        record.idempotency = Some(identity);
        record.key = record.key.or(key);
        let content_type =
            self.content_type.into_iter().map(|value| ("content-type".into(), value));
        let attributes = self.attributes.into_iter();
        let attributes = attributes.map(|(name, value)| (format!("ce_{name}").into(), value));
        let headers = content_type.chain(attributes);
        let headers = headers.map(|(name, value)| AcceptedHeader { name, value: Some(value) });
        record.headers.extend(headers);
        record
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty() && name.bytes().all(allowed)
}

/// What an event's fields say, before it is known how they belong together.
#[derive(Default)]
struct Fields {
    event: Event,
    data: Option<Range<usize>>,
    base64: Option<Bytes>,
}

fn event(scanner: &mut Scanner<'_>, body: &Bytes) -> Result<Event, Fault> {
    let at = scanner.position();
    read::begins(scanner, b'{', "an event")?;
    let mut fields = Fields::default();
    scanner.fields::<Fault>(|scanner, name| fields.read(scanner, name))?;
    let Fields { mut event, data, base64 } = fields;
    if data.is_some() && base64.is_some() {
        return Err(Fault::Value { expected: "either data or data_base64", at });
    }
    event.data = match data {
        Some(data) => Some(value(data, &event, body)?),
        None => base64,
    };
    let expected = "an event with specversion, id, source and type";
    if event.missing().is_some() { Err(Fault::Value { expected, at }) } else { Ok(event) }
}

impl Fields {
    fn read(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let at = scanner.position();
        match name {
            "data" => self.data = read::optional(scanner, |scanner| Ok(scanner.value()?))?,
            "data_base64" => self.base64 = read::optional(scanner, read::base64)?,
            "datacontenttype" => {
                let text =
                    read::optional(scanner, |scanner| read::text(scanner, "a content type"))?;
                self.event.content_type = text.map(|text| text.into_owned().into());
            }
            name if !is_name(name) => {
                return Err(Fault::Value {
                    expected: "attributes of lower-case letters and digits",
                    at,
                });
            }
            name => {
                let Some(value) = read::optional(scanner, attribute)? else { return Ok(()) };
                let expected = "each attribute once, and no more than 100";
                if self.event.get(name).is_some() || !self.event.add(name, value) {
                    return Err(Fault::Value { expected, at });
                }
            }
        }
        Ok(())
    }
}

/// The value of an attribute in its canonical form: a string, a boolean or an integer.
fn attribute(scanner: &mut Scanner<'_>) -> Result<Bytes, Fault> {
    match scanner.peek() {
        Some(b'"') => Ok(scanner.text()?.into_owned().into()),
        Some(b't' | b'f') => {
            let value = scanner.value()?;
            Ok(Bytes::copy_from_slice(scanner.slice(value)))
        }
        _ => {
            let number =
                read::integer::<i32>(scanner, "a string, a boolean or an integer", |_| true)?;
            Ok(number.to_string().into())
        }
    }
}

/// Data as it is in JSON; but the text of a string, if the event says that it is something else than JSON.
fn value(data: Range<usize>, event: &Event, body: &Bytes) -> Result<Bytes, Fault> {
    let json = match event.content_type.as_deref() {
        None => true,
        Some(content_type) => Media::of(Some(content_type)) == Ok(Media::Json),
    };
    let raw = body.slice(data);
    if json || raw.first() != Some(&b'"') || check(&raw).is_err() {
        return Ok(raw);
    }
    Ok(Scanner::new(&raw)?.text()?.into_owned().into())
}

#[cfg(test)]
mod tests;
