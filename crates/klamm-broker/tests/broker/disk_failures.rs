//! A disk that is full, or breaks: nothing more is accepted and it is said why, reads go on, and what was acknowledged
//! is there when the directory is opened again.

use crate::batch::{from_producer, records};
use crate::peer::{Peer, start};
use klamm_broker::storage::{Call, Fault, FaultyStorage, Misdeed};
use klamm_broker::{Broker, Builder, Durability};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_fetch_request::OffsetFetchRequestTopic;
use klamm_protocol::message::{OffsetCommitRequest, OffsetFetchRequest};
use klamm_protocol::primitives::Str;
use std::sync::Arc;
use std::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::span;

const PRODUCER: i64 = 1;
const T: Str = Str::from_static("t");
const G: Str = Str::from_static("g");

fn on(storage: &FaultyStorage, durability: Durability) -> Builder {
    let storage = Arc::new(storage.clone());
    Broker::builder().without_sockets().storage(storage).durability(durability).topic("t", 2)
}

fn fault(call: Option<Call>, after: u64, misdeed: Misdeed, lasting: bool) -> Fault {
    Fault { call, after, misdeed, lasting }
}

/// Produces record `n` of a partition; the answer is its offset, or the code.
async fn produce(peer: &mut Peer, partition: i32, n: i32) -> Result<i64, ErrorCode> {
    let batch = from_producer(PRODUCER, n, &[&n.to_string()]);
    let answer = peer.produce(partition, batch).await;
    match answer.error_code {
        0 => Ok(answer.base_offset),
        code => Err(ErrorCode(code)),
    }
}

async fn values(peer: &mut Peer, partition: i32) -> Vec<i32> {
    let all = records(peer.read_all(partition).await);
    all.into_iter().map(|(_, value)| value.parse().unwrap()).collect()
}

/// What was logged on this thread.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn count(&self, words: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }
}

impl Visit for Lines {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut lines = self.0.lock().unwrap();
        let line = lines.last_mut().unwrap();
        line.push_str(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.lock().unwrap().push(String::new());
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_records_says_so_once_and_serves_reads() {
    let lines = Lines::default();
    let _logging = tracing::subscriber::set_default(lines.clone());
    let storage = FaultyStorage::new();
    let broker = start(on(&storage, Durability::Os)).await;
    let mut peer = Peer::in_process(&broker).await;
    for n in 0..3 {
        assert_eq!(produce(&mut peer, 0, n).await, Ok(i64::from(n)));
    }
    assert_eq!(broker.controls().storage_trouble(), None);
    storage.inject(fault(Some(Call::Write), 0, Misdeed::Full, true));
    for _ in 0..3 {
        let refused = peer.produce(0, from_producer(PRODUCER, 3, &["3"])).await;
        assert_eq!(ErrorCode(refused.error_code), ErrorCode::KAFKA_STORAGE_ERROR);
        let message = refused.error_message.unwrap();
        assert!(message.contains("no space left"), "{message}");
    }
    assert_eq!(lines.count("records are refused"), 1, "{lines:?}");
    assert_eq!(lines.count("topic=\"t\" partition=0 error=cannot write: no space left"), 1);
    assert_eq!(values(&mut peer, 0).await, [0, 1, 2]);
    let trouble = broker.controls().storage_trouble().unwrap();
    assert!(trouble.starts_with("t-0: ") && trouble.contains("no space left"), "{trouble}");

    storage.heal();
    assert_eq!(produce(&mut peer, 0, 3).await, Ok(3), "the retry of the same record");
    assert_eq!(broker.controls().storage_trouble(), None);
    assert_eq!(lines.count("records are taken again"), 1);
    // One that nothing follows is forgotten, so that writers who were sent away come back.
    storage.inject(fault(Some(Call::Write), 0, Misdeed::Full, false));
    assert!(produce(&mut peer, 0, 4).await.is_err());
    assert!(broker.controls().storage_trouble().is_some());
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    assert_eq!(broker.controls().storage_trouble(), None);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn half_a_write_is_cut_back() {
    let storage = FaultyStorage::new();
    let broker = start(on(&storage, Durability::Always)).await;
    let mut peer = Peer::in_process(&broker).await;
    assert_eq!(produce(&mut peer, 0, 0).await, Ok(0));
    storage.inject(fault(Some(Call::Write), 0, Misdeed::Tear { bytes: 40 }, false));
    assert_eq!(produce(&mut peer, 0, 1).await, Err(ErrorCode::KAFKA_STORAGE_ERROR));
    assert_eq!(produce(&mut peer, 0, 1).await, Ok(1));
    assert_eq!(values(&mut peer, 0).await, [0, 1]);
    let broker = start(on(&storage.crash(7), Durability::Always)).await;
    assert_eq!(values(&mut Peer::in_process(&broker).await, 0).await, [0, 1]);
}

#[tokio::test]
async fn a_sync_that_fails_ends_writing_until_the_broker_starts_again() {
    let storage = FaultyStorage::new();
    let broker = start(on(&storage, Durability::Always)).await;
    let mut peer = Peer::in_process(&broker).await;
    for n in 0..3 {
        assert_eq!(produce(&mut peer, 0, n).await, Ok(i64::from(n)));
    }
    storage.inject(fault(Some(Call::Sync), 0, Misdeed::Fail, false));
    assert_eq!(produce(&mut peer, 0, 3).await, Err(ErrorCode::KAFKA_STORAGE_ERROR));
    // The disk would say yes now, which proves nothing.
    for _ in 0..2 {
        assert_eq!(produce(&mut peer, 0, 3).await, Err(ErrorCode::KAFKA_STORAGE_ERROR));
    }
    assert_eq!(values(&mut peer, 0).await, [0, 1, 2], "what is not certain is not shown");
    assert_eq!(produce(&mut peer, 1, 0).await, Ok(0), "other partitions go on");
    let trouble = broker.controls().storage_trouble().unwrap();
    assert!(trouble.contains("a sync failed"), "{trouble}");
    for seed in 0..20 {
        let broker = start(on(&storage.crash(seed), Durability::Always)).await;
        let mut peer = Peer::in_process(&broker).await;
        assert!(values(&mut peer, 0).await.starts_with(&[0, 1, 2]), "seed {seed}");
        assert_eq!(values(&mut peer, 1).await, [0]);
        let next = values(&mut peer, 0).await.len();
        let n = i32::try_from(next).unwrap();
        assert!(produce(&mut peer, 0, n).await.is_ok(), "it writes again");
    }
}

async fn commit(peer: &mut Peer, offset: i64) -> Result<(), ErrorCode> {
    let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: T, partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: G,
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    match peer.call(6, &request).await.topics[0].partitions[0].error_code {
        0 => Ok(()),
        code => Err(ErrorCode(code)),
    }
}

async fn committed(peer: &mut Peer) -> i64 {
    let topic = OffsetFetchRequestTopic { name: T, partition_indexes: vec![0] };
    let request =
        OffsetFetchRequest { group_id: G, topics: Some(vec![topic]), ..Default::default() };
    peer.call(5, &request).await.topics[0].partitions[0].committed_offset
}

/// What a client was told.
#[derive(Debug)]
struct Told {
    acked: [i32; 2],
    committed: i64,
}

/// A session whose client does not give up: it sends what was refused again, and goes on when it is refused twice.
async fn session(broker: &Broker) -> Told {
    let mut peer = Peer::in_process(broker).await;
    let mut told = Told { acked: [0, 0], committed: -1 };
    for _ in 0..6 {
        for partition in 0..2 {
            let acked = &mut told.acked[usize::try_from(partition).unwrap()];
            let first = produce(&mut peer, partition, *acked).await;
            let second =
                if first.is_err() { produce(&mut peer, partition, *acked).await } else { first };
            match second {
                Ok(offset) => {
                    assert_eq!(offset, i64::from(*acked), "each record once, in its place");
                    *acked += 1;
                }
                Err(code) => assert_eq!(code, ErrorCode::KAFKA_STORAGE_ERROR),
            }
        }
        let offset = i64::from(told.acked[0]);
        match commit(&mut peer, offset).await {
            Ok(()) => told.committed = offset,
            Err(code) => assert_eq!(code, ErrorCode::KAFKA_STORAGE_ERROR),
        }
    }
    told
}

/// What a power loss has taken of what was promised.
async fn broken_promise(storage: &FaultyStorage, seed: u64, told: &Told) -> Option<String> {
    let broker = start(on(&storage.crash(seed), Durability::Always)).await;
    let mut peer = Peer::in_process(&broker).await;
    for (partition, &acked) in (0..).zip(&told.acked) {
        let found = values(&mut peer, partition).await;
        let len = i32::try_from(found.len()).unwrap();
        if len < acked || found != Vec::from_iter(0..len) {
            return Some(format!("partition {partition} has {found:?} of {told:?}"));
        }
    }
    let committed = committed(&mut peer).await;
    (committed < told.committed).then(|| format!("offset {committed} of {told:?}"))
}

#[tokio::test]
async fn whichever_call_fails_nothing_that_was_acknowledged_is_lost() {
    let whole = FaultyStorage::new();
    let broker = start(on(&whole, Durability::Always)).await;
    let before = whole.calls();
    let told = session(&broker).await;
    assert_eq!((told.acked, told.committed), ([6, 6], 6));
    let calls = whole.calls() - before;
    assert!(calls >= 36, "a write and a sync for each of 18 requests, not {calls}");
    for misdeed in [Misdeed::Full, Misdeed::Fail, Misdeed::Tear { bytes: 30 }] {
        for lasting in [false, true] {
            for after in 0..calls {
                let storage = FaultyStorage::new();
                let broker = start(on(&storage, Durability::Always)).await;
                storage.inject(fault(None, after, misdeed, lasting));
                let told = session(&broker).await;
                let broken = broken_promise(&storage, after, &told).await;
                assert_eq!(broken, None, "{misdeed:?} at call {after}, lasting: {lasting}");
            }
        }
    }
}

#[tokio::test]
async fn a_disk_that_lies_about_syncs_is_found_out() {
    let storage = FaultyStorage::new();
    let broker = start(on(&storage, Durability::Always)).await;
    storage.inject(fault(Some(Call::Sync), 0, Misdeed::Pretend, true));
    let told = session(&broker).await;
    assert_eq!(told.acked, [6, 6], "nobody has noticed");
    for seed in 0..100 {
        if broken_promise(&storage, seed, &told).await.is_some() {
            return;
        }
    }
    panic!("records that were never synced survive every power loss");
}
