use super::*;
use crate::AcceptedHeader;
use proptest::prelude::*;

fn envelope() -> Envelope {
    Envelope::new("t".into(), 7)
}

fn read(object: &str) -> Result<Produce, Rejected> {
    produce(&Bytes::copy_from_slice(object.as_bytes()), &envelope())
}

#[test]
fn typed_keys_and_values_become_bytes() {
    let table: [(&str, Option<&str>, usize); 7] = [
        (r#"{"type":"BINARY","data":"Zm9v"}"#, Some("foo"), 3),
        (r#"{"type":"JSON","data": {"a": 1}}"#, Some(r#"{"a": 1}"#), 8),
        (r#"{"data":"x","type":"JSON"}"#, Some(r#""x""#), 3),
        (r#"{"type":"STRING","data":"\u00e4"}"#, Some("\u{e4}"), 2),
        (r#"{"data":"a b","type":"STRING"}"#, Some("a b"), 3),
        (r#"{"type":"BINARY","data":null}"#, None, 0),
        (r#"{"type":"BINARY"}"#, None, 0),
    ];
    for (part, bytes, size) in table {
        let produce = read(&format!(r#"{{"key":{part},"value":{part}}}"#)).unwrap();
        assert_eq!(produce.record.value.as_deref(), bytes.map(str::as_bytes), "{part}");
        assert_eq!(produce.record.key, produce.record.value);
        assert_eq!(produce.value.unwrap().size, size, "{part}");
        assert_eq!(produce.key, produce.value);
    }
    let none = read(r#"{"value":null}"#).unwrap();
    assert_eq!((none.record.value, none.value, none.key), (None, None, None));
}

#[test]
fn the_rest_of_a_record_is_read() {
    let object = r#"{"partition_id":3,"timestamp":"2021-02-05T19:14:42.5Z","later":[{}],
        "headers":[{"name":"h","value":"aGk="},{"name":"none"}]}"#;
    let record = read(object).unwrap().record;
    assert_eq!((record.partition, record.timestamp), (Some(3), 1_612_552_482_500));
    let headers = [
        AcceptedHeader { name: "h".into(), value: Some(Bytes::from_static(b"hi")) },
        AcceptedHeader { name: "none".into(), value: None },
    ];
    assert_eq!(record.headers, headers);
    assert_eq!(read(r#"{"timestamp":5}"#).unwrap().record.timestamp, 5000, "seconds");
    assert_eq!(read("{}").unwrap().record, envelope().record(None));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let table = [
        ("1", "expected a record at line 1, column 1"),
        (r#"{"value":1}"#, "expected an object with type and data at line 1, column 10"),
        (
            r#"{"value":{"data":1}}"#,
            "expected a type of BINARY, JSON or STRING at line 1, column 10",
        ),
        (
            r#"{"value":{"type":"AVRO","data":1}}"#,
            "expected BINARY, JSON or STRING at line 1, column 18",
        ),
        (
            r#"{"value":{"type":"BINARY","data":"@"}}"#,
            "expected a string in base64 at line 1, column 34",
        ),
        (r#"{"value":{"type":"STRING","data":1}}"#, "expected a string at line 1, column 34"),
        (
            r#"{"timestamp":"yesterday"}"#,
            "expected a moment such as 2026-01-31T12:00:00Z at line 1, column 14",
        ),
        (
            r#"{"timestamp":-1}"#,
            "expected a moment such as 2026-01-31T12:00:00Z at line 1, column 14",
        ),
        (
            r#"{"timestamp":9223372036854775807}"#,
            "expected a moment such as 2026-01-31T12:00:00Z at line 1, column 14",
        ),
        ("{} {}", "more after the end of the value at line 1, column 4"),
    ];
    for (object, message) in table {
        assert_eq!(read(object).unwrap_err().to_string(), message, "{object}");
    }
}

/// The objects that a framer finds when `text` comes in pieces of `size` bytes.
fn frames(text: &str, size: usize) -> (Vec<String>, bool) {
    let (mut framer, mut found, mut current) = (Framer::default(), Vec::new(), Vec::new());
    for piece in text.as_bytes().chunks(size) {
        let mut rest = piece;
        while let Some(end) = framer.end_in(rest) {
            current.extend_from_slice(&rest[..end]);
            found.push(String::from_utf8(std::mem::take(&mut current)).unwrap().trim().to_owned());
            rest = &rest[end..];
        }
        current.extend_from_slice(rest);
    }
    (found, framer.is_within())
}

#[test]
fn objects_are_found_however_they_come() {
    let objects = [r#"{"a":"}\"{"}"#, "{}", r#"{"b":[{"c":"\\"}]}"#, r#"{"d":"["}"#];
    for between in ["", "\n", " \r\n "] {
        let text = objects.join(between);
        for size in 1..=text.len() {
            let (found, within) = frames(&text, size);
            assert_eq!(found, objects, "{size} bytes at a time");
            assert!(!within);
        }
    }
    assert!(frames("{\"a\":", 3).1);
    assert!(frames("{} \"}", 3).1);
}

#[test]
fn what_is_between_objects_makes_the_next_wrong() {
    for text in ["x{}", "}", "]", "1 {}"] {
        let (found, _) = frames(text, 1);
        assert!(read(&found[0]).is_err(), "{text}");
    }
}

fn batch(body: &str) -> Result<Vec<Entry>, BatchRejected> {
    entries(&Bytes::copy_from_slice(body.as_bytes()), 2, &envelope())
}

#[test]
fn a_batch_is_taken_entry_by_entry() {
    let body = r#"{"entries":[{"id":"a-1","value":{"type":"STRING","data":"x"}},
        {"id":"b_2","value":{"type":"BINARY","data":"@"}}]}"#;
    let entries = batch(body).unwrap();
    assert_eq!(entries[0].id, "a-1");
    let record = &entries[0].produce.as_ref().unwrap().record;
    assert_eq!(record.value.as_deref(), Some(&b"x"[..]));
    assert_eq!(entries[1].id, "b_2");
    assert_eq!(entries[1].produce.as_ref().unwrap_err().status(), 400);
}

#[test]
fn a_batch_that_is_none_is_refused_as_one() {
    let long = format!(r#"{{"entries":[{{"id":"{}"}}]}}"#, "x".repeat(81));
    let table = [
        ("{}", BatchRejected::Empty, 42208),
        (r#"{"entries":[]}"#, BatchRejected::Empty, 42208),
        (
            r#"{"entries":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#,
            BatchRejected::TooMany { limit: 2 },
            42208,
        ),
        (r#"{"entries":[{}]}"#, BatchRejected::Id, 42208),
        (r#"{"entries":[{"id":1}]}"#, BatchRejected::Id, 42208),
        (r#"{"entries":[{"id":""}]}"#, BatchRejected::Id, 42208),
        (r#"{"entries":[{"id":"a b"}]}"#, BatchRejected::Id, 42208),
        (&long, BatchRejected::Id, 42208),
        (r#"{"entries":[{"id":"a"},{"id":"a"}]}"#, BatchRejected::SameId, 42208),
    ];
    for (body, rejected, code) in table {
        let found = batch(body).unwrap_err();
        assert_eq!(found, rejected, "{body}");
        assert_eq!(found.code(), (422, code), "{body}");
    }
    assert_eq!(batch("{").unwrap_err().code(), (400, 400));
    assert_eq!(batch(r#"{"entries":[1]}"#).unwrap_err().code(), (400, 400));
}

#[test]
fn reports_have_confluents_fields() {
    let object = r#"{"key":{"type":"STRING","data":"k"},"value":{"type":"JSON","data":[1]}}"#;
    let produce = read(object).unwrap();
    let stored = Outcome::Stored { partition: 2, offset: Some(9) };
    let expected = json!({
        "error_code": 200, "cluster_id": "c", "topic_name": "t", "partition_id": 2, "offset": 9,
        "timestamp": "1970-01-01T00:00:00.007Z",
        "key": { "type": "STRING", "size": 1 }, "value": { "type": "JSON", "size": 3 },
    });
    assert_eq!(Value::Object(report("c", &produce, &stored)), expected);
    let failed = Outcome::Failed { error_code: 40401, message: "no \"t\"".to_owned() };
    let expected = json!({ "error_code": 40401, "message": "no \"t\"" });
    assert_eq!(Value::Object(report("c", &produce, &failed)), expected);

    let reports = vec![
        ("a".to_owned(), report("c", &produce, &stored)),
        ("b".to_owned(), report("c", &produce, &failed)),
    ];
    let answer: Value = serde_json::from_slice(&batch_answer(reports)).unwrap();
    assert_eq!(answer["successes"][0]["id"], "a");
    assert_eq!(answer["successes"][0]["offset"], 9);
    let failures = json!([{ "id": "b", "error_code": 40401, "message": "no \"t\"" }]);
    assert_eq!(answer["failures"], failures);
}

proptest! {
    #[test]
    fn hostile_requests_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), inner in r#"([\[\]{},:]|"key"|"value"|"type"|"data"|"JSON"|"BINARY"|"timestamp"|"id"|null|[0-9]{1,20}){0,20}"#) {
        let body = Bytes::from(bytes.clone());
        let _ = produce(&body, &envelope());
        let _ = entries(&body, 10, &envelope());
        let _ = read(&format!("{{{inner}}}"));
        let _ = batch(&format!("{{\"entries\":[{{{inner}}}]}}"));
        let mut framer = Framer::default();
        while framer.end_in(&bytes).is_some_and(|end| end > bytes.len()) {}
    }
}
