//! Pure: the requests that clients send. Each follows from the number of its client and its own, so that nobody has to keep
//! what was sent to know how it must arrive.

use crate::ledger::Token;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The topics that are sent to, and their partitions.
pub const TOPICS: [(&str, u16); 3] = [("left", 3), ("middle", 1), ("right", 6)];
/// Of so many clients one speaks Confluent's API: its answers come from Kafka, and it waits for them.
const ONE_IN: u32 = 4;
/// The most records of a request.
const RECORDS_MAX: u32 = 7;
/// The most bytes that a record has beside its token and what belongs to its form.
const PAD_MAX: u32 = 120;

/// How a request's records are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The body is one.
    Json,
    /// Each line is one.
    Lines,
    /// The body is one.
    Text,
    /// Confluent's version 2 with values in JSON.
    ConfluentJson,
    /// The same in base64.
    ConfluentBinary,
}

/// A record as it must arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key in Kafka.
    pub key: Vec<u8>,
    /// Its value in Kafka.
    pub value: Vec<u8>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where its records go.
    pub topic: &'static str,
    /// They.
    pub records: Vec<Record>,
    form: Form,
    /// The key before its form has its way with it.
    key: String,
}

impl Request {
    /// The request of a client that is its `number`th, counted from 0.
    pub fn of(client: u32, number: u32) -> Self {
        let form = match (client % ONE_IN == ONE_IN - 1, number % 6) {
            (true, even) if even % 2 == 0 => Form::ConfluentJson,
            (true, _) => Form::ConfluentBinary,
            (false, 0 | 3) => Form::Json,
            (false, 1 | 4) => Form::Lines,
            (false, _) => Form::Text,
        };
        let many = matches!(form, Form::Lines | Form::ConfluentJson | Form::ConfluentBinary);
        let count = if many { 1 + number % RECORDS_MAX } else { 1 };
        // One key is the client's own, and one it shares with others.
        let key = match number % 5 {
            0 | 1 => format!("shared-{}", client % 2),
            _ => format!("client-{client}"),
        };
        let record = |index| Record {
            key: form.key(&key),
            value: form.value(Token { client, request: number, index }).into_bytes(),
        };
        // Each form goes everywhere.
        let (topic, _) = TOPICS[(number / 6).wrapping_add(number) as usize % TOPICS.len()];
        Self { topic, records: (0..count).map(record).collect(), form, key }
    }

    /// How it goes over the wire, with HTTP/1.1.
    pub fn bytes(&self) -> Vec<u8> {
        let (topic, key) = (self.topic, &self.key);
        let (query, content_type) = match self.form {
            Form::Json => (format!("?key={key}"), "application/json"),
            Form::Lines => (format!("?key={key}"), "application/x-ndjson"),
            Form::Text => (format!("?key={key}"), "text/plain"),
            Form::ConfluentJson => (String::new(), "application/vnd.kafka.json.v2+json"),
            Form::ConfluentBinary => (String::new(), "application/vnd.kafka.binary.v2+json"),
        };
        let body = self.body();
        let mut bytes = format!(
            "POST /topics/{topic}{query} HTTP/1.1\r\nhost: ledger\r\ncontent-type: {content_type}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend(body);
        bytes
    }

    fn body(&self) -> Vec<u8> {
        let values: Vec<&[u8]> = self.records.iter().map(|record| &*record.value).collect();
        match self.form {
            Form::Json | Form::Lines | Form::Text => values.join(&b'\n'),
            Form::ConfluentJson | Form::ConfluentBinary => {
                let record = |record: &Record| match self.form {
                    Form::ConfluentJson => format!(
                        r#"{{"key":"{}","value":{}}}"#,
                        self.key,
                        String::from_utf8_lossy(&record.value)
                    ),
                    _ => format!(
                        r#"{{"key":"{}","value":"{}"}}"#,
                        STANDARD.encode(&self.key),
                        STANDARD.encode(&record.value)
                    ),
                };
                let records: Vec<String> = self.records.iter().map(record).collect();
                format!(r#"{{"records":[{}]}}"#, records.join(",")).into_bytes()
            }
        }
    }
}

impl Form {
    fn key(self, key: &str) -> Vec<u8> {
        match self {
            // What is JSON in the request is JSON in Kafka.
            Form::ConfluentJson => format!("\"{key}\"").into_bytes(),
            _ => key.as_bytes().to_vec(),
        }
    }

    fn value(self, token: Token) -> String {
        let length = (token.request.wrapping_mul(31) + token.index * 7) % PAD_MAX;
        let pad = "x".repeat(length as usize);
        match self {
            Form::Text | Form::ConfluentBinary => format!("@{token}@ {pad}."),
            _ => format!(r#"{{"who":"@{token}@","pad":"{pad}"}}"#),
        }
    }
}

/// What a value says of itself, whole or not.
pub(crate) fn token(value: &[u8]) -> Option<Token> {
    std::str::from_utf8(value).ok()?.split('@').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Form, Request, token};
    use crate::ledger::Token;
    use std::collections::BTreeSet;

    #[test]
    fn every_record_says_who_it_is_and_no_two_the_same() {
        let mut seen = BTreeSet::new();
        for (client, number) in
            (0..8).flat_map(|client| (0..60).map(move |number| (client, number)))
        {
            let request = Request::of(client, number);
            for (index, record) in (0..).zip(&request.records) {
                let expected = Token { client, request: number, index };
                assert_eq!(token(&record.value), Some(expected));
                assert!(seen.insert(record.value.clone()));
            }
        }
    }

    #[test]
    fn all_forms_are_sent_to_all_topics() {
        let mut seen = BTreeSet::new();
        for (client, number) in
            (0..4).flat_map(|client| (0..60).map(move |number| (client, number)))
        {
            let request = Request::of(client, number);
            seen.insert((format!("{:?}", request.form), request.topic));
        }
        assert_eq!(seen.len(), 5 * 3, "{seen:?}");
    }

    #[test]
    fn a_request_has_its_form() {
        let all = || (0..48).map(|n| Request::of(n % 4, n / 4));
        let find = |form| all().find(|request| request.form == form).unwrap();
        let text = |form| String::from_utf8(find(form).bytes()).unwrap();
        let json = text(Form::Json);
        let body = "{\"who\":\"@0-0-0@\",\"pad\":\"\"}";
        let expected = format!(
            "POST /topics/left?key=shared-0 HTTP/1.1\r\nhost: ledger\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(json, expected);
        assert!(text(Form::Lines).contains("x-ndjson\r\n"));
        assert!(text(Form::Text).contains("\r\n\r\n@"));
        assert!(text(Form::ConfluentJson).contains(r#"{"records":[{"key":""#));
        let binary = find(Form::ConfluentBinary);
        assert!(!String::from_utf8(binary.bytes()).unwrap().contains('@'));
        assert!(
            binary.records[0].key.starts_with(b"client")
                || binary.records[0].key.starts_with(b"shared")
        );
    }
}
