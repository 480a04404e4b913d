//! Pure: where somebody has come to in the partitions of a topic, as a text that they keep and give back.
//!
//! The text is `k1` and base64 for URLs of: whether all partitions are meant (a byte), how many are named, the distance of
//! each from the one before and its offset (LEB128), and a checksum over the topic's name and all that. It is no secret, and
//! grants nothing.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use crc_fast::{CrcAlgorithm, Digest};
use std::collections::BTreeMap;
use thiserror::Error;

/// How many partitions somebody may read at once: their cursor has to fit into a header.
pub(super) const PARTITIONS_MAX: usize = 512;
/// No cursor is longer: a partition takes 14 bytes at most.
const TEXT_MAX: usize = 10 << 10;
/// What a cursor of this version begins with; no time does.
const VERSION: &str = "k1";

/// Where somebody has come to: the next offset of each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    whole: bool,
    offsets: BTreeMap<i32, i64>,
}

/// A text that is no cursor of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a cursor that was given out for this topic")]
pub struct NoCursor;

impl Cursor {
    /// At these offsets; `whole` says that all partitions of the topic are meant, also those that it gets later.
    pub fn new(whole: bool, offsets: BTreeMap<i32, i64>) -> Self {
        Self { whole, offsets }
    }

    /// Whether all partitions are meant, also those that the topic has got since.
    pub fn whole(&self) -> bool {
        self.whole
    }

    /// The next offset of each partition.
    pub fn offsets(&self) -> &BTreeMap<i32, i64> {
        &self.offsets
    }

    /// Everything of `partition` before `offset` was read.
    pub fn passed(&mut self, partition: i32, offset: i64) {
        self.offsets.insert(partition, offset);
    }

    /// As a text of letters, digits, `-` and `_`.
    pub fn encode(&self, topic: &str) -> String {
        let mut bytes = Vec::with_capacity(16 + self.offsets.len() * 6);
        bytes.push(u8::from(self.whole));
        put(&mut bytes, self.offsets.len() as u64);
        let mut before = 0;
        for (partition, offset) in &self.offsets {
            let partition = u64::from(partition.unsigned_abs());
            put(&mut bytes, partition - before);
            put(&mut bytes, offset.unsigned_abs());
            before = partition;
        }
        let sum = checksum(topic, &bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let mut text = VERSION.to_owned();
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        text
    }

    /// What [`Cursor::encode`] made for this topic.
    ///
    /// # Errors
    /// [`NoCursor`]
    pub fn parse(topic: &str, text: &str) -> Result<Self, NoCursor> {
        if text.len() > TEXT_MAX {
            return Err(NoCursor);
        }
        let text = text.strip_prefix(VERSION).ok_or(NoCursor)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| NoCursor)?;
        let (bytes, sum) = bytes.split_last_chunk::<4>().ok_or(NoCursor)?;
        if checksum(topic, bytes) != u32::from_le_bytes(*sum) {
            return Err(NoCursor);
        }
        read(bytes).ok_or(NoCursor)
    }
}

fn read(bytes: &[u8]) -> Option<Cursor> {
    let (&whole, mut rest) = bytes.split_first().filter(|(whole, _)| **whole <= 1)?;
    let count = take(&mut rest).filter(|count| *count <= PARTITIONS_MAX as u64)?;
    let (mut offsets, mut before) = (BTreeMap::new(), 0_u64);
    for _ in 0..count {
        before = before.checked_add(take(&mut rest)?)?;
        let offset = i64::try_from(take(&mut rest)?).ok()?;
        offsets.insert(i32::try_from(before).ok()?, offset);
    }
    rest.is_empty().then_some(Cursor { whole: whole == 1, offsets })
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn checksum(topic: &str, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(topic.as_bytes());
    digest.update(&[0]);
    digest.update(bytes);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_is_of_its_topic_and_whole() {
        let cursor = Cursor::new(true, [(0, 5), (7, i64::MAX)].into());
        let text = cursor.encode("orders");
        assert_eq!(Cursor::parse("orders", &text), Ok(cursor));
        assert_eq!(Cursor::parse("orders2", &text), Err(NoCursor));
        for cut in 0..text.len() {
            assert_eq!(Cursor::parse("orders", &text[..cut]), Err(NoCursor));
        }
        for wrong in ["", "k1", "k2", "12", "k1AAAA", "k1=", &"k".repeat(20_000)] {
            assert_eq!(Cursor::parse("orders", wrong), Err(NoCursor), "{wrong}");
        }
    }

    #[test]
    fn the_longest_cursor_can_be_read() {
        let step = i32::MAX / PARTITIONS_MAX as i32;
        let offsets = (0..PARTITIONS_MAX as i32).map(|n| (n * step, i64::MAX)).collect();
        let cursor = Cursor::new(false, offsets);
        let text = cursor.encode("t");
        assert!(text.len() <= TEXT_MAX, "{}", text.len());
        assert_eq!(Cursor::parse("t", &text), Ok(cursor));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(whole: bool, offsets in prop::collection::btree_map(0..i32::MAX, 0..i64::MAX, 0..40)) {
            let cursor = Cursor::new(whole, offsets);
            let text = cursor.encode("t");
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Cursor::parse("t", &text), Ok(cursor));
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), text in ".{0,40}") {
            let _ = read(&bytes);
            let _ = Cursor::parse("t", &text);
        }
    }
}
