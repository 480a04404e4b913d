//! A record on its way from an HTTP request to Kafka.

use bytes::Bytes;
use std::sync::Arc;

/// A record that a client wants in Kafka, in the form in which it is written down.
///
/// Keys, values and headers are slices of the request's body where that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Where it goes.
    pub topic: Arc<str>,
    /// Set when the client or its route chose one; else the partitioner does.
    pub partition: Option<i32>,
    /// Milliseconds since 1970. Always set: it is when the gateway took the record, unless the client said otherwise.
    pub timestamp: i64,
    /// `None` is null.
    pub key: Option<Bytes>,
    /// `None` is null: a tombstone.
    pub value: Option<Bytes>,
    /// In order; names may repeat.
    pub headers: Vec<AcceptedHeader>,
    /// A hash of what the client names the request by (`Idempotency-Key`, `webhook-id`, `ce-id` and source), so that the
    /// same request is not taken twice; kept in the log, hence over restarts. Its last four bytes may stand for what the
    /// request brings, so that another one of the same name is told apart.
    pub idempotency: Option<[u8; 16]>,
}

/// A header of an [`Accepted`] record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedHeader {
    /// Its name.
    pub name: Arc<str>,
    /// `None` is null.
    pub value: Option<Bytes>,
}

impl Accepted {
    /// Bytes of key, value and headers: what budgets and limits count.
    pub fn bytes(&self) -> usize {
        let part = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter().map(|header| header.name.len() + part(&header.value));
        part(&self.key) + part(&self.value) + headers.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_kept_counts() {
        let header = AcceptedHeader { name: "id".into(), value: Some(Bytes::from_static(b"77")) };
        let null = AcceptedHeader { name: "x".into(), value: None };
        let record = Accepted {
            topic: "t".into(),
            partition: None,
            timestamp: 0,
            key: Some(Bytes::from_static(b"key")),
            value: Some(Bytes::from_static(b"value")),
            headers: vec![header, null],
            idempotency: None,
        };
        assert_eq!(record.bytes(), 3 + 5 + 4 + 1);
        assert_eq!(Accepted { key: None, value: None, headers: vec![], ..record }.bytes(), 0);
    }
}
