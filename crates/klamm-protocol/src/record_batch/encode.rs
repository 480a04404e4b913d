//! Records into bytes: the innermost loop of the producer.

use crate::primitives::{varint_len, varlong_len};

/// A header of a record: a name that need not be unique, and a value that may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// A record as it stands in a batch: times and offsets as differences to those of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordParts<'a> {
    /// Milliseconds since the base timestamp.
    pub timestamp_delta: i64,
    /// Offset since the base offset.
    pub offset_delta: i32,
    /// Its key; null is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// Its value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [Header<'a>],
}

/// Bytes that hold everything of a record before its key: five varints of at most ten bytes.
const HEAD_BYTES: usize = 64;

/// Bytes the whole record takes, its length prefix included.
pub fn encoded_record_len(r: &RecordParts<'_>) -> usize {
    let body = body_len(r);
    varint_len(clamp(body)) + body
}

fn body_len(r: &RecordParts<'_>) -> usize {
    1 + varlong_len(r.timestamp_delta)
        + varint_len(r.offset_delta)
        + field_len(r.key)
        + field_len(r.value)
        + headers_len(r.headers)
}

fn headers_len(headers: &[Header<'_>]) -> usize {
    let each = |h: &Header<'_>| field_len(Some(h.key.as_bytes())) + field_len(h.value);
    varint_len(clamp(headers.len())) + headers.iter().map(each).sum::<usize>()
}

#[inline]
fn field_len(field: Option<&[u8]>) -> usize {
    match field {
        Some(bytes) => varint_len(clamp(bytes.len())) + bytes.len(),
        None => 1,
    }
}

/// Lengths are 32 bit on the wire; a longer field is over every size limit long before this.
#[inline]
fn clamp(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// Writes a record at the start of `out` and returns its length, or `None`, with `out` unspecified,
/// when it does not fit.
#[inline]
pub fn encode_record(out: &mut [u8], r: &RecordParts<'_>) -> Option<usize> {
    let mut head = Head::new(r);
    let key = r.key.unwrap_or_default();
    let value = r.value.unwrap_or_default();
    if key.is_empty() {
        head.len_of(r.key);
        head.len_of(r.value);
        let total = head.at + value.len() + 1;
        if r.headers.is_empty() && out.len() >= total.max(HEAD_BYTES) {
            // One copy of constant size, whatever the head's length: what it writes too much is
            // overwritten by the value and by the next record.
            out[..HEAD_BYTES].copy_from_slice(&head.bytes);
            out[head.at..total - 1].copy_from_slice(value);
            out[total - 1] = 0;
            return Some(total);
        }
        let mut to = Writer { out, at: 0 };
        to.put(&head.bytes[..head.at])?;
        to.put(value)?;
        to.headers(r.headers)?;
        return Some(to.at);
    }
    head.len_of(r.key);
    let mut to = Writer { out, at: 0 };
    to.put(&head.bytes[..head.at])?;
    to.put(key)?;
    to.field(r.value)?;
    to.headers(r.headers)?;
    Some(to.at)
}

/// Writes everything before the bytes of the value, which the caller keeps elsewhere; `None` when it
/// does not fit. Head, value and [`encode_record_tail`] in a row are the record.
pub fn encode_record_head(out: &mut [u8], r: &RecordParts<'_>) -> Option<usize> {
    let mut head = Head::new(r);
    head.len_of(r.key);
    let mut to = Writer { out, at: 0 };
    to.put(&head.bytes[..head.at])?;
    to.put(r.key.unwrap_or_default())?;
    to.len_of(r.value)?;
    Some(to.at)
}

/// Writes everything after the bytes of the value; `None` when it does not fit.
pub fn encode_record_tail(out: &mut [u8], headers: &[Header<'_>]) -> Option<usize> {
    let mut to = Writer { out, at: 0 };
    to.headers(headers)?;
    Some(to.at)
}

/// The start of a record, built where no bounds need checking: positions are masked.
struct Head {
    bytes: [u8; HEAD_BYTES],
    at: usize,
}

impl Head {
    #[inline]
    fn new(r: &RecordParts<'_>) -> Self {
        let mut head = Head { bytes: [0; HEAD_BYTES], at: 0 };
        head.varint(zigzag(i64::from(clamp(body_len(r)))));
        head.varint(0); // attributes: none are defined
        head.varint(zigzag(r.timestamp_delta));
        head.varint(zigzag(i64::from(r.offset_delta)));
        head
    }

    #[inline]
    fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.bytes[self.at & (HEAD_BYTES - 1)] = (v as u8) | 0x80;
            self.at += 1;
            v >>= 7;
        }
        self.bytes[self.at & (HEAD_BYTES - 1)] = v as u8;
        self.at += 1;
    }

    #[inline]
    fn len_of(&mut self, field: Option<&[u8]>) {
        self.varint(zigzag(field.map_or(-1, |f| i64::from(clamp(f.len())))));
    }
}

#[inline]
fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

/// Appends to a slice and says when it is full.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(self.at..self.at + bytes.len())?.copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    #[inline]
    fn varint(&mut self, v: i64) -> Option<()> {
        let mut v = zigzag(v);
        while v >= 0x80 {
            *self.out.get_mut(self.at)? = (v as u8) | 0x80;
            self.at += 1;
            v >>= 7;
        }
        *self.out.get_mut(self.at)? = v as u8;
        self.at += 1;
        Some(())
    }

    #[inline]
    fn len_of(&mut self, field: Option<&[u8]>) -> Option<()> {
        self.varint(field.map_or(-1, |f| i64::from(clamp(f.len()))))
    }

    #[inline]
    fn field(&mut self, field: Option<&[u8]>) -> Option<()> {
        self.len_of(field)?;
        self.put(field.unwrap_or_default())
    }

    #[inline]
    fn headers(&mut self, headers: &[Header<'_>]) -> Option<()> {
        self.varint(i64::from(clamp(headers.len())))?;
        for header in headers {
            self.field(Some(header.key.as_bytes()))?;
            self.field(header.value)?;
        }
        Some(())
    }
}
