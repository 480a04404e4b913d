//! Leader epochs over power losses: they never go back, and a reader of what was lost is told.

use super::*;
use crate::cluster::{NewTopic, OpenFailed};
use crate::config::BrokerConfig;
use crate::nodes::Nodes;
use crate::partition::{Checked, Isolation, ReadRequest};
use crate::release::Release;
use crate::request_log::RequestLog;
use crate::security::{Security, SecuritySettings};
use crate::testing::Batch;
use klamm_log::storage::{Call, Fault, FaultyStorage, Misdeed};
use klamm_log::{Durability, Origin};
use klamm_protocol::record_batch::{RecordBatch, RecordBatches};

const ROUNDS: u64 = 60;
const LIVES: u64 = 5;
const NODES: i32 = 2;

fn cluster(storage: &FaultyStorage, durability: Durability) -> Cluster {
    open(storage, durability).unwrap()
}

fn open(storage: &FaultyStorage, durability: Durability) -> Result<Cluster, OpenFailed> {
    let nodes = Nodes::default();
    for id in 1..=NODES {
        nodes.add(id, Vec::new());
    }
    let security = Security::new(&SecuritySettings::default(), []).unwrap();
    let (storage, log) = (Arc::new(storage.clone()), RequestLog::new(0));
    let (config, release) = (BrokerConfig::default(), Release::default());
    let place = "a test".to_owned();
    Cluster::open(config, release, storage, durability, place, nodes, log, security)
}

/// A cluster with a topic `t` of two partitions, led by node 1 and node 2.
fn with_topic(storage: &FaultyStorage, durability: Durability) -> Cluster {
    let cluster = cluster(storage, durability);
    let new = NewTopic { partitions: Some(2), ..NewTopic::default() };
    cluster.create_topic("t", new, false).unwrap();
    cluster
}

fn partition(cluster: &Cluster, index: i32) -> Arc<Partition> {
    cluster.topics.get("t").unwrap().partition(index).unwrap()
}

fn append(partition: &Partition, value: &str) -> i64 {
    let bytes = Batch::new(0, &[value]).bytes();
    let header = *RecordBatch::parse(bytes.clone()).unwrap().header();
    let (node, _) = partition.leader();
    partition.append(node, Checked { bytes, header }, Origin::Client).unwrap().base_offset
}

fn lead(cluster: &Cluster, index: i32, node: i32) -> Result<i32, ErrorCode> {
    let topic = cluster.topics.get("t").unwrap();
    let partition = topic.partition(index).unwrap();
    cluster.lead(&[Move { topic, partition, node }]).map(|epochs| epochs[0])
}

fn request(offset: i64, current_epoch: i32, last_epoch: i32) -> ReadRequest {
    let isolation = Isolation::Uncommitted;
    ReadRequest {
        offset,
        max_bytes: 1 << 20,
        at_least_one: true,
        isolation,
        current_epoch,
        last_epoch,
    }
}

/// What a reader remembers of a record: its offset, the leader epoch it was written in, and what it said.
type Seen = (i64, i32, String);

fn read_all(partition: &Partition) -> Vec<Seen> {
    let (mut seen, mut offset) = (Vec::new(), partition.start_offset());
    loop {
        let read = partition.read(partition.leader().0, request(offset, -1, -1)).unwrap();
        if read.slices.is_empty() {
            return seen;
        }
        offset = read.slices.end_offset();
        for batch in RecordBatches::new(read.slices.load().unwrap().concat().into()) {
            let batch = batch.unwrap();
            for record in batch.records() {
                let record = record.unwrap();
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                seen.push((record.offset, batch.header().partition_leader_epoch, value));
            }
        }
    }
}

#[test]
fn a_reader_of_what_a_power_loss_took_is_told() {
    let storage = FaultyStorage::new();
    let before = with_topic(&storage, Durability::Os);
    let led = partition(&before, 0);
    append(&led, "kept");
    led.flush_now().unwrap();
    for n in 1..10 {
        assert_eq!(append(&led, &"lost".repeat(300)), n);
    }
    assert_eq!(led.leader(), (1, 0));
    // The first seed with which something is lost, but not the file.
    let (after, end) = (0..)
        .find_map(|seed| {
            let after = cluster(&storage.crash(seed), Durability::Os);
            let bounds = partition(&after, 0).bounds(1, -1).unwrap();
            (1..10).contains(&bounds.high_watermark).then_some((after, bounds.high_watermark))
        })
        .unwrap();
    let led = partition(&after, 0);
    assert_eq!(led.leader(), (1, 1));
    let refused = led.read(1, request(10, 0, 0)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::FENCED_LEADER_EPOCH);
    for written in 0..2 {
        assert_eq!(led.epoch_end(1, 1, 0), Ok((0, end)), "{written} written");
        assert_eq!(led.epoch_end(1, 1, 1), Ok((1, end + written)), "{written} written");
        assert_eq!(led.epoch_end(1, 1, 2), Ok((-1, -1)));
        assert_eq!(led.read(1, request(10, 1, 0)).unwrap().diverging, Some((0, end)));
        let ahead = led.read(1, request(10, 1, 2)).unwrap_err();
        assert_eq!(ahead.code, ErrorCode::OFFSET_OUT_OF_RANGE, "an epoch that never was");
        append(&led, "new");
    }
    assert_eq!(led.read(1, request(end, 1, 0)).unwrap().diverging, None);
}

#[test]
fn an_epoch_without_records_is_not_forgotten() {
    for durability in [Durability::Os, Durability::Always] {
        let mut storage = FaultyStorage::new();
        drop(with_topic(&storage, durability));
        for life in 1..=3 {
            storage = storage.crash(life);
            let cluster = cluster(&storage, durability);
            assert_eq!(partition(&cluster, 0).leader(), (1, life as i32), "{durability}");
        }
    }
}

#[test]
fn a_leader_that_was_moved_still_leads_after_a_restart() {
    for closed in [true, false] {
        let storage = FaultyStorage::new();
        let before = with_topic(&storage, Durability::Os);
        assert_eq!(lead(&before, 0, 2), Ok(1));
        assert_eq!(lead(&before, 0, 2), Ok(2));
        if closed {
            before.close().unwrap();
        }
        let storage = storage.crash(1);
        let after = cluster(&storage, Durability::Os);
        let more = i32::from(!closed);
        assert_eq!(partition(&after, 0).leader(), (2, 2 + more));
        assert_eq!(partition(&after, 1).leader(), (2, more));
        // One that was deleted leaves nothing to the next of its name.
        assert!(after.delete_topic("t"));
        drop(after);
        let again = with_topic(&storage.crash(2), Durability::Os);
        assert_eq!(partition(&again, 0).leader(), (1, 0));
    }
}

#[test]
fn an_epoch_that_cannot_be_written_down_does_not_begin() {
    let storage = FaultyStorage::new();
    let cluster = with_topic(&storage, Durability::Os);
    let misdeed = Misdeed::Fail;
    storage.inject(Fault { call: Some(Call::Sync), after: 0, misdeed, lasting: false });
    assert_eq!(lead(&cluster, 0, 2), Err(ErrorCode::KAFKA_STORAGE_ERROR));
    assert_eq!(partition(&cluster, 0).leader(), (1, 0));
}

/// A small generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What readers know of partition 0: the newest epoch they were told, and all that they have read.
#[derive(Default)]
struct Known {
    epoch: i32,
    seen: Vec<Seen>,
}

/// What is wrong with the leader epochs of a partition that was opened again.
fn verdict(led: &Partition, known: &Known, closed: bool) -> Result<(), String> {
    let (node, epoch) = led.leader();
    if epoch < known.epoch || (!closed && epoch == known.epoch) {
        return Err(format!("epoch {epoch} after {}, closed: {closed}", known.epoch));
    }
    let present = read_all(led);
    let end = led.bounds(node, epoch).unwrap().high_watermark;
    for (offset, then, value) in &known.seen {
        let now = present.iter().find(|(at, ..)| at == offset);
        let lost = *offset >= end || now.is_some_and(|(_, _, now)| now != value);
        let (told, told_end) = led.epoch_end(node, epoch, *then).unwrap();
        if lost && told == *then && told_end > *offset {
            return Err(format!("offset {offset} of epoch {then} is lost, and {told_end} its end"));
        }
    }
    Ok(())
}

/// Writes, reads, moves the leader.
fn work(cluster: &Cluster, known: &mut Known, dice: &mut Dice, life: u64) {
    let led = partition(cluster, 0);
    known.epoch = led.leader().1;
    for n in 0..dice.roll(12) {
        match dice.roll(8) {
            0..5 => {
                let value = "x".repeat(dice.roll(600) as usize);
                append(&led, &format!("{life}/{n}/{value}"));
            }
            5 => led.flush_now().unwrap(),
            6 => drop(led.roll().unwrap()),
            _ => known.epoch = lead(cluster, 0, dice.roll(2) as i32 + 1).unwrap(),
        }
        for seen in read_all(&led) {
            if !known.seen.contains(&seen) {
                known.seen.push(seen);
            }
        }
    }
}

/// Some lives of a broker, and what goes wrong with its leader epochs first.
fn round(seed: u64, durability: Durability, misdeed: Option<Fault>) -> Result<(), String> {
    let (mut dice, mut known) = (Dice(seed), Known::default());
    let mut storage = FaultyStorage::new();
    drop(with_topic(&storage, durability));
    let mut closed = false;
    storage = storage.crash(seed);
    for life in 0..LIVES {
        if let Some(fault) = misdeed {
            storage.inject(fault);
        }
        let cluster = open(&storage, durability).map_err(|error| error.to_string())?;
        let topic = cluster.topics.get("t").ok_or("the topic is gone")?;
        let led = topic.partition(0).unwrap();
        verdict(&led, &known, closed).map_err(|what| format!("life {life}: {what}"))?;
        work(&cluster, &mut known, &mut dice, life);
        closed = dice.roll(4) == 0;
        if closed {
            cluster.close().unwrap();
        }
        storage = storage.crash(dice.roll(u64::MAX));
    }
    Ok(())
}

#[test]
fn epochs_never_go_back_over_power_losses() {
    for durability in [Durability::Os, Durability::Always] {
        for seed in 0..ROUNDS {
            if let Err(what) = round(seed, durability, None) {
                panic!("{durability}, seed {seed}: {what}");
            }
        }
    }
}

/// The check above would find out about an epoch that is not written down: a storage that only pretends is caught.
#[test]
fn an_epoch_that_was_not_synced_is_noticed() {
    let misdeed = Misdeed::Pretend;
    let lie = Fault { call: Some(Call::Sync), after: 0, misdeed, lasting: true };
    let caught = |seed| round(seed, Durability::Os, Some(lie)).err();
    assert!((0..ROUNDS).filter_map(caught).any(|what| what.contains(": epoch ")));
}
