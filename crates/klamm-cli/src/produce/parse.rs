//! From a piece of input to a record.

use crate::args::{InputForm, Produce};
use crate::connect::split_pair;
use crate::failure::{DATA, Failure, USAGE};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use klamm::Record;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Leaves the choice of a partition to the partitioner, whatever a record says.
const ANY_PARTITION: i32 = -1;

/// What the command line says about every record.
#[derive(Debug)]
pub(crate) struct Parser {
    topic: String,
    /// Whether records go to the topic they name.
    own_topics: bool,
    form: InputForm,
    key_delimiter: Option<Vec<u8>>,
    delimiter: Vec<u8>,
    key: Option<Vec<u8>>,
    partition: Option<i32>,
    headers: Vec<(String, Vec<u8>)>,
}

/// A record that still owns or borrows its pieces.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    topic: Cow<'a, str>,
    partition: Option<i32>,
    timestamp_ms: Option<i64>,
    key: Option<Cow<'a, [u8]>>,
    value: Option<Cow<'a, [u8]>>,
    headers: Headers<'a>,
}

impl Parsed<'_> {
    /// The record to send.
    pub(crate) fn record(&self) -> Record<'_> {
        let mut record = Record::to(&self.topic);
        if let Some(partition) = self.partition {
            record = record.partition(partition);
        }
        if let Some(ms) = self.timestamp_ms {
            record = record.timestamp_ms(ms);
        }
        if let Some(key) = &self.key {
            record = record.key(&key[..]);
        }
        if let Some(value) = &self.value {
            record = record.value(&value[..]);
        }
        for (name, value) in &self.headers {
            record = match value {
                Some(value) => record.header(name, &value[..]),
                None => record.null_header(name),
            };
        }
        record
    }
}

/// Name and value of headers that are given as `NAME=VALUE`.
pub(crate) fn named_headers(pairs: &[String]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let header = |pair: &String| {
        let (name, value) = split_pair(pair)?;
        Ok((name.to_owned(), value.as_bytes().to_vec()))
    };
    pairs.iter().map(header).collect()
}

impl Parser {
    pub(crate) fn new(args: &Produce) -> Result<Self, Failure> {
        let delimiter = unescape(&args.record_delimiter)?;
        if delimiter.is_empty() {
            return Err(Failure::new(USAGE, "-D must not be empty"));
        }
        Ok(Self {
            topic: args.topic.clone(),
            own_topics: args.own_topics,
            form: args.input,
            key_delimiter: args.key_delimiter.as_deref().map(unescape).transpose()?,
            delimiter,
            key: args.key.as_ref().map(|k| k.as_bytes().to_vec()),
            partition: args.partition,
            headers: named_headers(&args.header)?,
        })
    }

    pub(super) fn delimiter(&self) -> &[u8] {
        &self.delimiter
    }

    /// Reads one piece of input.
    pub(crate) fn parse<'a>(&'a self, input: &'a [u8]) -> Result<Parsed<'a>, Failure> {
        let mut parsed = match self.form {
            InputForm::Lines => self.line(input)?,
            InputForm::Jsonl => self.json(input)?,
        };
        if parsed.key.is_none() {
            parsed.key = self.key.as_deref().map(Cow::Borrowed);
        }
        parsed.partition = match self.partition {
            Some(ANY_PARTITION) => None,
            of_all => parsed.partition.or(of_all),
        };
        let of_all = self.headers.iter();
        parsed
            .headers
            .extend(of_all.map(|(n, v)| (Cow::Borrowed(n.as_str()), Some(Cow::Borrowed(&v[..])))));
        Ok(parsed)
    }

    fn line<'a>(&'a self, line: &'a [u8]) -> Result<Parsed<'a>, Failure> {
        let (key, value) = match &self.key_delimiter {
            None => (None, line),
            Some(delimiter) => {
                let at = line.windows(delimiter.len().max(1)).position(|w| w == &delimiter[..]);
                let Some(at) = at else {
                    return Err(Failure::new(DATA, "the line has no key delimiter (-K)"));
                };
                (Some(&line[..at]), &line[at + delimiter.len()..])
            }
        };
        Ok(Parsed {
            topic: Cow::Borrowed(&self.topic),
            partition: None,
            timestamp_ms: None,
            key: key.map(Cow::Borrowed),
            value: Some(Cow::Borrowed(value)),
            headers: Vec::new(),
        })
    }

    fn json<'a>(&'a self, line: &[u8]) -> Result<Parsed<'a>, Failure> {
        let bad = |what: String| Failure::new(DATA, what);
        let mut object: Map<String, Value> =
            serde_json::from_slice(line).map_err(|e| bad(format!("not a JSON object: {e}")))?;
        let mut take = |name: &str| object.remove(name).filter(|v| !v.is_null());
        let topic = match take("topic") {
            Some(Value::String(topic)) if self.own_topics => Cow::Owned(topic),
            // Where a record came from, as its offset is.
            None | Some(Value::String(_)) => Cow::Borrowed(self.topic.as_str()),
            Some(_) => return Err(bad("\"topic\" is not a string".to_owned())),
        };
        let partition = take("partition").map(|v| {
            let number = v.as_i64().and_then(|n| i32::try_from(n).ok());
            number.ok_or_else(|| bad("\"partition\" is not a partition number".to_owned()))
        });
        let timestamp_ms = take("timestamp").map(|v| {
            v.as_i64()
                .ok_or_else(|| bad("\"timestamp\" is not a number of milliseconds".to_owned()))
        });
        let key = take("key").map(|v| bytes("key", v)).transpose()?;
        let value = take("value").map(|v| bytes("value", v)).transpose()?;
        let headers = take("headers").map_or(Ok(Vec::new()), headers)?;
        // Where a record came from is no part of it; a reader may have put it there.
        object.retain(|name, _| !["offset", "key_size", "value_size"].contains(&name.as_str()));
        if let Some(unknown) = object.keys().next() {
            return Err(bad(format!(
                "unknown field {unknown:?}: there are topic, partition, key, value, headers, timestamp"
            )));
        }
        Ok(Parsed {
            topic,
            partition: partition.transpose()?,
            timestamp_ms: timestamp_ms.transpose()?,
            key,
            value,
            headers,
        })
    }
}

/// A string, or `{"base64": "…"}` for bytes that are no text; other JSON stands for itself.
fn bytes<'a>(name: &str, value: Value) -> Result<Cow<'a, [u8]>, Failure> {
    match value {
        Value::String(text) => Ok(Cow::Owned(text.into_bytes())),
        Value::Object(object) if object.len() == 1 && object.contains_key("base64") => {
            let text = object["base64"].as_str().unwrap_or_default();
            let decoded = BASE64_STANDARD.decode(text);
            decoded
                .map(Cow::Owned)
                .map_err(|e| Failure::new(DATA, format!("{name:?}: base64: {e}")))
        }
        other => Ok(Cow::Owned(other.to_string().into_bytes())),
    }
}

type Headers<'a> = Vec<(Cow<'a, str>, Option<Cow<'a, [u8]>>)>;

/// An object, or a list of `[name, value]` pairs where names repeat or order matters.
fn headers<'a>(value: Value) -> Result<Headers<'a>, Failure> {
    let of = |name: String, value: Value| -> Result<_, Failure> {
        let value = if value.is_null() { None } else { Some(bytes("headers", value)?) };
        Ok((Cow::Owned(name), value))
    };
    match value {
        Value::Object(object) => object.into_iter().map(|(n, v)| of(n, v)).collect(),
        Value::Array(pairs) => pairs
            .into_iter()
            .map(|pair| match pair {
                Value::Array(mut pair) if pair.len() == 2 && pair[0].is_string() => {
                    let value = pair.pop().unwrap_or_default();
                    of(pair[0].as_str().unwrap_or_default().to_owned(), value)
                }
                _ => Err(Failure::new(DATA, "\"headers\" is a list of [name, value] pairs")),
            })
            .collect(),
        _ => Err(Failure::new(DATA, "\"headers\" is an object or a list of [name, value] pairs")),
    }
}

/// Reads `\n`, `\t`, `\r`, `\0`, `\\` and `\xNN`.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, Failure> {
    let bad = || {
        Failure::new(USAGE, format!("{text:?}: \\n, \\t, \\r, \\0, \\\\ and \\xNN are understood"))
    };
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (&escape, tail) = rest.split_first().ok_or_else(bad)?;
        rest = tail;
        out.push(match escape {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let (digits, tail) = rest.split_at_checked(2).ok_or_else(bad)?;
                rest = tail;
                let digits = std::str::from_utf8(digits).map_err(|_| bad())?;
                u8::from_str_radix(digits, 16).map_err(|_| bad())?
            }
            _ => return Err(bad()),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser(form: InputForm, key_delimiter: Option<&str>) -> Parser {
        Parser {
            topic: "t".into(),
            own_topics: false,
            form,
            key_delimiter: key_delimiter.map(|d| d.as_bytes().to_vec()),
            delimiter: b"\n".to_vec(),
            key: None,
            partition: None,
            headers: vec![("all".into(), b"x".to_vec())],
        }
    }

    #[test]
    fn key_ends_at_the_first_delimiter() {
        let parser = parser(InputForm::Lines, Some(":"));
        let parsed = parser.parse(b"k:v:w").unwrap();
        assert_eq!(
            (parsed.key.as_deref(), parsed.value.as_deref()),
            (Some(&b"k"[..]), Some(&b"v:w"[..]))
        );
        assert!(parser.parse(b"none").is_err());
    }

    #[test]
    fn records_go_where_the_command_says_unless_they_are_to_choose() {
        let line = br#"{"topic":"o","partition":3}"#;
        let to = |own_topics, partition| {
            let parser = Parser { own_topics, partition, ..parser(InputForm::Jsonl, None) };
            let parsed = parser.parse(line).unwrap();
            (parsed.topic.into_owned(), parsed.partition)
        };
        assert_eq!(to(false, None), ("t".to_owned(), Some(3)));
        assert_eq!(to(true, Some(5)), ("o".to_owned(), Some(3)));
        assert_eq!(to(false, Some(ANY_PARTITION)), ("t".to_owned(), None));
    }

    #[test]
    fn json_envelope() {
        let parser = Parser { own_topics: true, ..parser(InputForm::Jsonl, None) };
        let line = br#"{"topic":"o","partition":3,"key":{"base64":"/w=="},"value":null,"headers":[["a","1"],["a",null]],"timestamp":7,"offset":9}"#;
        let parsed = parser.parse(line).unwrap();
        assert_eq!(
            (&*parsed.topic, parsed.partition, parsed.timestamp_ms),
            ("o", Some(3), Some(7))
        );
        assert_eq!(parsed.key.as_deref(), Some(&[0xff][..]));
        assert!(parsed.value.is_none());
        assert_eq!(parsed.headers.len(), 3);
        for bad in
            ["[]", "{\"vlaue\":1}", "{\"partition\":\"x\"}", "{\"key\":{\"base64\":\"!\"}}", "{"]
        {
            assert!(parser.parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("a\\n\\t\\0\\x1f\\\\").unwrap(), b"a\n\t\0\x1f\\");
        for bad in ["\\", "\\q", "\\x1", "\\xzz"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }
}
