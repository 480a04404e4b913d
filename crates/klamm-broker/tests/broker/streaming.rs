//! Answers that are read from a file while they are written: every byte of them, whatever their size and whatever becomes of
//! the file; and when one cannot be read, no other byte in its place.

use crate::batch::batch;
use crate::exposition::Exposition;
use crate::peer::{Peer, fetch, start};
use klamm_broker::storage::{Call, Fault, FaultyStorage, Misdeed};
use klamm_broker::{Action, Broker, Durability, Rule};
use klamm_protocol::message::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use klamm_protocol::message::{DeleteRecordsRequest, FetchRequest};
use klamm_protocol::primitives::Str;
use std::path::PathBuf;
use std::sync::Arc;

const T: Str = Str::from_static("t");
const KAFKA_STORAGE_ERROR: i16 = 56;

/// Where the first record of a batch begins.
const FIRST_RECORD_AT: usize = 61;

/// A directory of a test's own, gone when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("klamm-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A broker that has its records in files of a storage that fails when it is told to.
async fn on(storage: &FaultyStorage) -> Broker {
    let builder = Broker::builder().without_sockets().storage(Arc::new(storage.clone()));
    start(builder.durability(Durability::Os).topic("t", 2)).await
}

/// Produces `count` batches of about `bytes` to a partition.
async fn fill(peer: &mut Peer, partition: i32, count: usize, bytes: usize) {
    for n in 0..count {
        let value: String =
            (0..bytes).map(|at| char::from(b'a' + ((at / 7 + n) % 26) as u8)).collect();
        assert_eq!(peer.produce(partition, batch(&[&value])).await.error_code, 0);
    }
}

/// All of a partition, as far as the broker gives it at once.
fn all_of(partitions: &[i32]) -> FetchRequest {
    let mut request = fetch(0, 0, 0);
    request.max_bytes = i32::MAX;
    let one = request.topics[0].partitions.remove(0);
    request.topics[0].partitions.extend(partitions.iter().map(|&partition| {
        let mut one = one.clone();
        (one.partition, one.partition_max_bytes) = (partition, i32::MAX);
        one
    }));
    request
}

/// The bytes of each partition of one answer.
async fn read(peer: &mut Peer, partitions: &[i32]) -> Vec<Vec<u8>> {
    let answer = peer.call(11, &all_of(partitions)).await;
    let data = answer.responses[0].partitions.iter();
    data.map(|data| data.records.as_ref().unwrap().to_bytes().to_vec()).collect()
}

fn fail(after: u64) -> Fault {
    Fault { call: Some(Call::Read), after, misdeed: Misdeed::Fail, lasting: false }
}

#[tokio::test]
async fn answers_of_any_size_are_what_was_written() {
    let dir = Directory::new("streamed");
    let broker = start(Broker::builder().data(&dir.0).topic("t", 2)).await;
    let mut peer = Peer::connect(broker.address()).await;
    let (mut small, memory) = (Vec::new(), crate::peer::broker().await);
    let mut other = Peer::connect(memory.address()).await;
    for partition in [0, 1] {
        for (count, bytes) in [(30, 300), (3, 70_000), (12, 900_000)] {
            fill(&mut peer, partition, count, bytes).await;
            fill(&mut other, partition, count, bytes).await;
        }
        small.push(other.read_all(partition).await);
    }
    let large = read(&mut peer, &[0, 1]).await;
    assert!(large[0].len() > 10 << 20, "more than what one of records in memory has");
    assert!(large.iter().zip(&small).all(|(large, small)| large == small));
    // Several on their way at the same time, and small ones behind them.
    for _ in 0..3 {
        peer.send(11, &all_of(&[1, 0])).await;
        peer.send(11, &fetch(0, 0, 0)).await;
    }
    for _ in 0..3 {
        let (_, answer) = peer.receive::<FetchRequest>(11).await;
        let data = &answer.responses[0].partitions;
        assert!([1, 0].iter().zip(data).all(|(&partition, data)| {
            data.partition_index == partition
                && data.records.as_ref().unwrap().to_bytes() == small[partition as usize]
        }));
        let (_, answer) = peer.receive::<FetchRequest>(11).await;
        assert!(answer.responses[0].partitions[0].records.as_ref().unwrap().len() <= 1 << 20);
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn what_retention_takes_from_an_answer_on_its_way_is_still_in_it() {
    let dir = Directory::new("deleted-meanwhile");
    let broker = start(Broker::builder().without_sockets().data(&dir.0).topic("t", 2)).await;
    let mut peer = Peer::in_process(&broker).await;
    fill(&mut peer, 0, 5, 900_000).await;
    let before = read(&mut peer, &[0]).await;
    let mut slow = Peer::in_process(&broker).await;
    slow.send(11, &all_of(&[0])).await;
    // Its answer fills the connection and waits.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let partition = DeleteRecordsPartition { partition_index: 0, offset: -1 };
    let topics = vec![DeleteRecordsTopic { name: T, partitions: vec![partition] }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
    assert_eq!(peer.call(2, &request).await.topics[0].partitions[0].error_code, 0);
    fill(&mut peer, 0, 2, 900_000).await;
    let (_, answer) = slow.receive::<FetchRequest>(11).await;
    let data = &answer.responses[0].partitions[0];
    assert!(data.records.as_ref().unwrap().to_bytes() == before[0]);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_or_the_end_and_never_other_bytes() {
    let storage = FaultyStorage::new();
    let broker = on(&storage).await;
    let mut peer = Peer::in_process(&broker).await;
    fill(&mut peer, 0, 3, 10_000).await;
    fill(&mut peer, 1, 5, 900_000).await;
    let sound = read(&mut peer, &[0, 1]).await;
    let (mut refused, mut cut) = (0, 0);
    for after in 0.. {
        let mut reader = Peer::in_process(&broker).await;
        storage.inject(fail(after));
        reader.send(11, &all_of(&[0, 1])).await;
        let Some(frame) = reader.frame().await else {
            cut += 1;
            continue;
        };
        let (_, answer) =
            klamm_protocol::header::decode_response::<FetchRequest>(frame, 11).unwrap();
        let data = &answer.responses[0].partitions;
        for (data, sound) in data.iter().zip(&sound).filter(|(data, _)| data.error_code == 0) {
            assert!(data.records.as_ref().unwrap().to_bytes() == *sound, "after {after} reads");
        }
        if data.iter().all(|data| data.error_code == 0) {
            break;
        }
        assert!(data.iter().all(|data| [0, KAFKA_STORAGE_ERROR].contains(&data.error_code)));
        refused += 1;
        storage.heal();
        assert!(read(&mut reader, &[0, 1]).await == sound, "the connection goes on");
    }
    storage.heal();
    // The small records are read beforehand; the large ones are some pieces.
    assert!(refused >= 2 && cut >= 4, "{refused} refused, {cut} cut");
    let counted = closed(&broker, "storage_error").await;
    assert_eq!(counted, Some(f64::from(cut)));
    assert!(read(&mut peer, &[0, 1]).await == sound, "other connections go on");
}

/// How many connections have ended for a reason.
async fn closed(broker: &Broker, reason: &str) -> Option<f64> {
    let page: Exposition = crate::metrics::scrape(broker).await;
    page.value("klamm_broker_connections_closed_total", &[("reason", reason)])
}

#[tokio::test]
async fn faults_strike_what_is_still_to_be_read() {
    let storage = FaultyStorage::new();
    let broker = on(&storage).await;
    let mut peer = Peer::in_process(&broker).await;
    fill(&mut peer, 0, 3, 900_000).await;
    let sound = read(&mut peer, &[0]).await.remove(0);
    let mut reader = Peer::in_process(&broker).await;
    let id = reader.send(11, &all_of(&[0])).await;
    let whole = reader.frame().await.unwrap();
    for bytes in [3, 60, 70_000, 1_048_576, 1_300_000, whole.len() + 3] {
        let rule = Rule::new(Action::CutAfterBytes(u32::try_from(bytes).unwrap())).times(1);
        broker.controls().add_fault(rule).unwrap();
        let mut reader = Peer::in_process(&broker).await;
        assert_eq!(reader.send(11, &all_of(&[0])).await, id);
        let rest = reader.rest().await;
        assert_eq!(rest.len(), bytes);
        assert!(rest.iter().skip(4).eq(whole.iter().take(bytes.saturating_sub(4))));
    }
    broker.controls().add_fault(Rule::new(Action::Corrupt).topic("t").times(1)).unwrap();
    let corrupt = read(&mut peer, &[0]).await.remove(0);
    assert_eq!(corrupt.len(), sound.len());
    let wrong: Vec<_> = (0..sound.len()).filter(|&at| corrupt[at] != sound[at]).collect();
    assert_eq!(wrong, [FIRST_RECORD_AT]);
    assert!(read(&mut peer, &[0]).await.remove(0) == sound);
}
