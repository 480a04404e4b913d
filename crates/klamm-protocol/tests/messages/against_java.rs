//! Byte for byte what Kafka's own message classes write, and the versions they know.

use crate::codec::CODECS;
use crate::golden::{Kind, entries};
use bytes::Bytes;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::primitives::Encoder;

#[test]
fn java_wrote_every_message_in_every_version() {
    let entries = entries();
    for codec in CODECS {
        for version in codec.versions.clone() {
            for kind in [Kind::Default, Kind::Full, Kind::Half] {
                let found = entries.iter().any(|e| {
                    e.codec.name == codec.name
                        && (e.kind, e.from, e.to) == (kind, version, version)
                        && (e.bytes.is_some() || kind == Kind::Default)
                });
                assert!(found, "{} {version} {kind:?}", codec.name);
            }
        }
    }
}

#[test]
fn versions_and_headers_are_java_s() {
    let java =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/wire/api_versions.txt"));
    let ours = ApiKey::ALL.iter().flat_map(|key| {
        key.versions().map(|v| {
            let headers = (key.request_header_version(v), key.response_header_version(v));
            let stable = key.stable_versions().contains(&v);
            assert_eq!(ApiKey::from_i16(*key as i16), Some(*key));
            format!("{} {} {v} {} {} {stable}", *key as i16, key.name(), headers.0, headers.1)
        })
    });
    assert_eq!(ours.collect::<Vec<_>>(), java.lines().collect::<Vec<_>>());
}

#[test]
fn defaults_are_java_s() {
    for entry in entries().iter().filter(|e| e.kind == Kind::Default) {
        let ours = (entry.codec.default)(entry.to);
        assert_eq!(ours.clone().ok(), entry.bytes, "{}: {ours:?}", entry.name());
    }
}

#[test]
fn filled_values_come_back_byte_for_byte() {
    for entry in entries().iter().filter(|e| e.from == e.to) {
        let Some(java) = &entry.bytes else { continue };
        let ours = entry.codec.round(java, entry.to);
        assert_eq!(ours, Ok(Ok(java.clone())), "{}", entry.name());
    }
}

#[test]
fn another_version_gets_java_s_bytes_or_is_refused_like_in_java() {
    let (mut written, mut refused) = (0, 0);
    for entry in entries().iter().filter(|e| e.kind == Kind::Other) {
        let source = entry.source.clone().expect("a value in its own version");
        let ours = (entry.codec.recode)(source, entry.from, entry.to).expect("Java's own bytes");
        assert_eq!(ours.clone().ok(), entry.bytes, "{}: {ours:?}", entry.name());
        if ours.is_ok() {
            written += 1;
        } else {
            refused += 1;
        }
    }
    assert!(written > 1_000 && refused > 300, "{written} written, {refused} refused");
}

/// The tagged fields end the message, so one without any ends in a zero.
#[test]
fn unknown_tagged_fields_are_skipped() {
    let mut tried = 0;
    for entry in entries().iter().filter(|e| e.kind == Kind::Default) {
        let Some(java) = entry.bytes.as_ref().filter(|_| is_flexible(entry.codec.name, entry.to))
        else {
            continue;
        };
        let (&0, body) = java.split_last().expect("tagged fields") else {
            panic!("{}: a default has no tagged fields", entry.name())
        };
        let with_unknown = Bytes::from([body, &unknown_fields()].concat());
        assert_eq!(
            entry.codec.round(&with_unknown, entry.to),
            Ok(Ok(java.clone())),
            "{}",
            entry.name()
        );
        tried += 1;
    }
    assert!(tried > 200, "{tried}");
}

fn is_flexible(message: &str, version: i16) -> bool {
    let api = message.strip_suffix("Request").or(message.strip_suffix("Response"));
    let api = ApiKey::ALL.iter().find(|key| Some(key.name()) == api);
    api.is_some_and(|key| key.is_flexible(version))
}

/// Two fields with tags that no schema has.
fn unknown_fields() -> Vec<u8> {
    let mut e = Encoder::new();
    e.put_uvarint(2);
    for (tag, size) in [(10_000, 200), (u32::MAX, 0)] {
        e.put_uvarint(tag);
        e.put_uvarint(size);
        e.put_slice(&vec![0xff; size as usize]);
    }
    e.into_bytes().to_vec()
}
