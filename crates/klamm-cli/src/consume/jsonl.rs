//! Pure: a record as one line of JSON, from which `produce -i jsonl` makes the same record again.

use super::format::Fields;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt::Display;

/// Appends a record and a line feed.
///
/// Bytes are a string where they are UTF-8, else `{"base64": "…"}`; null is null. Headers are a list of
/// pairs, so that order and duplicates stay. A record without a timestamp has null there.
pub(super) fn write_record(out: &mut Vec<u8>, fields: &Fields<'_>) {
    out.extend_from_slice(b"{\"topic\":");
    write_text(out, fields.topic);
    write_number(out, "partition", fields.partition);
    write_number(out, "offset", fields.offset);
    match fields.timestamp {
        -1 => out.extend_from_slice(b",\"timestamp\":null"),
        timestamp => write_number(out, "timestamp", timestamp),
    }
    out.extend_from_slice(b",\"key\":");
    write_bytes(out, fields.key);
    out.extend_from_slice(b",\"value\":");
    write_bytes(out, fields.value);
    out.extend_from_slice(b",\"headers\":[");
    for (i, (name, value)) in fields.headers.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"[" } else { b",[" });
        write_text(out, name);
        out.push(b',');
        write_bytes(out, *value);
        out.push(b']');
    }
    out.extend_from_slice(b"]}\n");
}

/// Appends bytes as the envelope has them.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null");
        return;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => write_text(out, text),
        Err(_) => {
            out.extend_from_slice(b"{\"base64\":\"");
            out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    // A string always can be written as JSON, and a vector takes everything.
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok());
}

fn write_number(out: &mut Vec<u8>, name: &str, number: impl Display) {
    out.extend_from_slice(format!(",\"{name}\":{number}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::write_record;
    use crate::args::{InputForm, Produce};
    use crate::consume::format::{Fields, Header};
    use crate::consume::sample::FIELDS;
    use crate::produce::Parser;
    use klamm::Record;
    use proptest::prelude::*;

    fn line(fields: &Fields<'_>) -> String {
        let mut out = Vec::new();
        write_record(&mut out, fields);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn envelope() {
        let headers: [Header<'_>; 3] = [("a", Some(b"1")), ("a", None), ("b\"", Some(b"\xff"))];
        let key = Some(&b"k\n"[..]);
        let fields = Fields { key, value: None, headers: &headers, ..FIELDS };
        assert_eq!(
            line(&fields),
            concat!(
                r#"{"topic":"orders","partition":3,"offset":42,"timestamp":1648021901749,"key":"k\n","value":null,"#,
                r#""headers":[["a","1"],["a",null],["b\"",{"base64":"/w=="}]]}"#,
                "\n"
            )
        );
        assert!(line(&Fields { timestamp: -1, ..FIELDS }).contains(r#""timestamp":null"#));
    }

    fn parser() -> Parser {
        let args = Produce {
            topic: "copy".to_owned(),
            files: Vec::new(),
            key_delimiter: None,
            record_delimiter: "\\n".to_owned(),
            input: InputForm::Jsonl,
            own_topics: false,
            header: Vec::new(),
            key: None,
            partition: None,
            compression: None,
            acks: None,
            rate: None,
        };
        Parser::new(&args).unwrap()
    }

    type OwnedHeader = (String, Option<Vec<u8>>);

    fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
        let text = any::<String>().prop_map(String::into_bytes);
        let binary = proptest::collection::vec(any::<u8>(), 0..40);
        proptest::option::of(prop_oneof![text, binary])
    }

    fn header() -> impl Strategy<Value = OwnedHeader> {
        // Few names, so that duplicates are frequent.
        (prop_oneof!["[ab]", any::<String>()], bytes())
    }

    proptest! {
        #[test]
        fn what_consume_writes_produce_reads_as_the_same_record(
            key in bytes(),
            value in bytes(),
            headers in proptest::collection::vec(header(), 0..5),
            partition in 0..i32::MAX,
            timestamp in 0..i64::MAX,
            offset in 0..i64::MAX,
        ) {
            let lent: Vec<Header<'_>> = headers.iter().map(|(n, v)| (&**n, v.as_deref())).collect();
            let (key, value) = (key.as_deref(), value.as_deref());
            let fields = Fields { partition, timestamp, offset, key, value, headers: &lent, ..FIELDS };
            let line = line(&fields);
            prop_assert_eq!(line.matches('\n').count(), 1, "one line: {}", line);

            let mut expected = Record::to("copy").partition(partition).timestamp_ms(timestamp);
            if let Some(key) = key {
                expected = expected.key(key);
            }
            if let Some(value) = value {
                expected = expected.value(value);
            }
            for (name, value) in &lent {
                expected = match value {
                    Some(value) => expected.header(name, *value),
                    None => expected.null_header(name),
                };
            }
            let parser = parser();
            let parsed = parser.parse(line.trim_end_matches('\n').as_bytes()).unwrap();
            prop_assert_eq!(parsed.record(), expected);
        }
    }
}
