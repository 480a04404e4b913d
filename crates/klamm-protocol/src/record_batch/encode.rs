//! Pure: records into wire bytes, one at a time, into whatever buffer the caller has.
//!
//! A record is written whole with [`encode_record`], or around a value that stays where it is with
//! [`encode_record_head`] and [`encode_record_tail`]: head, value and tail together are the record.

use super::varint::{pack2, pack3, put};
use crate::primitives::{varint_len, varlong_len};

/// What a record is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordParts<'a> {
    /// Milliseconds since the batch's base timestamp; may be negative.
    pub timestamp_delta: i64,
    /// Position in the batch, from 0.
    pub offset_delta: i32,
    /// The key; null is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// The value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
    /// The headers; order and duplicates are kept.
    pub headers: &'a [Header<'a>],
}

/// A name and a value beside the record's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name; never null.
    pub key: &'a str,
    /// The value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
}

/// Bytes that [`encode_record`] writes for `r`, the length in front of it included.
pub fn encoded_record_len(r: &RecordParts<'_>) -> usize {
    let body = record_body_len(r);
    length_len(body).saturating_add(body)
}

/// Bytes of the record behind its own length: what that length says.
fn record_body_len(r: &RecordParts<'_>) -> usize {
    let before_value = 1
        + varlong_len(r.timestamp_delta)
        + varint_len(r.offset_delta)
        + field_len(r.key)
        + length_len_of(r.value);
    before_value
        .saturating_add(r.value.map_or(0, <[u8]>::len))
        .saturating_add(encoded_headers_len(r.headers))
}

/// Length of the record behind its own length, if the `i32` in front of it can say that, and that of the whole record.
fn checked_len(r: &RecordParts<'_>) -> Option<(usize, usize)> {
    let body = record_body_len(r);
    (body <= i32::MAX as usize).then(|| (body, length_len(body) + body))
}

/// Writes one record at the start of `out` and returns how many bytes that took; `None` when it does
/// not fit, and then what `out` holds does not count.
///
/// A record of more than 2,147,483,647 bytes fits nowhere. The bytes are those of Java's `DefaultRecord.writeTo`.
#[inline]
pub fn encode_record(out: &mut [u8], r: &RecordParts<'_>) -> Option<usize> {
    if r.headers.is_empty()
        && let Some(n) = encode_small(out, r)
    {
        return Some(n);
    }
    encode_any(out, r)
}

/// Room that [`encode_small`] wants beyond key and value, so that it may store whole words.
const SMALL_SLACK: usize = 32;
/// Key and value together, so that lengths take two bytes: one 8 KiB window, less what surrounds them.
const SMALL_PAYLOAD: usize = 8 * 1024 - SMALL_SLACK;
/// Deltas below this take at most three bytes: 17 minutes, a million records.
const SMALL_DELTA: u64 = 1 << 20;

/// The record of a hot loop: no headers, short, deltas small. Words are stored over their ends and
/// the next field overwrites the rest, which is why `out` must have slack.
#[inline]
fn encode_small(out: &mut [u8], r: &RecordParts<'_>) -> Option<usize> {
    let (key, value) = (r.key.unwrap_or_default(), r.value.unwrap_or_default());
    let payload = key.len() + value.len();
    let deltas = r.timestamp_delta as u64 | i64::from(r.offset_delta) as u64;
    if payload > SMALL_PAYLOAD || deltas >= SMALL_DELTA || out.len() < payload + SMALL_SLACK {
        return None;
    }
    let (time, time_len) = pack3((r.timestamp_delta as u32) << 1);
    let (offset, offset_len) = pack3((r.offset_delta as u32) << 1);
    let (key_size, key_size_len) = pack2(small_length(r.key));
    let (value_size, value_size_len) = pack2(small_length(r.value));
    let body = 2 + time_len + offset_len + key_size_len + value_size_len + payload;
    let (length, length_len) = pack2((body as u32) << 1);

    // At most 2 + 1 + 3 bytes, then at most 3 + 2 + 2: both fit a word.
    let first = length | time << (8 * (length_len + 1));
    let mut at = length_len + 1 + time_len;
    store(out, 0, first);
    if r.key.is_none() {
        store(
            out,
            at,
            offset | key_size << (8 * offset_len) | value_size << (8 * (offset_len + 1)),
        );
        at += offset_len + 1 + value_size_len;
    } else {
        store(out, at, offset | key_size << (8 * offset_len));
        at += offset_len + key_size_len;
        out[at..at + key.len()].copy_from_slice(key);
        at += key.len();
        store(out, at, value_size);
        at += value_size_len;
    }
    out[at..at + value.len()].copy_from_slice(value);
    at += value.len();
    out[at] = 0; // no headers
    Some(at + 1)
}

/// The zigzag form of a length below [`SMALL_PAYLOAD`], or of null's -1.
#[inline]
fn small_length(field: Option<&[u8]>) -> u32 {
    field.map_or(1, |f| (f.len() as u32) << 1)
}

#[inline]
fn store(out: &mut [u8], at: usize, word: u64) {
    out[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// Any record, field by field.
#[inline(never)]
fn encode_any(out: &mut [u8], r: &RecordParts<'_>) -> Option<usize> {
    let (body, len) = checked_len(r)?;
    let out = out.get_mut(..len)?;
    let mut at = put_head(out, r, body);
    if let Some(value) = r.value {
        at = put_raw(out, at, value);
    }
    Some(put_headers(out, at, r.headers))
}

/// Writes what comes before the bytes of `r.value` - the length of the whole record included - at the
/// start of `out` and returns how many bytes that took; `None` when it does not fit.
///
/// Room for 31 bytes and the key is always enough.
pub fn encode_record_head(out: &mut [u8], r: &RecordParts<'_>) -> Option<usize> {
    let (body, len) = checked_len(r)?;
    let behind = r.value.map_or(0, <[u8]>::len) + encoded_headers_len(r.headers);
    let out = out.get_mut(..len - behind)?;
    Some(put_head(out, r, body))
}

/// Writes what comes after the bytes of the value at the start of `out` and returns how many bytes
/// that took; `None` when it does not fit.
pub fn encode_record_tail(out: &mut [u8], headers: &[Header<'_>]) -> Option<usize> {
    let out = out.get_mut(..encoded_headers_len(headers))?;
    Some(put_headers(out, 0, headers))
}

/// Bytes that [`encode_record_tail`] writes.
fn encoded_headers_len(headers: &[Header<'_>]) -> usize {
    let each = |h: &Header<'_>| field_len(Some(h.key.as_bytes())) + field_len(h.value);
    length_len(headers.len()) + headers.iter().map(each).sum::<usize>()
}

fn put_head(out: &mut [u8], r: &RecordParts<'_>, body: usize) -> usize {
    let at = put(out, 0, body as i64);
    out[at] = 0; // attributes: no bit of a record is in use
    let at = put(out, at + 1, r.timestamp_delta);
    let at = put(out, at, i64::from(r.offset_delta));
    let at = put_field(out, at, r.key);
    put(out, at, r.value.map_or(-1, |v| v.len() as i64))
}

fn put_headers(out: &mut [u8], at: usize, headers: &[Header<'_>]) -> usize {
    let at = put(out, at, headers.len() as i64);
    headers.iter().fold(at, |at, h| {
        let at = put_field(out, at, Some(h.key.as_bytes()));
        put_field(out, at, h.value)
    })
}

fn put_field(out: &mut [u8], at: usize, field: Option<&[u8]>) -> usize {
    match field {
        Some(bytes) => {
            let at = put(out, at, bytes.len() as i64);
            put_raw(out, at, bytes)
        }
        None => put(out, at, -1),
    }
}

fn put_raw(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    out[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

fn field_len(field: Option<&[u8]>) -> usize {
    length_len_of(field) + field.map_or(0, <[u8]>::len)
}

fn length_len_of(field: Option<&[u8]>) -> usize {
    field.map_or(1, |f| length_len(f.len()))
}

fn length_len(n: usize) -> usize {
    varlong_len(n as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The format as KIP-98 spells it, byte by byte, with none of the encoder's short cuts.
    fn reference(r: &RecordParts<'_>) -> Vec<u8> {
        fn varint(out: &mut Vec<u8>, v: i64) {
            let mut rest = ((v << 1) ^ (v >> 63)) as u64;
            loop {
                let low = (rest & 0x7f) as u8;
                rest >>= 7;
                out.push(if rest == 0 { low } else { low | 0x80 });
                if rest == 0 {
                    return;
                }
            }
        }
        fn field(out: &mut Vec<u8>, f: Option<&[u8]>) {
            varint(out, f.map_or(-1, |f| f.len() as i64));
            out.extend_from_slice(f.unwrap_or_default());
        }
        let mut body = vec![0];
        varint(&mut body, r.timestamp_delta);
        varint(&mut body, i64::from(r.offset_delta));
        field(&mut body, r.key);
        field(&mut body, r.value);
        varint(&mut body, r.headers.len() as i64);
        for h in r.headers {
            field(&mut body, Some(h.key.as_bytes()));
            field(&mut body, h.value);
        }
        let mut out = Vec::new();
        varint(&mut out, body.len() as i64);
        out.extend(body);
        out
    }

    fn delta() -> impl Strategy<Value = i64> {
        prop_oneof![0..300i64, -70..70i64, 0..5_000_000i64, any::<i64>()]
    }

    fn field() -> impl Strategy<Value = Option<Vec<u8>>> {
        proptest::option::of(prop_oneof![vec(any::<u8>(), 0..140), vec(any::<u8>(), 8_000..8_300)])
    }

    proptest! {
        #[test]
        fn whole_and_around_a_value_equal_the_reference(
            timestamp_delta in delta(),
            offset_delta in prop_oneof![0..20_000i32, 0..i32::MAX],
            key in field(),
            value in field(),
            names in vec(("[a-z]{0,9}", field()), 0..4),
            slack in 0..40usize,
        ) {
            let headers: Vec<_> =
                names.iter().map(|(k, v)| Header { key: k, value: v.as_deref() }).collect();
            let r = RecordParts {
                timestamp_delta,
                offset_delta,
                key: key.as_deref(),
                value: value.as_deref(),
                headers: &headers,
            };
            let want = reference(&r);
            prop_assert_eq!(encoded_record_len(&r), want.len());

            let mut out = vec![0xaa; want.len() + slack];
            prop_assert_eq!(encode_record(&mut out, &r), Some(want.len()));
            prop_assert_eq!(&out[..want.len()], &want[..]);
            prop_assert_eq!(encode_record(&mut out[..want.len() - 1], &r), None);

            let mut parts = vec![0; 31 + key.as_ref().map_or(0, Vec::len)];
            let head = encode_record_head(&mut parts, &r).expect("the room that is documented");
            prop_assert_eq!(encode_record_head(&mut parts[..head - 1], &r), None);
            parts.truncate(head);
            parts.extend_from_slice(value.as_deref().unwrap_or_default());
            let mut tail = vec![0; encoded_headers_len(&headers)];
            prop_assert_eq!(encode_record_tail(&mut tail, &headers), Some(tail.len()));
            parts.extend(tail);
            prop_assert_eq!(parts, want);
        }
    }
}
