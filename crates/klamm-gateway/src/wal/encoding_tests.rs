//! Every record comes back as it was; no bytes are ever taken for what they are not.

use super::*;
use klamm_protocol::record_batch::RecordBatch;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn some_bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

fn a_header() -> impl Strategy<Value = AcceptedHeader> {
    let value = option::of(some_bytes(30));
    (".{0,10}", value).prop_map(|(name, value)| AcceptedHeader { name: name.into(), value })
}

fn a_record() -> impl Strategy<Value = Accepted> {
    let place = ("[a-c]{1,3}", option::of(any::<i32>()), any::<i64>());
    let content = (option::of(some_bytes(40)), option::of(some_bytes(300)));
    let rest = (vec(a_header(), 0..4), option::of(any::<[u8; 16]>()));
    (place, content, rest).prop_map(
        |((topic, partition, timestamp), (key, value), (headers, idempotency))| Accepted {
            topic: topic.into(),
            partition,
            timestamp,
            key,
            value,
            headers,
            idempotency,
        },
    )
}

fn record(topic: &str, key: Option<&'static str>) -> Accepted {
    Accepted {
        topic: topic.into(),
        partition: Some(-1),
        timestamp: 7,
        key: key.map(Bytes::from),
        value: Some(Bytes::from_static(b"value")),
        headers: vec![],
        idempotency: Some([9; 16]),
    }
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        records in vec(a_record(), 1..20),
        mark: u64,
        first in 0..=u64::MAX / 2,
        now: i64,
    ) {
        let bytes = encode(records.iter(), mark, now, 0).unwrap();
        let batch = RecordBatch::parse(bytes.clone()).unwrap();
        batch.check_records().unwrap();
        prop_assert_eq!(promised_offset(&batch), i64::try_from(mark).unwrap_or(0));
        let decoded = decode(bytes.clone(), first).unwrap();
        for (own, from) in [(true, first), (false, first + 1)] {
            // Others are before it, of another batch.
            let mut behind = vec![(7, records[0].clone())];
            decode_behind(bytes.clone(), own, first, from, &mut behind).unwrap();
            prop_assert_eq!(&behind[0], &(7, records[0].clone()));
            prop_assert_eq!(&behind[1..], &decoded.records[(from - first) as usize..]);
        }
        prop_assert_eq!((decoded.mark, decoded.next), (mark, first + records.len() as u64));
        prop_assert_eq!(decoded.taken_ms, now);
        let (sequences, back): (Vec<_>, Vec<_>) = decoded.records.into_iter().unzip();
        prop_assert_eq!(sequences, (first..decoded.next).collect::<Vec<_>>());
        let headers: usize = records.iter().map(|r| r.headers.len()).sum();
        let most = records.iter().map(|r| r.bytes() + r.topic.len() + OVERHEAD_BYTES).sum::<usize>();
        prop_assert!(bytes.len() <= most + headers * HEADER_OVERHEAD_BYTES + BATCH_HEADER_LEN);
        prop_assert_eq!(back, records);
    }

    #[test]
    fn any_bytes_give_a_batch_or_an_error(key in some_bytes(60), count in 1..3_i32) {
        // A sound batch with an envelope of any bytes.
        let mut batch = Batch::new(0);
        (0..count).for_each(|_| batch.put(&key, None, &[]).unwrap());
        drop(decode(batch.sealed(0).unwrap(), 0));
        drop(decode(key, 0));
    }
}

#[test]
fn a_batch_that_is_cut_or_changed_is_refused() {
    let records = [record("a", Some("k")), record("a", None), record("b", Some(""))];
    let bytes = encode(records.iter(), 300, 1_000, 100).unwrap();
    for len in 0..bytes.len() {
        assert!(decode(bytes.slice(..len), 0).is_err(), "cut at {len}");
    }
    // The checksum covers what is behind the base offset, length, epoch, format and itself.
    for (at, bit) in (8..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << bit;
        let refused = decode(changed.into(), 0).is_err();
        assert!(refused || (12..16).contains(&at), "bit {bit} of byte {at}");
    }
}

#[test]
fn an_envelope_that_lies_is_refused() {
    let cases: [(&[u8], &str); 10] = [
        (&[], "no flags"),
        (&[0x40], "flags of a later version"),
        (&[MARK, 0x80], "no durable mark"),
        (&[TOPIC, 3, b'a'], "no topic"),
        (&[TOPIC, 1, 0xff, 0], "a topic that is no text"),
        (&[0, 0], "no topic before it"),
        (&[TOPIC, 1, b'a'], "no timestamp"),
        (&[TOPIC | PARTITION, 1, b'a', 0, 1, 2, 3], "no partition"),
        (&[TOPIC | IDEMPOTENCY, 1, b'a', 0, 1], "no idempotency hash"),
        (&[TOPIC, 1, b'a', 0, b'k'], "a key where there is none"),
    ];
    for (key, what) in cases {
        let mut batch = Batch::new(0);
        batch.put(key, None, &[]).unwrap();
        let refused = decode(batch.sealed(0).unwrap(), 5);
        let wrong = EncodingError::Envelope { sequence: 5, what };
        assert_eq!(refused, Err(wrong.clone()), "{key:?}");
        // Not even with a record of another batch before it, and nothing is added to that.
        let mut batch = Batch::new(0);
        batch.put(&[TOPIC, 1, b'a', 0], None, &[]).unwrap();
        let mut records = decode(batch.sealed(0).unwrap(), 1).unwrap().records;
        let mut batch = Batch::new(0);
        batch.put(key, None, &[]).unwrap();
        let refused = decode_behind(batch.sealed(0).unwrap(), true, 5, 0, &mut records);
        assert_eq!((refused, records.len()), (Err(wrong), 1), "{key:?}");
    }
    let nothing = encode([].iter(), 0, 0, 0);
    assert_eq!(nothing, Err(EncodingError::Size("no record")));
}

#[test]
fn a_seal_holds_a_mark_and_no_record() {
    let decoded = decode(encode_seal(u64::MAX, 5).unwrap(), 41).unwrap();
    let expected = Decoded { mark: u64::MAX, next: 42, taken_ms: 5, records: vec![] };
    assert_eq!(decoded, expected);
}

#[test]
fn batches_one_behind_the_other_are_told_apart() {
    let records = [record("a", None)];
    let one = encode(records.iter(), 0, 0, 1_000_000).unwrap();
    let two: Bytes = [&one[..], &one, &one[..30]].concat().into();
    assert_eq!(batches(&two).collect::<Vec<_>>(), [(0, one.clone()), (0, one)]);
}
