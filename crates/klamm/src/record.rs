//! What an application sends: a topic, a key, a value, headers.

use bytes::Bytes;
use std::ops::Deref;

/// One record on its way to a topic.
///
/// Keys and values are either borrowed - copied into the partition's open batch before the call
/// that takes the record returns - or owned [`Bytes`], which large values keep by reference.
/// Default: no key, a null value, no headers, the partitioner's choice of partition, and the time
/// at which the record is enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<Payload<'a>>,
    pub(crate) value: Option<Payload<'a>>,
    pub(crate) headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// Starts a record for `topic`.
    pub fn to(topic: &'a str) -> Self {
        Self {
            topic,
            partition: None,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Headers::Own(Vec::new()),
        }
    }

    /// Sets the key; without one the key is null, which is not the same as empty.
    pub fn key(mut self, key: impl Into<Payload<'a>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value; without one the value is null, a tombstone in a compacted topic.
    pub fn value(mut self, value: impl Into<Payload<'a>>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Appends a header; order and duplicates are kept.
    pub fn header(mut self, key: &'a str, value: impl Into<Payload<'a>>) -> Self {
        self.headers.push(Header::new(key, value));
        self
    }

    /// Appends a header whose value is null.
    pub fn null_header(mut self, key: &'a str) -> Self {
        self.headers.push(Header::null(key));
        self
    }

    /// Appends headers. As long as they are the only ones, the record takes no memory for them.
    pub fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        if self.headers.is_empty() {
            self.headers = Headers::Lent(headers);
        } else {
            headers.iter().for_each(|header| self.headers.push(header.clone()));
        }
        self
    }

    /// Sends to this partition whatever the partitioner thinks.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the create time, in milliseconds since the epoch.
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// The topic it goes to.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// Key, value and header bytes; what Kafka adds around them is not counted.
    pub fn payload_len(&self) -> usize {
        let len = |p: &Option<Payload<'_>>| p.as_ref().map_or(0, |p| p.as_slice().len());
        let headers = self.headers.iter().map(|h| h.key.len() + len(&h.value)).sum::<usize>();
        len(&self.key) + len(&self.value) + headers
    }

    /// Looks the bytes up.
    #[inline]
    pub(crate) fn view(&self) -> RecordView<'_> {
        let key = self.key.as_ref().map(Payload::as_slice);
        let value = self.value.as_ref().map(Payload::as_slice);
        let payload_len = if self.headers.is_empty() {
            key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
        } else {
            self.payload_len()
        };
        RecordView { record: self, key, value, payload_len }
    }
}

/// A record whose bytes are looked up once: on its way into a batch they are asked for six times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordView<'r> {
    pub(crate) record: &'r Record<'r>,
    pub(crate) key: Option<&'r [u8]>,
    pub(crate) value: Option<&'r [u8]>,
    /// See [`Record::payload_len`].
    pub(crate) payload_len: usize,
}

/// A record header: a name that need not be unique, and a value that may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: Option<Payload<'a>>,
}

impl<'a> Header<'a> {
    /// A header with a value.
    pub fn new(key: &'a str, value: impl Into<Payload<'a>>) -> Self {
        Self { key, value: Some(value.into()) }
    }

    /// A header whose value is null.
    pub fn null(key: &'a str) -> Self {
        Self { key, value: None }
    }
}

/// The headers of a record.
#[derive(Debug, Clone, Eq)]
pub(crate) enum Headers<'a> {
    Own(Vec<Header<'a>>),
    Lent(&'a [Header<'a>]),
}

impl<'a> Headers<'a> {
    fn push(&mut self, header: Header<'a>) {
        if let Self::Lent(lent) = *self {
            *self = Self::Own(lent.to_vec());
        }
        if let Self::Own(own) = self {
            own.push(header);
        }
    }
}

impl<'a> Deref for Headers<'a> {
    type Target = [Header<'a>];

    #[inline]
    fn deref(&self) -> &[Header<'a>] {
        match self {
            Self::Own(own) => own,
            Self::Lent(lent) => lent,
        }
    }
}

impl PartialEq for Headers<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// The bytes of a key, a value or a header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Bytes of the caller's, copied while the record is appended.
    Borrowed(&'a [u8]),
    /// A shared buffer; large ones are sent from where they are.
    Shared(Bytes),
}

impl Payload<'_> {
    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Payload::Borrowed(s) => s,
            Payload::Shared(b) => b,
        }
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(v: &'a [u8]) -> Self {
        Payload::Borrowed(v)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(v: &'a [u8; N]) -> Self {
        Payload::Borrowed(v)
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(v: &'a str) -> Self {
        Payload::Borrowed(v.as_bytes())
    }
}

impl<'a> From<&'a String> for Payload<'a> {
    fn from(v: &'a String) -> Self {
        Payload::Borrowed(v.as_bytes())
    }
}

impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    fn from(v: &'a Vec<u8>) -> Self {
        Payload::Borrowed(v)
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(v: Bytes) -> Self {
        Payload::Shared(v)
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(v: Vec<u8>) -> Self {
        Payload::Shared(v.into())
    }
}

impl From<String> for Payload<'_> {
    fn from(v: String) -> Self {
        Payload::Shared(v.into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, Record};

    #[test]
    fn lent_headers_are_as_good_as_own_ones() {
        let lent = [Header::new("a", "1"), Header::null("b")];
        let own = Record::to("t").header("a", "1").null_header("b");
        assert_eq!(Record::to("t").headers(&lent), own);
        assert_eq!(Record::to("t").header("a", "1").headers(&lent[1..]), own);
        let more = Record::to("t").headers(&lent).header("c", "3");
        assert_eq!(more, own.header("c", "3"));
        assert_eq!((more.payload_len(), lent.len()), (5, 2));
    }
}
