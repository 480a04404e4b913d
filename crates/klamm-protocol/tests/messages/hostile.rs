//! Bytes that no honest peer sends: an error, never a panic, and nothing that cannot be sent again.

use crate::codec::{CODECS, Codec};
use crate::golden::entries;
use bytes::Bytes;
use klamm_protocol::primitives::{DecodeError, EncodeError};
use std::collections::HashSet;

/// Changed copies of each of Java's messages.
const MUTATIONS: usize = 24;
/// Random inputs for each message and version.
const RANDOM_INPUTS: usize = 200;
/// Longest random input in bytes.
const RANDOM_LEN: usize = 64;

/// Every distinct message Java wrote.
fn corpus() -> Vec<(&'static Codec, i16, Bytes)> {
    let mut seen = HashSet::new();
    let written = entries().into_iter().filter_map(|e| Some((e.codec, e.to, e.bytes?)));
    written.filter(|(c, version, bytes)| seen.insert((c.name, *version, bytes.clone()))).collect()
}

#[test]
fn no_part_of_a_message_is_a_message() {
    for (codec, version, bytes) in corpus() {
        for len in 0..bytes.len() {
            let part = bytes.slice(..len);
            let decoded = codec.round(&part, version);
            assert!(decoded.is_err(), "{} {version}: {len} of {}", codec.name, bytes.len());
        }
    }
}

#[test]
fn bytes_behind_a_message_are_refused() {
    for (codec, version, bytes) in corpus() {
        let longer = Bytes::from([&bytes[..], &[7]].concat());
        let decoded = codec.round(&longer, version);
        assert_eq!(decoded, Err(DecodeError::Trailing(1)), "{} {version}", codec.name);
    }
}

#[test]
fn changed_messages_fail_or_are_values() {
    let mut random = Random(1);
    let (mut accepted, mut refused) = (0, 0);
    for (codec, version, bytes) in corpus().iter().filter(|(_, _, b)| !b.is_empty()) {
        for _ in 0..MUTATIONS {
            let changed = random.change(bytes);
            match fails_or_is_a_value(codec, *version, &changed) {
                true => accepted += 1,
                false => refused += 1,
            }
        }
    }
    assert!(accepted > 10_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn random_bytes_fail_or_are_values() {
    let mut random = Random(2);
    for codec in CODECS {
        for version in codec.versions.clone() {
            for _ in 0..RANDOM_INPUTS {
                let len = random.below(RANDOM_LEN + 1);
                let bytes: Vec<u8> = (0..len).map(|_| random.byte()).collect();
                fails_or_is_a_value(codec, version, &bytes.into());
            }
        }
    }
}

#[test]
fn versions_outside_the_range_are_refused_both_ways() {
    for codec in CODECS {
        for version in [*codec.versions.start() - 1, *codec.versions.end() + 1, i16::MIN, i16::MAX]
        {
            let message = codec.name;
            assert_eq!((codec.default)(version), Err(EncodeError::Version { message, version }));
            let decoded = codec.round(&Bytes::from_static(&[0; 64]), version);
            assert_eq!(decoded, Err(DecodeError::Version { message, version }));
        }
    }
}

/// Whether it decodes; then it must encode, and the encoding must stand for the same value.
fn fails_or_is_a_value(codec: &Codec, version: i16, bytes: &Bytes) -> bool {
    let Ok(encoded) = codec.round(bytes, version) else { return false };
    let encoded = encoded.unwrap_or_else(|e| panic!("{} {version}: {e}: {bytes:?}", codec.name));
    assert_eq!(codec.round(&encoded, version), Ok(Ok(encoded)), "{} {version}", codec.name);
    true
}

/// SplitMix64: the same bytes on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// A copy with a byte changed, bytes overwritten by an extreme length, cut out or put in.
    fn change(&mut self, bytes: &Bytes) -> Bytes {
        const EXTREMES: &[&[u8]] = &[
            &[0xff; 4],
            &[0x7f, 0xff, 0xff, 0xff],
            &[0x80, 0, 0, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x7f, 0xff],
            &[0],
            &[0x80, 0x80, 0x80, 0],
        ];
        let mut changed = bytes.to_vec();
        let at = self.below(changed.len());
        let extreme = EXTREMES[self.below(EXTREMES.len())];
        match self.below(4) {
            0 => changed[at] = self.byte(),
            1 => drop(changed.splice(at..(at + extreme.len()).min(bytes.len()), extreme.to_vec())),
            2 => drop(changed.splice(at..at, extreme.to_vec())),
            _ => drop(changed.drain(at..(at + 1 + self.below(8)).min(bytes.len()))),
        }
        changed.into()
    }
}
