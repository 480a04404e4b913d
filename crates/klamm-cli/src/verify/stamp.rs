//! Pure: who a record is, written into the record itself, with a checksum over all of it.

use crc_fast::{CrcAlgorithm, Digest};
use klamm::ConsumedRecord;
use klamm::consumer::{RecordHeaders, RecordRef};

/// What a stamp begins with.
const MAGIC: [u8; 4] = *b"klST";
/// Name of the header that carries the stamp of a value too short for one.
pub(crate) const HEADER: &str = "klamm-stamp";

/// Who a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which run of a program sent it.
    pub(crate) run: u32,
    /// Which of the run's tasks sent it.
    pub(crate) source: u32,
    /// Its number among that task's records, from 0.
    pub(crate) sequence: u64,
    /// When it was due to be sent, in nanoseconds since the run began.
    pub(crate) sent: u64,
}

/// The parts of a record that matter here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Carrier<'a> {
    /// Its key.
    pub(crate) key: Option<&'a [u8]>,
    /// Its value.
    pub(crate) value: Option<&'a [u8]>,
    /// The value of its header [`HEADER`].
    pub(crate) header: Option<&'a [u8]>,
}

impl<'a> From<&RecordRef<'a>> for Carrier<'a> {
    fn from(record: &RecordRef<'a>) -> Self {
        let (key, value) = (record.key(), record.value());
        let header = if needs_header(value) { stamp_of(record.headers()) } else { None };
        Self { key, value, header }
    }
}

impl<'a> From<&'a ConsumedRecord> for Carrier<'a> {
    fn from(record: &'a ConsumedRecord) -> Self {
        let (key, value) = (record.key(), record.value());
        let header = if needs_header(value) { stamp_of(record.headers()) } else { None };
        Self { key, value, header }
    }
}

fn needs_header(value: Option<&[u8]>) -> bool {
    value.is_none_or(|value| value.len() < Stamp::LEN)
}

fn stamp_of(mut headers: RecordHeaders<'_>) -> Option<&[u8]> {
    headers.find(|(name, _)| *name == HEADER).and_then(|(_, value)| value)
}

/// What a record says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It is whole.
    Whole(Stamp),
    /// It has a stamp, but is not what was stamped.
    Damaged,
    /// It has no stamp.
    Bare,
}

impl Stamp {
    /// Bytes of a stamp.
    pub(crate) const LEN: usize = 32;

    /// Writes the stamp over the first [`Stamp::LEN`] bytes of a value; key and the rest of the value must be as they
    /// will be sent. False, and nothing written, if the value is too short: then [`Stamp::for_header`] it is.
    pub(crate) fn write(&self, key: Option<&[u8]>, value: &mut [u8]) -> bool {
        let Some((head, rest)) = value.split_at_mut_checked(Self::LEN) else { return false };
        head.copy_from_slice(&self.sealed(key, rest));
        true
    }

    /// The stamp as the value of the header [`HEADER`], for a record whose value is too short to hold it.
    pub(crate) fn for_header(&self, key: Option<&[u8]>, value: &[u8]) -> [u8; Self::LEN] {
        self.sealed(key, value)
    }

    /// Reads the stamp of a record and checks the record against it.
    pub(crate) fn read(record: Carrier<'_>) -> Reading {
        let value = record.value.unwrap_or_default();
        match (value.split_at_checked(Self::LEN), record.header) {
            (Some((head, rest)), _) => Self::opened(head, record.key, rest),
            (None, Some(header)) => Self::opened(header, record.key, value),
            (None, None) => Reading::Bare,
        }
    }

    fn sealed(&self, key: Option<&[u8]>, rest: &[u8]) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.run.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.source.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..].copy_from_slice(&self.sent.to_le_bytes());
        let checksum = checksum(&bytes[8..], key, rest);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn opened(bytes: &[u8], key: Option<&[u8]>, rest: &[u8]) -> Reading {
        let Ok(bytes) = <&[u8; Self::LEN]>::try_from(bytes) else { return Reading::Damaged };
        if bytes[..4] != MAGIC {
            return Reading::Bare;
        }
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u32_at(4) != checksum(&bytes[8..], key, rest) {
            return Reading::Damaged;
        }
        let (run, source, sequence, sent) = (u32_at(8), u32_at(12), u64_at(16), u64_at(24));
        Reading::Whole(Self { run, source, sequence, sent })
    }
}

/// CRC-32C of the stamp's own fields, the key and the rest; a key's length keeps it apart from what follows.
fn checksum(fields: &[u8], key: Option<&[u8]>, rest: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(fields);
    if let Some(key) = key {
        digest.update(&(key.len() as u64).to_le_bytes());
        digest.update(key);
    }
    digest.update(rest);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::{Carrier, Reading, Stamp};
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp { run: 7, source: 3, sequence: 5_000_000_000, sent: u64::MAX - 1 };

    fn read(key: Option<&[u8]>, value: &[u8], header: Option<&[u8]>) -> Reading {
        Stamp::read(Carrier { key, value: Some(value), header })
    }

    #[test]
    fn bytes_are_these() {
        let mut value = [b'x'; 34];
        assert!(STAMP.write(Some(b"k"), &mut value));
        let fields = [7, 0, 0, 0, 3, 0, 0, 0, 0, 0xf2, 5, 0x2a, 1, 0, 0, 0];
        assert_eq!(
            (&value[..4], &value[8..24], &value[32..]),
            (&b"klST"[..], &fields[..], &b"xx"[..])
        );
        assert_eq!(value[24..32], (u64::MAX - 1).to_le_bytes());
    }

    #[test]
    fn short_values_carry_it_in_a_header() {
        let mut short = *b"too short to hold thirty-two b";
        assert!(!STAMP.write(None, &mut short));
        let header = STAMP.for_header(None, &short);
        assert_eq!(read(None, &short, Some(&header)), Reading::Whole(STAMP));
        assert_eq!(read(None, &short, None), Reading::Bare);
        assert_eq!(read(None, &short[1..], Some(&header)), Reading::Damaged);
        assert_eq!(read(None, &short, Some(&header[1..])), Reading::Damaged);
        let null = Carrier { header: Some(&STAMP.for_header(None, b"")), ..Carrier::default() };
        assert_eq!(Stamp::read(null), Reading::Whole(STAMP));
    }

    #[test]
    fn a_record_without_stamp_is_bare() {
        assert_eq!(read(None, &[b'A'; 100], None), Reading::Bare);
        assert_eq!(Stamp::read(Carrier::default()), Reading::Bare);
    }

    #[test]
    fn another_key_is_damage() {
        let mut value = [0; 40];
        STAMP.write(Some(b"key"), &mut value);
        assert_eq!(read(Some(b"key"), &value, None), Reading::Whole(STAMP));
        for key in [None, Some(&b""[..]), Some(b"kez"), Some(b"ke")] {
            assert_eq!(read(key, &value, None), Reading::Damaged, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn no_flipped_bit_goes_unseen(rest in prop::collection::vec(any::<u8>(), 0..80), at: prop::sample::Index) {
            let mut value = [&[0; Stamp::LEN][..], &rest].concat();
            prop_assert!(STAMP.write(None, &mut value));
            prop_assert_eq!(read(None, &value, None), Reading::Whole(STAMP));
            let bit = at.index(value.len() * 8);
            value[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!matches!(read(None, &value, None), Reading::Whole(_)));
        }
    }
}
