//! The files beside a segment are Kafka's: what its DumpLogSegments checks in them is checked here.

use crate::batch::{Batch, client, pair, small};
use klamm_log::storage::{MemoryStorage, Open, Storage};
use klamm_log::{AppendInfo, Log, Origin, end_transaction_marker};
use klamm_protocol::record_batch::{RecordBatch, RecordBatches};
use std::sync::Arc;

fn content(storage: &dyn Storage, name: &str) -> Vec<u8> {
    let file = storage.open(&format!("t-0/{name}"), Open::Existing).unwrap();
    file.read_at(0, file.size().unwrap() as usize).unwrap().concat()
}

/// Several segments of batches with several records, and times that go up and down; then an aborted transaction.
fn written() -> (Arc<MemoryStorage>, Vec<i64>) {
    let storage = Arc::new(MemoryStorage::new());
    let (mut log, _) = Log::open(storage.clone(), "t-0", small(false)).unwrap();
    for n in 0..60 {
        let records: Vec<_> = (0..1 + n % 4).map(|_| pair("k", &"v".repeat(n * 7))).collect();
        let time = [n as i64 * 10, 1000 - n as i64, 300][n % 3];
        log.append(Batch::of(&records).at(time).bytes(), client(0)).unwrap();
    }
    log.append(Batch::of(&[pair("k", "v")]).by(7, 0, 0).transactional().bytes(), client(0))
        .unwrap();
    let info = AppendInfo { origin: Origin::Coordinator { epoch: 3, tv2: false }, ..client(0) };
    log.append(end_transaction_marker(7, 0, false, 3, 0), info).unwrap();
    log.close().unwrap();
    let names = storage.list("t-0").unwrap();
    let bases = names.iter().filter_map(|name| name.strip_suffix(".log")?.parse().ok());
    (storage, bases.collect())
}

fn batches(storage: &dyn Storage, base: i64) -> Vec<(usize, RecordBatch)> {
    let bytes = content(storage, &format!("{base:020}.log"));
    let mut position = 0;
    let with_position = |batch: Result<RecordBatch, _>| {
        let batch: RecordBatch = batch.unwrap();
        let at = position;
        position += usize::try_from(batch.header().batch_length).unwrap() + 12;
        (at, batch)
    };
    RecordBatches::new(bytes.into()).map(with_position).collect()
}

fn number<const N: usize>(bytes: &[u8]) -> i64 {
    bytes[..N].iter().fold(0, |number, &byte| number << 8 | i64::from(byte))
}

#[test]
fn entries_of_the_offset_index_name_the_batch_at_their_position() {
    let (storage, bases) = written();
    assert!(bases.len() > 3);
    let mut entries = 0;
    for base in bases {
        let batches = batches(&*storage, base);
        let mut last_position = None;
        for entry in content(&*storage, &format!("{base:020}.index")).chunks_exact(8) {
            let (offset, position) = (number::<4>(entry) + base, number::<4>(&entry[4..]));
            let found = batches.iter().find(|batch| batch.0 as i64 == position).unwrap();
            assert_eq!(found.1.next_offset() - 1, offset);
            assert!(last_position.is_none_or(|last| position - last >= 512), "too dense");
            last_position = Some(position);
            entries += 1;
        }
    }
    assert!(entries > 20);
}

#[test]
fn entries_of_the_time_index_grow_and_name_the_batch_with_their_time() {
    let (storage, bases) = written();
    for base in bases {
        let batches = batches(&*storage, base);
        let newest = batches.iter().map(|batch| batch.1.header().max_timestamp).max();
        let mut last = -1;
        for entry in content(&*storage, &format!("{base:020}.timeindex")).chunks_exact(12) {
            let (timestamp, offset) = (number::<8>(entry), number::<4>(&entry[8..]) + base);
            let found = batches.iter().find(|batch| batch.1.next_offset() > offset).unwrap();
            assert_eq!(found.1.next_offset() - 1, offset);
            assert_eq!(found.1.header().max_timestamp, timestamp);
            assert!(timestamp > last);
            last = timestamp;
        }
        assert_eq!(Some(last), newest, "the last entry is the newest of all");
    }
}

#[test]
fn aborted_transactions_stand_in_the_index_of_their_markers_segment() {
    let (storage, bases) = written();
    let names = storage.list("t-0").unwrap();
    let indexes: Vec<_> = names.iter().filter(|name| name.ends_with(".txnindex")).collect();
    let last = bases.last().unwrap();
    assert_eq!(indexes, [&format!("{last:020}.txnindex")]);
    let index = content(&*storage, indexes[0]);
    let numbers: Vec<i64> = index[2..].chunks_exact(8).map(number::<8>).collect();
    let marker = batches(&*storage, *last).last().unwrap().1.header().base_offset;
    assert_eq!((&index[..2], numbers), (&[0, 0][..], vec![7, marker - 1, marker, marker + 1]));
}
