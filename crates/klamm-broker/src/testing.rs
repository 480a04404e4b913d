//! Record batches for tests.

use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::record_batch::{
    Attributes, BatchHeader, RecordParts, encode_record, encoded_record_len,
};

/// A batch to be.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    header: BatchHeader,
    key: Option<String>,
    values: Vec<String>,
}

impl Batch {
    /// Records of these values, all with one timestamp.
    pub(crate) fn new(timestamp: i64, values: &[&str]) -> Self {
        let count = i32::try_from(values.len()).unwrap();
        let header = BatchHeader {
            records_count: count,
            last_offset_delta: count - 1,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            ..BatchHeader::default()
        };
        Self { header, key: None, values: values.iter().map(|&value| value.to_owned()).collect() }
    }

    /// The same key for all.
    pub(crate) fn keyed(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn compressed(mut self, codec: Codec) -> Self {
        self.header.attributes = Attributes::new(codec);
        self
    }

    pub(crate) fn header(mut self, change: impl FnOnce(&mut BatchHeader)) -> Self {
        change(&mut self.header);
        self
    }

    pub(crate) fn bytes(mut self) -> Bytes {
        let mut body = Vec::new();
        for (value, delta) in self.values.iter().zip(0..) {
            let parts = RecordParts {
                offset_delta: delta,
                timestamp_delta: 0,
                key: self.key.as_deref().map(str::as_bytes),
                value: Some(value.as_bytes()),
                headers: &[],
            };
            let start = body.len();
            body.resize(start + encoded_record_len(&parts), 0);
            encode_record(&mut body[start..], &parts).unwrap();
        }
        let codec = self.header.attributes.codec().unwrap();
        let body = match codec {
            Codec::None => Bytes::from(body),
            codec => {
                let mut out = Vec::new();
                Compression::from(codec).compress(&[Bytes::from(body)], &mut out).unwrap();
                Bytes::from(out)
            }
        };
        let head = self.header.seal(std::slice::from_ref(&body));
        [&head[..], &body].concat().into()
    }
}
