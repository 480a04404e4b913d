//! The input that the three clients were given, written down a second time: `bench/capture/records.tsv`
//! is the first, and a mistake in either of them shows.

use bytes::Bytes;
use klamm_protocol::record_batch::{
    Attributes, BatchHeader, Header, Record, RecordParts, encode_record, encoded_record_len,
};

/// The timestamp of the first record.
const EPOCH: i64 = 1_700_000_000_000;

/// `N` bytes that count up to 250 and start again.
const fn counted<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = (i % 251) as u8;
        i += 1;
    }
    bytes
}

static LONG: [u8; 300] = counted();
static LONG_HEADER: [u8; 200] = counted();

/// A record as it was handed to the client.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// After the first record's.
    pub(crate) time: i64,
    pub(crate) key: Option<&'static [u8]>,
    pub(crate) value: Option<&'static [u8]>,
    pub(crate) headers: Vec<Header<'static>>,
}

fn given(time: i64, key: Option<&'static str>, value: Option<&'static str>) -> Given {
    let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
    Given { time, key, value, headers: Vec::new() }
}

impl Given {
    fn with(mut self, headers: &[(&'static str, Option<&'static [u8]>)]) -> Self {
        self.headers = headers.iter().map(|&(key, value)| Header { key, value }).collect();
        self
    }

    /// Whether this is what a client made of it as its `index`th record.
    pub(crate) fn became(&self, index: usize, record: &Record<'_>) -> bool {
        let headers = self.headers.iter().map(|h| (h.key, h.value));
        record.offset == index as i64
            && record.timestamp == EPOCH + self.time
            && (record.key, record.value) == (self.key, self.value)
            && headers.eq(record.headers())
    }
}

/// All of it, in order.
pub(crate) fn records() -> Vec<Given> {
    let trace = |value: &'static [u8]| ("trace", Some(value));
    vec![
        given(0, Some("key"), Some("value")),
        given(1, None, Some("no key")),
        given(2, Some("no value"), None),
        given(3, Some(""), Some("")),
        given(4, None, None),
        given(5, Some("headers"), Some("one name thrice, in order")).with(&[
            trace(b"1"),
            trace(b"2"),
            trace(b"1"),
        ]),
        given(6, Some("headers"), Some("null and empty"))
            .with(&[("null", None), ("empty", Some(b""))]),
        Given { value: Some(&LONG), ..given(7, Some("long"), None) },
        given(-8, Some("earlier"), Some("than the first record")),
        given(9, Some("unicode"), Some("gr\u{f6}\u{df}er \u{1f980}"))
            .with(&[("gr\u{f6}\u{df}e", Some("\u{b5}".as_bytes())), ("\u{1f980}", Some(b"crab"))]),
        given(1_000_000, Some("later"), Some("by a thousand seconds"))
            .with(&[("long", Some(&LONG_HEADER))]),
    ]
}

/// The records section of a batch of `records`, as klamm writes it.
pub(crate) fn encoded(records: &[Given]) -> Bytes {
    let mut out = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let parts = RecordParts {
            timestamp_delta: record.time,
            offset_delta: index as i32,
            key: record.key,
            value: record.value,
            headers: &record.headers,
        };
        let at = out.len();
        out.resize(at + encoded_record_len(&parts), 0);
        assert_eq!(encode_record(&mut out[at..], &parts), Some(out.len() - at));
    }
    out.into()
}

/// The header of the first batch of the producer `producer_id`, before it is sealed.
pub(crate) fn header(records: &[Given], attributes: Attributes, producer_id: i64) -> BatchHeader {
    BatchHeader {
        attributes,
        last_offset_delta: records.len() as i32 - 1,
        base_timestamp: EPOCH,
        max_timestamp: EPOCH + records.iter().map(|r| r.time).max().unwrap(),
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        records_count: records.len() as i32,
        ..BatchHeader::default()
    }
}
