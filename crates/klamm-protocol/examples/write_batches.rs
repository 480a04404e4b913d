//! Writes a file of record batches, one or more with every codec, and prints what is in it, so that
//! another client's reading of the file can be compared:
//! `cargo run -p klamm-protocol --example write_batches FILE`.

#[path = "../tests/dump/mod.rs"]
mod dump;

use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::record_batch::{
    Attributes, BatchHeader, Header, RecordParts, encode_record, encoded_record_len,
};
use std::error::Error;

const TIME: i64 = 1_700_000_000_000;
const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn append(body: &mut Vec<u8>, parts: &RecordParts<'_>) {
    let at = body.len();
    body.resize(at + encoded_record_len(parts), 0);
    // The room is what was asked for.
    let _ = encode_record(&mut body[at..], parts);
}

/// Records of every shape, then enough of one shape for several blocks of any codec.
fn body(count: i32) -> Vec<u8> {
    let headers = [
        Header { key: "a", value: Some(b"1") },
        Header { key: "b", value: None },
        Header { key: "a", value: Some(b"") },
        Header { key: "größe", value: Some(b"2") },
    ];
    let mut body = Vec::new();
    for i in 0..count {
        let mixed = u64::from(i.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let value = format!(r#"{{"id":{i},"mixed":"{mixed:x}"}}"#).repeat((i % 7) as usize);
        let key = format!("user-{}", i % 100);
        append(
            &mut body,
            &RecordParts {
                timestamp_delta: i64::from(i % 1000) * 40 - 70,
                offset_delta: i,
                key: (i % 5 != 0).then_some(key.as_bytes()),
                value: (i % 11 != 0).then_some(value.as_bytes()),
                headers: if i % 3 == 0 { &headers } else { &[] },
            },
        );
    }
    body
}

fn batch(
    compression: Compression,
    base_offset: i64,
    count: i32,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compressed = Vec::new();
    compression.compress(&[body(count).into()], &mut compressed)?;
    let mut header = BatchHeader {
        base_offset,
        attributes: Attributes::new(compression.codec()),
        last_offset_delta: count - 1,
        base_timestamp: TIME,
        max_timestamp: TIME + i64::from((count - 1).min(999)) * 40 - 70,
        records_count: count,
        ..BatchHeader::default()
    };
    let body = [Bytes::from(compressed)];
    Ok([&header.seal(&body)[..], &body[0]].concat())
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    let (mut all, mut offset) = (Vec::new(), 0);
    for codec in CODECS {
        for count in [1, 100, 9_000] {
            all.extend(batch(codec.into(), offset, count)?);
            offset += i64::from(count);
        }
    }
    for (codec, levels) in [(Codec::Gzip, [1, 9]), (Codec::Zstd, [-5, 19])] {
        for level in levels {
            all.extend(batch(Compression::with_level(codec, level)?, offset, 1_000)?);
            offset += 1_000;
        }
    }
    std::fs::write(file, &all)?;
    print!("{}", dump::dump(&all.into())?);
    Ok(())
}
