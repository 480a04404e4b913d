//! A writer of transactions, request by request, so that tests choose what is written when.

use crate::wire::Wire;
use bytes::Bytes;
use klamm_protocol::compression::{Codec, Compression};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use klamm_protocol::message::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::message::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProduceRequest,
};
use klamm_protocol::record_batch::{BatchHeader, RecordParts, encode_record, encoded_record_len};
use std::collections::BTreeMap;

/// The epoch stays the same from one transaction to the next up to this version.
const END_TXN: i16 = 4;

pub(crate) struct Writer {
    wire: Wire,
    id: String,
    producer_id: i64,
    epoch: i16,
    sequences: BTreeMap<i32, i32>,
    open: Vec<i32>,
}

impl Writer {
    pub(crate) async fn new(wire: &Wire, id: &str) -> Self {
        let init = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            // By the paused clock, which tests that wait for nothing move far.
            transaction_timeout_ms: 900_000,
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdRequest::default()
        };
        let answer = wire.ask(&init, 4).await;
        assert_eq!(answer.error_code, 0);
        let (producer_id, epoch) = (answer.producer_id, answer.producer_epoch);
        let (wire, id) = (wire.clone(), id.to_owned());
        Self { wire, id, producer_id, epoch, sequences: BTreeMap::new(), open: Vec::new() }
    }

    /// The key that a value goes by.
    pub(crate) fn key(value: i64) -> i64 {
        value % 7
    }

    /// Appends a batch of these values to `t`, in a transaction that begins if there is none. Returns the offset
    /// of the first.
    pub(crate) async fn write(&mut self, partition: i32, values: &[i64], codec: Codec) -> i64 {
        if !self.open.contains(&partition) {
            self.add(partition).await;
        }
        let sequence = self.sequences.entry(partition).or_default();
        let header = BatchHeader {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            base_sequence: *sequence,
            base_timestamp: 1_000,
            max_timestamp: 1_000,
            ..BatchHeader::default()
        };
        *sequence += i32::try_from(values.len()).unwrap();
        let request = ProduceRequest {
            transactional_id: Some(self.id.as_str().into()),
            acks: -1,
            timeout_ms: 1_000,
            topic_data: vec![TopicProduceData {
                name: "t".into(),
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Some(batch(header, values, codec).into()),
                }],
                ..TopicProduceData::default()
            }],
        };
        let answer = self.wire.ask(&request, 9).await;
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(ErrorCode(answer.error_code), ErrorCode::NONE);
        answer.base_offset
    }

    async fn add(&mut self, partition: i32) {
        let topic = AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![partition] };
        let add = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.id.as_str().into(),
            v3_and_below_producer_id: self.producer_id,
            v3_and_below_producer_epoch: self.epoch,
            v3_and_below_topics: vec![topic],
            ..AddPartitionsToTxnRequest::default()
        };
        let answer = self.wire.ask(&add, 3).await;
        let results = &answer.results_by_topic_v3_and_below[0].results_by_partition;
        assert_eq!(results[0].partition_error_code, 0);
        self.open.push(partition);
    }

    /// Ends the transaction, if there is one.
    pub(crate) async fn end(&mut self, committed: bool) {
        if self.open.is_empty() {
            return;
        }
        let end = EndTxnRequest {
            transactional_id: self.id.as_str().into(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
        };
        let answer = self.wire.ask(&end, END_TXN).await;
        assert_eq!(ErrorCode(answer.error_code), ErrorCode::NONE);
        self.open.clear();
    }
}

/// A transactional batch with these values.
fn batch(mut header: BatchHeader, values: &[i64], codec: Codec) -> Bytes {
    let mut body = Vec::new();
    for (delta, value) in (0..).zip(values) {
        let (key, value) = (Writer::key(*value).to_string(), value.to_string().into_bytes());
        let parts = RecordParts {
            timestamp_delta: 0,
            offset_delta: delta,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: &[],
        };
        let at = body.len();
        body.resize(at + encoded_record_len(&parts), 0);
        encode_record(&mut body[at..], &parts).unwrap();
    }
    let mut stored = Vec::new();
    Compression::from(codec).compress(&[Bytes::from(body)], &mut stored).unwrap();
    header.records_count = i32::try_from(values.len()).unwrap();
    header.last_offset_delta = header.records_count - 1;
    header.attributes = header.attributes.transactional().with_codec(codec);
    let stored = Bytes::from(stored);
    let head = header.seal(std::slice::from_ref(&stored));
    Bytes::from([&head[..], &stored[..]].concat())
}
