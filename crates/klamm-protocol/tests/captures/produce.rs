//! Produce requests: klamm, given the input, writes the client's bytes.

use super::files::{Captured, Client, all, answer, same, without_length};
use super::input::{self, Given};
use bytes::Bytes;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::compression::{Codec, DECOMPRESSED_MAX_BYTES};
use klamm_protocol::header::{decode_request_header, encode_request};
use klamm_protocol::message::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::message::{InitProducerIdRequest, MetadataRequest, ProduceRequest};
use klamm_protocol::primitives::{Message, Records, Uuid};
use klamm_protocol::record_batch::{Attributes, RecordBatch};

/// From here on requests name topics by their id.
const FIRST_WITH_TOPIC_IDS: i16 = 13;

/// The only batch of the only partition in a captured request.
fn captured_batch(c: &Captured) -> Result<RecordBatch, String> {
    let (header, mut d) = decode_request_header(c.frame.clone()).map_err(|e| e.to_string())?;
    let version = header.api_version;
    let request = ProduceRequest::decode(&mut d, version).map_err(|e| e.to_string())?;
    d.finish().map_err(|e| e.to_string())?;
    let [topic] = &request.topic_data[..] else { return Err("not one topic".to_owned()) };
    let [partition] = &topic.partition_data[..] else {
        return Err("not one partition".to_owned());
    };
    let records = partition.records.as_ref().ok_or("no records")?;
    RecordBatch::parse(records.to_bytes()).map_err(|e| e.to_string())
}

/// The request around `batch`, as the client was configured to send it.
fn request(c: &Captured, batch: [Bytes; 2]) -> ProduceRequest {
    let partition = PartitionProduceData { index: 0, records: Some(Records::from_parts(batch)) };
    let mut topic = TopicProduceData { partition_data: vec![partition], ..Default::default() };
    if c.version >= FIRST_WITH_TOPIC_IDS {
        topic.topic_id = topic_id(c.client);
    } else {
        topic.name = "capture".into();
    }
    ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 30_000, topic_data: vec![topic] }
}

/// What the client was told the topic's id is.
fn topic_id(client: Client) -> Uuid {
    answer::<MetadataRequest>(client).topics[0].topic_id
}

fn attributes(c: &Captured) -> Attributes {
    Attributes::new(c.suffix.parse::<Codec>().unwrap())
}

/// The id the producer was given; of runs whose answer is not kept, the id that it used, which the
/// batch's checksum covers.
fn producer_id(c: &Captured, batch: &RecordBatch) -> i64 {
    match c.suffix.as_str() {
        "none" => answer::<InitProducerIdRequest>(c.client).producer_id,
        _ => batch.header().producer_id,
    }
}

/// Compares the records one by one, their bytes, and then the whole request with what klamm writes.
///
/// Compressed bytes depend on the version of the codec and are taken from the capture: what must be the
/// same is what comes out of them.
fn check(c: &Captured, given: &[Given]) -> Result<(), String> {
    let batch = captured_batch(c)?;
    let plain = batch.decompressed(DECOMPRESSED_MAX_BYTES).map_err(|e| e.to_string())?;
    let read = plain.records().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    let became = |(index, record): (usize, &Given)| {
        read.get(index).is_some_and(|captured| record.became(index, captured))
    };
    if read.len() != given.len() || !given.iter().enumerate().all(became) {
        return Err(format!("{c}: other records: {read:#?}"));
    }
    let encoded = input::encoded(given);
    same("records", plain.raw_records(), &encoded)?;

    let mut header = input::header(given, attributes(c), producer_id(c, &batch));
    // Not covered by the checksum, and the broker writes its own over it.
    header.partition_leader_epoch = if c.client == Client::Librdkafka { 0 } else { -1 };
    let stored = if c.suffix == "none" { encoded } else { batch.raw_records().clone() };
    let sealed = header.seal(std::slice::from_ref(&stored));
    let request = request(c, [Bytes::copy_from_slice(&sealed), stored]);
    // Counts what the connection has been used for.
    let correlation_id = i32::from_be_bytes(*c.frame[4..].first_chunk().unwrap());
    let written = encode_request(&request, c.version, correlation_id, "capture");
    same(&c.to_string(), &c.frame, &without_length(&written.map_err(|e| e.to_string())?))
}

fn requests() -> impl Iterator<Item = Captured> {
    all().into_iter().filter(|c| c.api == ApiKey::Produce && !c.is_response())
}

#[test]
fn klamm_writes_the_requests_of_other_clients_byte_for_byte() {
    let given = input::records();
    let mut checked = 0;
    for c in requests() {
        check(&c, &given).unwrap_or_else(|difference| panic!("{difference}"));
        checked += 1;
    }
    assert_eq!(checked, 15, "three clients, five codecs");
}

#[test]
fn no_changed_byte_of_a_request_goes_unnoticed() {
    let given = input::records();
    for c in requests() {
        assert_eq!(check(&c, &given), Ok(()));
        for at in (0..c.frame.len()).filter(|at| !(4..8).contains(at)) {
            assert!(check(&c.flipped(at), &given).is_err(), "{c}: byte {at}");
        }
    }
}

/// One thing about one record, done differently.
type Change = fn(&mut Given);

#[test]
fn no_changed_record_goes_unnoticed() {
    let changes: [(usize, Change); 8] = [
        (0, |r| r.value = Some(b"Value")),
        (1, |r| r.key = Some(b"")),
        (2, |r| r.value = Some(b"")),
        (3, |r| r.key = None),
        (5, |r| r.headers.swap(0, 1)),
        (6, |r| r.headers[0].value = Some(b"")),
        (6, |r| r.headers[1].value = None),
        (8, |r| r.time = 8),
    ];
    for c in requests() {
        for (index, change) in changes {
            let mut given = input::records();
            change(&mut given[index]);
            assert!(check(&c, &given).is_err(), "{c}: record {index}");
        }
    }
}
