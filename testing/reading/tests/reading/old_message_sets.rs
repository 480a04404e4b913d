//! Message sets of the formats before record batches, as a log has them that is older than its broker.

use crate::stage::{Stage, is_silent, number, p, poll, read};
use bytes::Bytes;
use klamm::consumer::FetchDataError;
use klamm::{ConsumeError, ConsumerConfig, Start};
use klamm_protocol::message::FetchResponse;

/// One message of format v0 or v1.
fn message(offset: i64, magic: u8, value: &str) -> Vec<u8> {
    let mut covered = vec![magic, 0];
    if magic == 1 {
        covered.extend(7i64.to_be_bytes());
    }
    covered.extend((-1i32).to_be_bytes());
    covered.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    covered.extend(value.bytes());
    let mut out = offset.to_be_bytes().to_vec();
    out.extend((u32::try_from(covered.len()).unwrap() + 4).to_be_bytes());
    out.extend(crc32(&covered).to_be_bytes());
    out.extend(covered);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, b| (0..8).fold(crc ^ u32::from(*b), |crc, _| bit(crc)))
}

/// Puts something in the place of the first answer that has records.
fn before_records(stage: &Stage, change: impl Fn(Bytes) -> Vec<u8> + Send + 'static) {
    let mut done = false;
    let edit = move |answer: &mut FetchResponse| {
        for data in answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            let records = data.records.take().unwrap_or_default();
            let changed = !done && !records.is_empty();
            done |= changed;
            let changed = changed.then(|| Bytes::from(change(records.to_bytes())).into());
            data.records = Some(changed.unwrap_or(records));
        }
    };
    let mut edit = edit;
    stage.wire.edits().fetch = Some(Box::new(move |_, _, answer| edit(answer)));
}

#[tokio::test(start_paused = true)]
async fn three_formats_in_one_answer_are_one_sequence() {
    let stage = Stage::new(1).await;
    stage.produce(0, 0..30).await;
    // The batch that follows has the same offsets once more.
    before_records(&stage, |batches| {
        let old = [message(0, 0, "100"), message(1, 0, "101"), message(2, 1, "102")];
        [old.concat(), batches.to_vec()].concat()
    });
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    let expected: Vec<i64> = [100, 101, 102].into_iter().chain(3..30).collect();
    let (mut found, mut next) = (Vec::new(), 0);
    while found.len() < 30 {
        let batch = poll(&consumer).await.unwrap();
        for record in &batch {
            assert_eq!(record.offset(), next, "{found:?}");
            next += 1;
            found.push(number(record.value().unwrap()));
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn a_format_that_nobody_knows_stops_its_partition_at_its_place() {
    let stage = Stage::new(1).await;
    stage.produce(0, 0..30).await;
    before_records(&stage, |batches| {
        let mut batches = batches.to_vec();
        batches[16] = 9;
        batches
    });
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    match poll(&consumer).await {
        Err(ConsumeError::Data(FetchDataError::Unsupported { at, .. })) => {
            assert_eq!((at.first_offset, consumer.position(&p(0))), (0, Some(0)));
        }
        other => panic!("{other:?}"),
    }
    assert!(is_silent(&consumer).await, "it stopped");
    consumer.skip_to(&p(0), 1).unwrap();
    assert_eq!(read(&consumer, 29).await, (1..30).collect::<Vec<_>>());
}
