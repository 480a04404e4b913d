//! Pure: a dead letter, as a line of JSON and as a record of a topic.

use crate::accepted::{Accepted, AcceptedHeader};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use klamm::ErrorCode;
use serde_json::{Value, json};
use std::sync::Arc;

const TOPIC: &str = "klamm-dlq-topic";
const PARTITION: &str = "klamm-dlq-partition";
const ERROR: &str = "klamm-dlq-error";
const REASON: &str = "klamm-dlq-reason";
const AT: &str = "klamm-dlq-at";

/// A record that Kafka will never take, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Instance and sequence, as in the header `klamm-id`.
    pub id: String,
    /// What was accepted.
    pub record: Accepted,
    /// What Kafka said, or would have.
    pub error: ErrorCode,
    /// The same in words.
    pub reason: Arc<str>,
    /// When it was given up, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Why a line or a record is no dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no dead letter: {0}")]
pub struct LetterError(String);

impl Letter {
    /// One line of JSON, without the line's end. Key, value and header values are in base64.
    pub fn to_line(&self) -> String {
        let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
        let header = |header: &AcceptedHeader| json!([&*header.name, bytes(&header.value)]);
        let record = &self.record;
        json!({
            "id": self.id,
            "topic": &*record.topic,
            "partition": record.partition,
            "timestamp": record.timestamp,
            "key": bytes(&record.key),
            "value": bytes(&record.value),
            "headers": record.headers.iter().map(header).collect::<Vec<_>>(),
            "error": self.error.name().map_or_else(|| self.error.0.to_string(), str::to_owned),
            "error_code": self.error.0,
            "reason": &*self.reason,
            "at": self.at_ms,
        })
        .to_string()
    }

    /// Reads a line that [`Letter::to_line`] wrote.
    ///
    /// # Errors
    /// [`LetterError`], with the field that is wrong.
    pub fn from_line(line: &str) -> Result<Self, LetterError> {
        let line: Value = serde_json::from_str(line).map_err(|e| LetterError(e.to_string()))?;
        let text = |name: &str| line[name].as_str().ok_or_else(|| wrong(name));
        let number = |name: &str| line[name].as_i64().ok_or_else(|| wrong(name));
        let code = i16::try_from(number("error_code")?).map_err(|_| wrong("error_code"))?;
        let partition = match &line["partition"] {
            Value::Null => None,
            _ => Some(i32::try_from(number("partition")?).map_err(|_| wrong("partition"))?),
        };
        let headers = line["headers"].as_array().ok_or_else(|| wrong("headers"))?;
        Ok(Self {
            id: text("id")?.to_owned(),
            record: Accepted {
                topic: text("topic")?.into(),
                partition,
                timestamp: number("timestamp")?,
                key: bytes(&line["key"], "key")?,
                value: bytes(&line["value"], "value")?,
                headers: headers.iter().map(header).collect::<Result<_, _>>()?,
                idempotency: None,
            },
            error: ErrorCode(code),
            reason: text("reason")?.into(),
            at_ms: number("at")?,
        })
    }

    /// The headers of its record in a topic: those it had, the id, and what went wrong.
    pub fn headers(&self) -> Vec<(String, Option<Bytes>)> {
        let had = |header: &AcceptedHeader| (header.name.to_string(), header.value.clone());
        let mut headers: Vec<_> = self.record.headers.iter().map(had).collect();
        let mut add = |name: &str, value: String| {
            headers.push((name.to_owned(), Some(Bytes::from(value))));
        };
        add(super::super::forward::ID_HEADER, self.id.clone());
        add(TOPIC, self.record.topic.to_string());
        if let Some(partition) = self.record.partition {
            add(PARTITION, partition.to_string());
        }
        let error = self.error.name().map_or_else(|| self.error.0.to_string(), str::to_owned);
        add(ERROR, error);
        add(REASON, self.reason.to_string());
        add(AT, self.at_ms.to_string());
        headers
    }

    /// Reads a record of a topic of dead letters: its headers, key, value and timestamp.
    ///
    /// # Errors
    /// [`LetterError`] when it does not say where it was to go.
    pub fn from_record(
        headers: &[(String, Option<Bytes>)],
        key: Option<Bytes>,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<Self, LetterError> {
        // Ours are behind those that the record had.
        let ours = |name: &str| {
            let found = headers.iter().rev().find(|(known, _)| known == name)?.1.as_ref()?;
            std::str::from_utf8(found).ok()
        };
        let topic = ours(TOPIC).ok_or_else(|| wrong(TOPIC))?;
        let id = super::super::forward::ID_HEADER;
        let error = ours(ERROR).unwrap_or_default();
        let row = ErrorCode::table().iter().find(|row| row.1 == error);
        let code = row.map_or_else(|| error.parse().unwrap_or(-1), |row| row.0);
        let own = [id, TOPIC, PARTITION, ERROR, REASON, AT];
        let had = headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let had = had.map(|(name, value)| AcceptedHeader {
            name: name.as_str().into(),
            value: value.clone(),
        });
        Ok(Self {
            id: ours(id).unwrap_or_default().to_owned(),
            record: Accepted {
                topic: topic.into(),
                partition: ours(PARTITION).and_then(|partition| partition.parse().ok()),
                timestamp,
                key,
                value,
                headers: had.collect(),
                idempotency: None,
            },
            error: ErrorCode(code),
            reason: ours(REASON).unwrap_or_default().into(),
            at_ms: ours(AT).and_then(|at| at.parse().ok()).unwrap_or_default(),
        })
    }
}

fn wrong(name: &str) -> LetterError {
    LetterError(format!("{name} is missing or wrong"))
}

fn bytes(value: &Value, name: &str) -> Result<Option<Bytes>, LetterError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            STANDARD.decode(text).map(|bytes| Some(bytes.into())).map_err(|_| wrong(name))
        }
        _ => Err(wrong(name)),
    }
}

fn header(pair: &Value) -> Result<AcceptedHeader, LetterError> {
    let name = pair[0].as_str().ok_or_else(|| wrong("headers"))?;
    Ok(AcceptedHeader { name: name.into(), value: bytes(&pair[1], "headers")? })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn letter(n: i64) -> Letter {
        let header = |name: &str, value| AcceptedHeader { name: name.into(), value };
        Letter {
            id: format!("abc/{n}"),
            record: Accepted {
                topic: "orders".into(),
                partition: Some(3),
                timestamp: 1_700_000_000_000 + n,
                key: None,
                value: Some(Bytes::from_static(b"\x00\xff\"\n")),
                headers: vec![header("x", None), header("x", Some(Bytes::from_static(b"1")))],
                idempotency: None,
            },
            error: ErrorCode::MESSAGE_TOO_LARGE,
            reason: "broker 1 answered MESSAGE_TOO_LARGE".into(),
            at_ms: 1_700_000_000_500,
        }
    }

    #[test]
    fn a_line_says_all_there_is() {
        let letter = letter(7);
        let line = letter.to_line();
        assert!(!line.contains('\n'));
        assert_eq!(Letter::from_line(&line), Ok(letter));
    }

    #[test]
    fn a_record_says_all_there_is() {
        let letter = letter(7);
        let (key, value) = (letter.record.key.clone(), letter.record.value.clone());
        let read = Letter::from_record(&letter.headers(), key, value, letter.record.timestamp);
        assert_eq!(read, Ok(letter));
    }

    #[test]
    fn what_is_no_letter_is_said() {
        for line in ["", "{}", "[1]", r#"{"id":"a","error_code":70000}"#, "{\"id\":"] {
            assert!(Letter::from_line(line).is_err(), "{line}");
        }
        assert!(Letter::from_record(&[], None, None, 0).is_err());
    }
}
