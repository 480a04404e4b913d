use super::header::{CRC_FROM, LENGTH_FROM, checksum};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Own {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn encode(records: &[Own]) -> Bytes {
    let mut body = Vec::new();
    for (i, r) in records.iter().enumerate() {
        let headers: Vec<_> =
            r.headers.iter().map(|(k, v)| Header { key: k, value: v.as_deref() }).collect();
        let parts = RecordParts {
            timestamp_delta: r.timestamp,
            offset_delta: i as i32,
            key: r.key.as_deref(),
            value: r.value.as_deref(),
            headers: &headers,
        };
        let mut out = vec![0xee; encoded_record_len(&parts) + 100];
        let n = encode_record(&mut out, &parts).expect("room");
        assert_eq!(n, encoded_record_len(&parts));
        let exact = &mut vec![0xee; n][..];
        assert_eq!(encode_record(exact, &parts), Some(n));
        assert_eq!(exact, &out[..n], "the short-of-room path writes the same");
        assert_eq!(encode_record(&mut exact[..n - 1], &parts), None);
        let head = encode_record_head(&mut out, &parts).expect("room");
        let mut joined = out[..head].to_vec();
        joined.extend_from_slice(parts.value.unwrap_or_default());
        let tail = encode_record_tail(&mut out, &headers).expect("room");
        joined.extend_from_slice(&out[..tail]);
        assert_eq!(joined, exact, "head, value and tail in a row");
        body.extend_from_slice(exact);
    }
    let mut header = BatchHeader {
        last_offset_delta: records.len() as i32 - 1,
        records_count: records.len() as i32,
        ..BatchHeader::default()
    };
    let body = Bytes::from(body);
    let head = header.seal(&[body.slice(..body.len() / 2), body.slice(body.len() / 2..)]);
    [&head[..], &body[..]].concat().into()
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300))
}

fn record() -> impl Strategy<Value = Own> {
    let headers = proptest::collection::vec(("[a-zäλ]{0,5}", bytes()), 0..4);
    (any::<i32>(), bytes(), bytes(), headers).prop_map(|(t, key, value, headers)| Own {
        timestamp: i64::from(t),
        key,
        value,
        headers,
    })
}

proptest! {
    #[test]
    fn every_position_is_a_place_to_go_on_from(
        records in proptest::collection::vec(record(), 1..20),
    ) {
        let batch = RecordBatch::parse(encode(&records)).expect("a sound batch");
        let mut iter = batch.records();
        loop {
            let from = batch.records_from(iter.position());
            prop_assert!(from.eq(iter.clone()));
            if iter.next().is_none() {
                break;
            }
        }
        prop_assert_eq!(iter.position().bytes_before(), batch.raw_records().len());
    }

    #[test]
    fn a_position_of_another_batch_does_no_harm(
        records in proptest::collection::vec(record(), 1..20),
        others in proptest::collection::vec(record(), 1..20),
    ) {
        let batch = RecordBatch::parse(encode(&records)).expect("a sound batch");
        let other = RecordBatch::parse(encode(&others)).expect("a sound batch");
        let mut iter = other.records();
        while iter.next().is_some() {
            batch.records_from(iter.position()).for_each(drop);
        }
    }

    #[test]
    fn records_survive_the_round_trip(records in proptest::collection::vec(record(), 1..20)) {
        let batch = RecordBatch::parse(encode(&records)).expect("a sound batch");
        let decoded: Vec<_> = batch.records().collect::<Result<_, _>>().expect("sound records");
        prop_assert_eq!(decoded.len(), records.len());
        for (i, (d, r)) in decoded.iter().zip(&records).enumerate() {
            prop_assert_eq!(d.offset, i as i64);
            prop_assert_eq!(d.timestamp, r.timestamp);
            prop_assert_eq!(d.key, r.key.as_deref());
            prop_assert_eq!(d.value, r.value.as_deref());
            let headers: Vec<_> = d.headers().map(|(k, v)| (k.to_owned(), v.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(&headers, &r.headers);
        }
    }

    #[test]
    fn hostile_bytes_are_an_error_and_no_panic(mut raw in proptest::collection::vec(any::<u8>(), 0..400), fix in any::<bool>()) {
        if fix && raw.len() >= BATCH_HEADER_LEN {
            let length = (raw.len() - LENGTH_FROM) as i32;
            raw[8..12].copy_from_slice(&length.to_be_bytes());
            raw[16] = 2;
            let crc = checksum(&raw[CRC_FROM..]);
            raw[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        for batch in RecordBatches::new(raw.into()).flatten() {
            let _ = batch.records().count();
            let _ = batch.control_type();
            if let Ok(plain) = batch.decompressed(1 << 20) {
                let _ = plain.records().count();
            }
        }
    }
}

fn sample() -> Bytes {
    encode(&[
        Own {
            timestamp: 5,
            key: None,
            value: Some(b"one".to_vec()),
            headers: vec![("a".into(), None), ("a".into(), Some(vec![]))],
        },
        Own { timestamp: -7, key: Some(vec![]), value: None, headers: vec![] },
    ])
}

#[test]
fn every_flipped_bit_is_noticed() {
    let sound = sample();
    for bit in 0..sound.len() * 8 {
        let mut bad = sound.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        // Base offset and leader epoch are the broker's to set, so the checksum leaves them out.
        // The sign of the base offset is noticed all the same.
        let unprotected = bit != 7 && (bit / 8 < 8 || (12..16).contains(&(bit / 8)));
        assert_eq!(RecordBatch::parse(bad.into()).is_err(), !unprotected, "bit {bit}");
    }
}

#[test]
fn truncated_last_batch_is_left_out() {
    let one = sample();
    let two = [&one[..], &one[..one.len() - 1]].concat();
    let mut batches = RecordBatches::new(two.into());
    assert!(batches.next().is_some_and(|b| b.is_ok()));
    assert!(batches.next().is_none());
    assert!(batches.truncated());
}

#[test]
fn claimed_records_without_bytes_are_corrupt() {
    let mut header = BatchHeader {
        records_count: 1_000_000,
        last_offset_delta: 999_999,
        ..BatchHeader::default()
    };
    let bytes = Bytes::copy_from_slice(&header.seal(&[]));
    assert!(matches!(RecordBatch::parse(bytes), Err(BatchError::Malformed { .. })));
}

#[test]
fn log_append_time_stands_in_for_every_record() {
    let mut bytes = sample().to_vec();
    bytes[22] |= 1 << 3;
    bytes[35..43].copy_from_slice(&99i64.to_be_bytes());
    let crc = checksum(&bytes[CRC_FROM..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let batch = RecordBatch::parse(bytes.into()).expect("a sound batch");
    assert!(batch.records().all(|r| r.expect("a sound record").timestamp == 99));
}

fn one_record_batch(change: impl FnOnce(&mut BatchHeader, &mut Vec<u8>)) -> Bytes {
    let parts = RecordParts { value: Some(b"value"), ..RecordParts::default() };
    let mut body = vec![0; encoded_record_len(&parts)];
    assert_eq!(encode_record(&mut body, &parts), Some(body.len()));
    let mut header = BatchHeader { records_count: 1, ..BatchHeader::default() };
    change(&mut header, &mut body);
    let body = Bytes::from(body);
    let head = header.seal(std::slice::from_ref(&body));
    [&head[..], &body[..]].concat().into()
}

fn first_error(bytes: Bytes) -> RecordError {
    let batch = RecordBatch::parse(bytes).expect("a sound header");
    match batch.check_records() {
        Err(BatchError::Record { index: 0, error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn malformed_records_have_typed_errors() {
    let cases: [(&[u8], RecordError); 8] = [
        (&[0x14, 0, 0, 0, 1, 1, 0], RecordError::Truncated),
        (&[0x0b, 0, 0, 0, 1, 1, 0], RecordError::Length(-6)),
        (&[0x0c, 0, 0, 0, 1, 3, 0], RecordError::Length(-2)),
        (&[0x0c, 0, 0, 0, 1, 1, 1], RecordError::Length(-1)),
        (&[0x0c, 0, 0, 2, 1, 1, 0], RecordError::OffsetDelta(1)),
        (&[0x0e, 0, 0, 0, 1, 1, 0, 9], RecordError::Trailing),
        (&[0x10, 0, 0, 0, 1, 1, 2, 1, 1], RecordError::Length(-1)),
        (&[0x16, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], RecordError::Varint),
    ];
    for (record, error) in cases {
        assert_eq!(first_error(one_record_batch(|_, body| *body = record.to_vec())), error);
    }
}

#[test]
fn bytes_behind_the_last_record_are_corrupt() {
    let batch = RecordBatch::parse(one_record_batch(|_, body| body.push(0))).expect("header");
    let records: Vec<_> = batch.records().collect();
    assert!(records[0].is_ok());
    assert!(matches!(records[1], Err(BatchError::Malformed { .. })));
    assert_eq!(records.len(), 2);
}

#[test]
fn name_of_a_header_that_is_not_utf8_is_readable() {
    let record = [0x16, 0, 0, 0, 1, 1, 2, 4, 0xff, b'x', 2, b'v'];
    let batch = RecordBatch::parse(one_record_batch(|_, body| *body = record.to_vec()));
    let batch = batch.expect("header");
    let record = batch.records().next().expect("one").expect("sound");
    assert_eq!(record.headers().collect::<Vec<_>>(), [("\u{fffd}", Some(&b"v"[..]))]);
    assert_eq!(record.raw_headers().next(), Some((&b"\xffx"[..], Some(&b"v"[..]))));
}

#[test]
fn control_batches_are_recognised() {
    let control = |key: &'static [u8]| {
        RecordBatch::parse(one_record_batch(|header, body| {
            header.attributes = Attributes::default().control();
            let parts = RecordParts { key: Some(key), ..RecordParts::default() };
            *body = vec![0; encoded_record_len(&parts)];
            assert_eq!(encode_record(body, &parts), Some(body.len()));
        }))
        .expect("header")
        .control_type()
    };
    assert_eq!(control(&[0, 0, 0, 0]), Ok(Some(ControlType::Abort)));
    assert_eq!(control(&[0, 0, 0, 1]), Ok(Some(ControlType::Commit)));
    assert_eq!(control(&[0, 0, 0, 2]), Ok(Some(ControlType::Other(2))));
    assert!(control(&[0, 0, 0]).is_err());
    let data = RecordBatch::parse(one_record_batch(|_, _| ())).expect("header");
    assert_eq!(data.control_type(), Ok(None));
}

#[test]
fn compressed_batch_lends_out_nothing_but_an_error() {
    let bytes = one_record_batch(|header, _| {
        header.attributes = Attributes::new(crate::compression::Codec::Lz4);
    });
    let batch = RecordBatch::parse(bytes).expect("header");
    let records: Vec<_> = batch.records().collect();
    assert!(matches!(&records[..], [Err(BatchError::Malformed { .. })]));
}

#[test]
fn iteration_goes_on_behind_a_corrupt_batch_but_not_behind_a_corrupt_length() {
    let sound = sample();
    let mut flipped = sound.to_vec();
    *flipped.last_mut().expect("bytes") ^= 1;
    let three: Bytes = [&sound[..], &flipped, &sound].concat().into();
    let seen: Vec<_> = RecordBatches::new(three.clone()).map(|b| b.is_ok()).collect();
    assert_eq!(seen, [true, false, true]);
    let unchecked = RecordBatches::new(three).check_crcs(false);
    assert_eq!(unchecked.map(|b| b.is_ok()).collect::<Vec<_>>(), [true, true, true]);

    for (at, value) in [(8, 0xff), (16, 3), (16, 0xff)] {
        let mut broken = sound.to_vec();
        broken[at] = value;
        let two = [&broken[..], &sound].concat();
        let seen: Vec<_> = RecordBatches::new(two.into()).map(|b| b.is_ok()).collect();
        assert_eq!(seen, [false]);
    }
}
