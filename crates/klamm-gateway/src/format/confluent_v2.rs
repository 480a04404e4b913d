//! Pure: version 2 of Confluent's REST API: what it asks to be produced, and how it is answered.
//!
//! Beside what Confluent's own server reads, records may carry `headers` and a `timestamp`, in the form in which other servers of this
//! API take them. Values in JSON are passed on as they were written.

use super::envelope::push;
use super::json::Scanner;
use super::read::{self, Fault};
use super::{Envelope, RECORDS_MAX, Rejected};
use crate::{Accepted, AcceptedHeader};
use bytes::Bytes;

/// The content type of answers.
pub const CONTENT_TYPE: &str = "application/vnd.kafka.v2+json";
/// The topic does not exist.
pub const TOPIC_NOT_FOUND: i32 = 40401;
/// The partition does not exist.
pub const PARTITION_NOT_FOUND: i32 = 40402;
/// Kafka refused, and will again.
pub const KAFKA_ERROR: i32 = 50002;
/// Kafka refused, and may not another time.
pub const KAFKA_RETRIABLE: i32 = 50003;
/// A request without records.
pub const UNPROCESSABLE: i32 = 422;

/// What a record may say; a field that nobody knows is a slip that would lose what it was to say.
const FIELDS: &str = "key, value, partition, timestamp and headers";

/// How many headers a record may have.
pub(super) const HEADERS_MAX: usize = 1000;

/// How keys and values are written in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedded {
    /// As JSON.
    Json,
    /// As strings in base64.
    Binary,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A broker has it.
    Stored {
        /// Where.
        partition: i32,
        /// At which offset; `None` if the broker no longer knew.
        offset: Option<i64>,
    },
    /// None has.
    Failed {
        /// One of the codes of this API.
        error_code: i32,
        /// For people.
        message: String,
    },
}

/// The records that `body` asks to be produced.
///
/// # Errors
/// The first thing that is wrong: all or none. [`Rejected::Empty`] is answered with [`UNPROCESSABLE`].
pub fn records(
    body: &Bytes,
    embedded: Embedded,
    envelope: &Envelope,
) -> Result<Vec<Accepted>, Rejected> {
    let mut records = Vec::new();
    read::whole(body, |scanner| {
        read::begins(scanner, b'{', "an object with records")?;
        scanner.fields::<Fault>(|scanner, name| match name {
            "records" => {
                read::begins(scanner, b'[', "an array of records")?;
                records.clear();
                scanner.items(|scanner| {
                    let record = record(scanner, body, embedded, envelope)?;
                    Ok(push(&mut records, record)?)
                })
            }
            _ => Ok(scanner.skip()?),
        })
    })?;
    if records.is_empty() { Err(Rejected::Empty) } else { Ok(records) }
}

fn record(
    scanner: &mut Scanner<'_>,
    body: &Bytes,
    embedded: Embedded,
    envelope: &Envelope,
) -> Result<Accepted, Fault> {
    read::begins(scanner, b'{', "a record")?;
    let mut record = envelope.record(None);
    let data = |scanner: &mut Scanner<'_>| {
        read::optional(scanner, |scanner| match embedded {
            Embedded::Json => Ok(body.slice(scanner.value()?)),
            Embedded::Binary => read::base64(scanner),
        })
    };
    scanner.fields::<Fault>(|scanner, name| {
        match name {
            "key" => record.key = data(scanner)?,
            "value" => record.value = data(scanner)?,
            "partition" => {
                let asked = read::optional(scanner, read::partition)?;
                record.partition = envelope.partition.or(asked);
            }
            "timestamp" => {
                let time = read::optional(scanner, |scanner| {
                    read::integer(scanner, "milliseconds since 1970", |time| *time >= 0)
                })?;
                record.timestamp = time.unwrap_or(envelope.timestamp);
            }
            "headers" => {
                let headers = read::optional(scanner, headers)?.unwrap_or_default();
                record.headers.truncate(envelope.headers.len());
                record.headers.extend(headers);
            }
            _ => {
                return Err(Fault::Field { known: FIELDS, at: scanner.position() });
            }
        }
        Ok(())
    })?;
    Ok(record)
}

/// Headers with values in base64; their names are under `name`, or under `key` as some clients have it.
pub(super) fn headers(scanner: &mut Scanner<'_>) -> Result<Vec<AcceptedHeader>, Fault> {
    read::begins(scanner, b'[', "an array of headers")?;
    let mut headers = Vec::new();
    scanner.items::<Fault>(|scanner| {
        let at = scanner.position();
        if headers.len() == HEADERS_MAX {
            return Err(Fault::Value { expected: "no more than 1,000 headers", at });
        }
        read::begins(scanner, b'{', "a header")?;
        let (mut header_name, mut value) = (None, None);
        scanner.fields::<Fault>(|scanner, name| {
            match name {
                "name" | "key" => {
                    header_name = Some(read::text(scanner, "a header's name")?.into())
                }
                "value" => value = read::optional(scanner, read::base64)?,
                _ => scanner.skip()?,
            }
            Ok(())
        })?;
        let name = header_name.ok_or(Fault::Value { expected: "a header with a name", at })?;
        headers.push(AcceptedHeader { name, value });
        Ok(())
    })?;
    Ok(headers)
}

/// The body of the answer to a request whose records met these ends, in order.
pub fn answer(outcomes: &[Outcome]) -> Vec<u8> {
    let mut body = Vec::with_capacity(64 + outcomes.len().min(RECORDS_MAX) * 64);
    body.extend_from_slice(b"{\"offsets\":[");
    for (index, outcome) in outcomes.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let line = match outcome {
            Outcome::Stored { partition, offset } => {
                let offset = offset.map_or("null".to_owned(), |offset| offset.to_string());
                format!(
                    r#"{{"partition":{partition},"offset":{offset},"error_code":null,"error":null}}"#
                )
            }
            Outcome::Failed { error_code, message } => format!(
                r#"{{"partition":null,"offset":null,"error_code":{error_code},"error":{}}}"#,
                serde_json::Value::from(message.as_str())
            ),
        };
        body.extend_from_slice(line.as_bytes());
    }
    body.extend_from_slice(b"],\"key_schema_id\":null,\"value_schema_id\":null}");
    body
}

/// The body of an answer that says why nothing was done.
pub fn error(error_code: i32, message: &str) -> Vec<u8> {
    let message = serde_json::Value::from(message);
    format!(r#"{{"error_code":{error_code},"message":{message}}}"#).into_bytes()
}

/// The status and the code with which a request is answered that was not understood.
pub fn code(rejected: &Rejected) -> (u16, i32) {
    match rejected {
        Rejected::Empty => (422, UNPROCESSABLE),
        rejected => (rejected.status(), i32::from(rejected.status())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope() -> Envelope {
        Envelope::new("t".into(), 7)
    }

    fn read(body: &str, embedded: Embedded) -> Result<Vec<Accepted>, Rejected> {
        records(&Bytes::copy_from_slice(body.as_bytes()), embedded, &envelope())
    }

    #[test]
    fn records_in_json_are_passed_on_as_written() {
        let body = r#"{"key_schema":null,"records":[{"key":"k","value":{"a": 1}},{"value":null,"partition":2},{}]}"#;
        let records = read(body, Embedded::Json).unwrap();
        let of = |key: Option<&str>, value: Option<&str>, partition| Accepted {
            key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
            partition,
            ..envelope().record(value.map(|value| Bytes::copy_from_slice(value.as_bytes())))
        };
        let expected = [
            of(Some("\"k\""), Some("{\"a\": 1}"), None),
            of(None, None, Some(2)),
            of(None, None, None),
        ];
        assert_eq!(records, expected);
    }

    #[test]
    fn records_in_base64_are_what_they_stand_for() {
        let body = r#"{"records":[{"key":"a2V5","value":"Y29uZmx1ZW50","timestamp":5,
            "headers":[{"name":"a","value":"aGk="},{"key":"b","value":null}]}]}"#;
        let records = read(body, Embedded::Binary).unwrap();
        assert_eq!(records[0].key.as_deref(), Some(&b"key"[..]));
        assert_eq!(records[0].value.as_deref(), Some(&b"confluent"[..]));
        assert_eq!(records[0].timestamp, 5);
        let headers = [
            AcceptedHeader { name: "a".into(), value: Some(Bytes::from_static(b"hi")) },
            AcceptedHeader { name: "b".into(), value: None },
        ];
        assert_eq!(records[0].headers, headers);
    }

    #[test]
    fn the_paths_partition_comes_first() {
        let envelope = Envelope { partition: Some(3), ..envelope() };
        let body = Bytes::from_static(br#"{"records":[{"value":1,"partition":2}]}"#);
        let records = records(&body, Embedded::Json, &envelope).unwrap();
        assert_eq!(records[0].partition, Some(3));
    }

    #[test]
    fn what_is_wrong_has_its_status_and_place() {
        let table = [
            ("{}", 422, "no record in the request"),
            (r#"{"records":[]}"#, 422, "no record in the request"),
            ("[]", 400, "expected an object with records at line 1, column 1"),
            (r#"{"records":[1]}"#, 400, "expected a record at line 1, column 13"),
            (
                r#"{"records":[{"foo":1}]}"#,
                422,
                "unknown field, of which the value is at line 1, column 20; there are key, value, partition, timestamp and headers",
            ),
            (
                r#"{"records":[{"value":"@"}]}"#,
                400,
                "expected a string in base64 at line 1, column 22",
            ),
            (
                r#"{"records":[{"value":{}}]}"#,
                400,
                "expected a string in base64 at line 1, column 22",
            ),
            (
                r#"{"records":[{"partition":-1}]}"#,
                400,
                "expected a partition's number at line 1, column 26",
            ),
            (
                r#"{"records":[{"headers":[{}]}]}"#,
                400,
                "expected a header with a name at line 1, column 25",
            ),
            (r#"{"records":[{"#, 400, "the text ends within a value at line 1, column 14"),
        ];
        for (body, status, message) in table {
            let rejected = read(body, Embedded::Binary).unwrap_err();
            assert_eq!(code(&rejected), (status, i32::from(status)), "{body}");
            assert_eq!(rejected.to_string(), message, "{body}");
        }
    }

    #[test]
    fn answers_have_confluents_fields() {
        let failed = Outcome::Failed { error_code: KAFKA_RETRIABLE, message: "a \"b\"".to_owned() };
        let outcomes = [
            Outcome::Stored { partition: 1, offset: Some(42) },
            Outcome::Stored { partition: 1, offset: None },
            failed,
        ];
        let body: serde_json::Value = serde_json::from_slice(&answer(&outcomes)).unwrap();
        let expected = serde_json::json!({
            "offsets": [
                { "partition": 1, "offset": 42, "error_code": null, "error": null },
                { "partition": 1, "offset": null, "error_code": null, "error": null },
                { "partition": null, "offset": null, "error_code": 50003, "error": "a \"b\"" },
            ],
            "key_schema_id": null,
            "value_schema_id": null,
        });
        assert_eq!(body, expected);
        let body: serde_json::Value =
            serde_json::from_slice(&error(TOPIC_NOT_FOUND, "Topic not found.")).unwrap();
        let expected = serde_json::json!({ "error_code": 40401, "message": "Topic not found." });
        assert_eq!(body, expected);
    }

    proptest! {
        #[test]
        fn hostile_requests_never_panic(
            inner in r#"([\[\]{},:]|"records"|"key"|"value"|"partition"|"headers"|"name"|"aGk="|-?[0-9]{1,12}|null){0,20}"#,
        ) {
            for body in [inner.clone(), format!("{{\"records\":[{{{inner}}}]}}")] {
                let _ = read(&body, Embedded::Json);
                let _ = read(&body, Embedded::Binary);
            }
        }
    }
}
