//! Pure: what all records of a request have in common.

use super::Rejected;
use crate::{Accepted, AcceptedHeader};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How many records one request may bring: a record in memory is larger than the two bytes it can come in.
pub const RECORDS_MAX: usize = 100_000;

/// What all records of a request have in common, unless a record says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where they go.
    pub topic: Arc<str>,
    /// Where in the topic; what the path or the route says, which no record overrides.
    pub partition: Option<i32>,
    /// Milliseconds since 1970: when the request came, or what it says.
    pub timestamp: i64,
    /// The key that the query or the route gives.
    pub key: Option<Bytes>,
    /// Headers that every record gets, before its own.
    pub headers: Vec<AcceptedHeader>,
    /// Whether a body that calls itself JSON or text has to be that.
    pub checked: bool,
}

impl Envelope {
    /// For `topic`, with nothing but the time at which the request came.
    pub fn new(topic: Arc<str>, timestamp: i64) -> Self {
        Self { topic, partition: None, timestamp, key: None, headers: Vec::new(), checked: true }
    }

    /// A record with this value.
    pub fn record(&self, value: Option<Bytes>) -> Accepted {
        Accepted {
            topic: self.topic.clone(),
            partition: self.partition,
            timestamp: self.timestamp,
            key: self.key.clone(),
            value,
            headers: self.headers.clone(),
            idempotency: None,
        }
    }

    /// What `parts` name a request by, for this topic: the first 128 bits of their SHA-256, each with its length before
    /// it, so that no two lists of parts look alike.
    pub fn identity(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut hash = Sha256::new();
        for part in [self.topic.as_bytes()].iter().chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut identity = [0; 16];
        identity.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        identity
    }
}

/// Adds a record to those of its request.
pub(super) fn push(records: &mut Vec<Accepted>, record: Accepted) -> Result<(), Rejected> {
    if records.len() == RECORDS_MAX {
        return Err(Rejected::TooMany { limit: RECORDS_MAX });
    }
    records.push(record);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Envelope;

    #[test]
    fn identities_differ_where_topic_or_parts_do() {
        let envelope = |topic: &str| Envelope::new(topic.into(), 0);
        let one = envelope("t").identity(&[b"ab", b"c"]);
        assert_eq!(one, envelope("t").identity(&[b"ab", b"c"]));
        assert_ne!(one, envelope("t").identity(&[b"a", b"bc"]));
        assert_ne!(one, envelope("u").identity(&[b"ab", b"c"]));
    }
}
