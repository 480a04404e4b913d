//! Pure: a record as JSON, and events as a stream has them.

use crate::format::json;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use klamm::consumer::RecordRef;
use serde_json::{Value, json};

/// What there is to be told of a record.
#[derive(Debug, Clone)]
pub(super) struct Told<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

impl<'a> From<RecordRef<'a>> for Told<'a> {
    fn from(record: RecordRef<'a>) -> Self {
        Self {
            topic: record.topic(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            key: record.key(),
            value: record.value(),
            headers: record.headers().collect(),
        }
    }
}

impl Told<'_> {
    /// Writes it as JSON without a line break.
    ///
    /// A value that is JSON stands there as such, other text as a string, and bytes as base64; `value_encoding` says which of
    /// the three it is - `json`, `text`, `base64` - or is null, when there is no value.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let place = json!({
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp": self.timestamp,
        });
        let (key, key_encoding) = text(self.key);
        let headers = self.headers.iter().map(|(name, value)| {
            let (value, encoding) = text(*value);
            json!({ "name": name, "value": value, "encoding": encoding })
        });
        let headers: Vec<Value> = headers.collect();
        let place = place.to_string();
        out.extend_from_slice(place.strip_suffix('}').unwrap_or(&place).as_bytes());
        field(out, "key", &key);
        field(out, "key_encoding", &json!(key_encoding));
        field(out, "headers", &json!(headers));
        match self.value.and_then(as_json) {
            Some(value) => {
                field(out, "value_encoding", &json!("json"));
                out.extend_from_slice(b",\"value\":");
                // A line break in JSON that passes through is nothing but white space.
                let flat = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
                out.extend(value.iter().map(flat));
            }
            None => {
                let (value, encoding) = text(self.value);
                field(out, "value_encoding", &json!(encoding));
                field(out, "value", &value);
            }
        }
        out.push(b'}');
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &Value) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value.to_string().as_bytes());
}

fn as_json(value: &[u8]) -> Option<&[u8]> {
    json::check(value).ok().map(|range| &value[range])
}

fn text(bytes: Option<&[u8]>) -> (Value, Option<&'static str>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (Value::Null, None),
        Some((_, Ok(text))) => (text.into(), Some("text")),
        Some((bytes, Err(_))) => (BASE64_STANDARD.encode(bytes).into(), Some("base64")),
    }
}

/// Writes an event with the place behind it, of no name or of this one; `data` writes what it is about, without a line break.
pub(super) fn event(
    out: &mut Vec<u8>,
    name: Option<&str>,
    cursor: &str,
    data: impl FnOnce(&mut Vec<u8>),
) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(cursor.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    data(out);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(key: Option<&[u8]>, value: Option<&[u8]>) -> Value {
        let headers = vec![("a", Some(&b"1"[..])), ("b", Some(b"\xff")), ("a", None)];
        let (topic, partition, offset, timestamp) = ("t", 3, 7, 1_700);
        let told = Told { topic, partition, offset, timestamp, key, value, headers };
        let mut out = Vec::new();
        told.write(&mut out);
        assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn all_of_a_record_is_told() {
        let expected = json!({
            "topic": "t",
            "partition": 3,
            "offset": 7,
            "timestamp": 1700,
            "key": "k",
            "key_encoding": "text",
            "headers": [
                { "name": "a", "value": "1", "encoding": "text" },
                { "name": "b", "value": "/w==", "encoding": "base64" },
                { "name": "a", "value": null, "encoding": null },
            ],
            "value": { "x": [1, 2] },
            "value_encoding": "json",
        });
        assert_eq!(told(Some(b"k"), Some(b" {\"x\":\r\n[1,\n2]}\n")), expected);
    }

    #[test]
    fn values_say_what_they_are() {
        let table: [(Option<&[u8]>, Value, Value); 7] = [
            (Some(b"\"x\""), json!("x"), json!("json")),
            (Some(b"x"), json!("x"), json!("text")),
            (Some(b"null"), json!(null), json!("json")),
            (None, json!(null), json!(null)),
            (Some(b""), json!(""), json!("text")),
            (Some(b"a\nb\r"), json!("a\nb\r"), json!("text")),
            (Some(b"\x00\xff"), json!("AP8="), json!("base64")),
        ];
        for (value, told_as, encoding) in table {
            let record = told(None, value);
            assert_eq!((&record["value"], &record["value_encoding"]), (&told_as, &encoding));
        }
        assert_eq!(told(Some(b"42"), None)["key"], json!("42"), "a key is never JSON");
    }

    #[test]
    fn an_event_has_its_place() {
        let mut out = Vec::new();
        event(&mut out, None, "k1", |out| out.extend_from_slice(b"{}"));
        event(&mut out, Some("end"), "k2", |out| out.extend_from_slice(b"1"));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "id: k1\ndata: {}\n\nevent: end\nid: k2\ndata: 1\n\n");
    }

    proptest! {
        #[test]
        fn whatever_it_is_it_can_be_read(value in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:0-9a \n\r\t]{0,12}") {
            told(Some(&value), Some(&value));
            told(None, Some(json.as_bytes()));
        }
    }
}
