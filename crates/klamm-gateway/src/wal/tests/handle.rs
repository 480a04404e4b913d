//! The log as its users have it: threads, waiting, closing, opening again.

use super::life::{hash, request, small};
use crate::wal::{AppendRefused, Receipt, Seen, Wal, WalConfig};
use klamm_log::storage::{
    Call, CountingStorage, Fault, FaultyStorage, FileStorage, MemoryStorage, Misdeed, Open,
    OpenError, Storage,
};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn what_is_appended_is_read_released_and_not_read_again() {
    run(async {
        let storage = Arc::new(MemoryStorage::new());
        let (wal, mut reader, opened) = Wal::open(storage.clone(), small()).unwrap();
        assert_eq!((opened.records, opened.next), (0, 0));
        let mut all = Vec::new();
        for id in 0..50 {
            let records = request(id, 1 + id % 3, 200);
            let receipt = wal.append(records.clone()).await.unwrap();
            assert_eq!(receipt, Receipt { first: all.len() as u64, count: records.len() as u32 });
            all.extend(records);
        }
        let mut read = Vec::new();
        while read.len() < all.len() {
            let some = reader.next(500).await.unwrap();
            assert!(some.len() == 1 || some.iter().map(|r| r.1.bytes()).sum::<usize>() <= 500);
            read.extend(some);
        }
        assert!(read.iter().map(|(n, _)| *n).eq(0..all.len() as u64));
        assert!(read.iter().map(|(_, record)| record).eq(&all));
        wal.release(60);
        let instance = wal.instance().to_owned();
        wal.close().await;
        assert_eq!(wal.append(request(99, 1, 1)).await, Err(AppendRefused::Closed));
        assert!(reader.next(500).await.is_none());
        drop((wal, reader));
        let (wal, mut reader, opened) = Wal::open(storage, small()).unwrap();
        assert_eq!((opened.released, opened.lost, opened.cursor_lost), (60, 0, false));
        assert_eq!((opened.records, wal.instance()), (all.len() as u64 - 60, &*instance));
        let again = reader.next(usize::MAX).await.unwrap();
        assert_eq!(again[0], (60, all[60].clone()));
    });
}

#[test]
fn a_request_is_taken_once_also_over_a_restart() {
    run(async {
        let storage = Arc::new(MemoryStorage::new());
        let (wal, reader, _) = Wal::open(storage.clone(), small()).unwrap();
        assert_eq!(wal.seen(&hash(5)), None);
        let receipt = wal.append(request(5, 3, 10)).await.unwrap();
        let seen = Seen::Done(receipt);
        assert_eq!(wal.seen(&hash(5)), Some(seen));
        assert_eq!(wal.append(request(5, 3, 10)).await, Err(AppendRefused::Seen(seen)));
        wal.close().await;
        drop((wal, reader));
        let (wal, _reader, _) = Wal::open(storage, small()).unwrap();
        assert_eq!(wal.append(request(5, 3, 10)).await, Err(AppendRefused::Seen(seen)));
        assert_eq!(wal.seen(&hash(6)), None);
    });
}

#[test]
fn many_at_a_time_share_syncs_and_a_lone_one_has_its_own() {
    run(async {
        let storage = Arc::new(MemoryStorage::new());
        let (wal, _reader, _) = Wal::open(storage, WalConfig::default()).unwrap();
        for id in 0..10 {
            wal.append(request(id, 1, 10)).await.unwrap();
        }
        assert_eq!(wal.state().sync_us.count(), 10);
        let tasks: Vec<_> = (10..500)
            .map(|id| {
                let wal = wal.clone();
                tokio::spawn(async move { wal.append(request(id, 2, 10)).await })
            })
            .collect();
        let mut sequences = Vec::new();
        for task in tasks {
            let receipt = task.await.unwrap().unwrap();
            sequences.extend(receipt.first..receipt.first + u64::from(receipt.count));
        }
        sequences.sort_unstable();
        assert!(sequences.into_iter().eq(10..990), "every sequence is given once");
        let state = wal.state();
        assert_eq!((state.records, state.next, state.queued_bytes), (990, 990, 0));
        assert_eq!(state.sync_records.sum(), 990);
    });
}

/// Whatever else the log does meanwhile: making segments ahead, going on in one, sealing.
#[test]
fn a_lone_request_has_one_sync_of_the_log_and_no_more() {
    run(async {
        let storage = CountingStorage::default();
        let (wal, _reader, _) = Wal::open(Arc::new(storage.clone()), WalConfig::default()).unwrap();
        wal.append(request(0, 1, 10)).await.unwrap();
        // Until the first segment made ahead is in use, and there is one more.
        let bytes = WalConfig::default().segment_bytes;
        let made = |storage: &CountingStorage| {
            let names = storage.list("wal").unwrap().into_iter();
            let size = |name: String| {
                storage.open(&format!("wal/{name}"), Open::Existing).unwrap().size().unwrap()
            };
            names.map(size).filter(|size| *size == bytes).count() == 2
        };
        let mut before = u64::MAX;
        while !made(&storage) || before != storage.segment_syncs() {
            before = storage.segment_syncs();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let (syncs, counted) = (storage.segment_syncs(), wal.state().sync_us.count());
        for id in 1..=50 {
            wal.append(request(id, 1, 10)).await.unwrap();
        }
        // A seal is no request's, and is not synced.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        for id in 51..=60 {
            wal.append(request(id, 1, 10)).await.unwrap();
        }
        assert_eq!(
            (storage.segment_syncs() - syncs, wal.state().sync_us.count() - counted),
            (60, 60)
        );
    });
}

#[test]
fn a_log_that_is_full_says_so_and_has_room_again() {
    run(async {
        let mut config = small();
        (config.max_bytes, config.topic_share) = (20_000, 1.0);
        let (wal, _reader, _) = Wal::open(Arc::new(MemoryStorage::new()), config).unwrap();
        // Seals take sequences, too.
        let (mut next, mut end) = (0, 0);
        let refused = loop {
            match wal.append(request(next, 1, 1000)).await {
                Ok(receipt) => (next, end) = (next + 1, receipt.first + 1),
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, AppendRefused::Full { .. }), "{refused:?}");
        assert!((14..=17).contains(&next), "{next}");
        wal.release(end);
        wal.append(request(next, 1, 1000)).await.unwrap();
        let large = wal.append(request(77, 1, 17 << 20)).await;
        assert!(matches!(large, Err(AppendRefused::TooLarge { .. })), "{large:?}");
    });
}

/// The segments with records from a position on, in order. The very first is short if there was a spare soon.
fn segments_with(storage: &FaultyStorage, position: u64) -> Vec<String> {
    let written = |path: &String| {
        let file = storage.open(path, Open::Existing).unwrap();
        let len = file.size().unwrap().saturating_sub(position) as usize;
        len > 0 && file.read_at(position, len).unwrap().concat().iter().any(|&byte| byte != 0)
    };
    segments(storage).into_iter().filter(written).collect()
}

fn segments(storage: &FaultyStorage) -> Vec<String> {
    let names = storage.list("wal").unwrap().into_iter().filter(|name| name.ends_with(".log"));
    names.map(|name| format!("wal/{name}")).collect()
}

/// In a segment that was whole long ago, so that nobody looks at it when the log is opened.
#[test]
fn damage_on_the_disk_is_set_aside_counted_and_left_behind() {
    // In the offset of a batch, in its length, in its format, in its checksum, in its records.
    for at in [0, 7, 8, 11, 16, 18, 200] {
        run(async {
            let storage = FaultyStorage::new();
            let (wal, reader, _) = Wal::open(Arc::new(storage.clone()), small()).unwrap();
            for id in 0..30 {
                wal.append(request(id, 1, 300)).await.unwrap();
            }
            wal.close().await;
            drop((wal, reader));
            let segment = segments_with(&storage, 1500).swap_remove(0);
            let first = storage.open(&segment, Open::Existing).unwrap().read_at(8, 4).unwrap();
            let length: [u8; 4] = first.concat().try_into().unwrap();
            let second = u64::from(u32::from_be_bytes(length)) + 12;
            storage.damage(&segment, second + at, 0x55).unwrap();
            let (wal, mut reader, opened) = Wal::open(Arc::new(storage.clone()), small()).unwrap();
            assert_eq!((opened.lost, opened.records), (0, 30), "{opened:?}");
            let last = wal.append(request(31, 1, 300)).await.unwrap().first;
            let mut read = Vec::new();
            while read.last() != Some(&last) {
                let some = reader.next(usize::MAX).await.unwrap();
                read.extend(some.into_iter().map(|(n, _)| n));
            }
            assert_eq!(read.len(), 30, "30 less the damaged one, and one more: {read:?}");
            assert_eq!((wal.state().lost, wal.state().read_error), (1, None), "byte {at}");
            let aside = storage.list("wal").unwrap().into_iter();
            assert_eq!(aside.filter(|name| name.ends_with(".damaged")).count(), 1);
            // The next start finds it gone, and says so again for as long as it matters.
            wal.close().await;
            drop((wal, reader));
            let (wal, _reader, opened) = Wal::open(Arc::new(storage), small()).unwrap();
            assert_eq!((opened.lost, opened.records), (1, 30), "{opened:?}");
            wal.release(opened.next);
            wal.close().await;
        });
    }
}

/// A sector that reads as zeros looks like one that was never written; what stands behind it says that it was.
#[test]
fn a_promised_sector_that_reads_as_zeros_takes_nothing_else_with_it() {
    run(async {
        let storage = FaultyStorage::new();
        let config = || WalConfig { segment_bytes: 100_000, ..WalConfig::default() };
        let open = || Wal::open(Arc::new(storage.clone()), config()).unwrap();
        let mut written = 0;
        // The last segment has to hold it, and another may begin whenever a spare is there.
        let path = loop {
            let (wal, reader, _) = open();
            for id in written..written + 20 {
                wal.append(request(3 * id + 1, 1, 600)).await.unwrap();
            }
            written += 20;
            wal.close().await;
            drop((wal, reader));
            let last = segments(&storage).pop();
            if let Some(path) = last.filter(|p| segments_with(&storage, 8 * 512).contains(p)) {
                break path;
            }
        };
        let file = storage.open(&path, Open::Existing).unwrap();
        let sector = file.read_at(3 * 512, 512).unwrap().concat();
        for (at, byte) in (3 * 512..).zip(sector) {
            storage.damage(&path, at, byte).unwrap();
        }
        let (wal, mut reader, opened) = open();
        assert!((1..=2).contains(&opened.lost), "{opened:?}");
        assert_eq!(opened.quarantined.len(), 1);
        let mut read = 0;
        while read < written - opened.lost {
            read += reader.next(usize::MAX).await.unwrap().len() as u64;
        }
        wal.close().await;
    });
}

#[test]
fn a_long_backlog_is_read_in_order_while_more_comes() {
    run(async {
        let config = || WalConfig { segment_bytes: 700_000, recent_bytes: 10_000, ..small() };
        let storage = Arc::new(MemoryStorage::new());
        let (wal, reader, _) = Wal::open(storage.clone(), config()).unwrap();
        for id in 0..300 {
            wal.append(request(id, 10, 1000)).await.unwrap();
        }
        wal.close().await;
        drop((wal, reader));
        let (wal, mut reader, opened) = Wal::open(storage, config()).unwrap();
        assert_eq!(opened.records, 3000);
        let mut read = Vec::new();
        for id in 300..400 {
            wal.append(request(id, 10, 1000)).await.unwrap();
            read.extend(reader.next(30_000).await.unwrap());
        }
        while read.len() < 4000 {
            read.extend(reader.next(usize::MAX).await.unwrap());
        }
        assert!(read.windows(2).all(|two| two[0].0 < two[1].0), "in order");
        let keys = read.iter().map(|(_, record)| record.key.clone());
        let expected = (0..400).flat_map(|id| request(id, 10, 0)).map(|record| record.key);
        assert!(keys.eq(expected));
        wal.close().await;
        assert!(reader.next(1).await.is_none());
    });
}

#[test]
fn whatever_the_disk_does_reading_and_releasing_go_on() {
    for misdeed in [Misdeed::Fail, Misdeed::Full] {
        for call in [Call::Write, Call::Sync] {
            run(async {
                let storage = FaultyStorage::new();
                let config = || WalConfig { segment_bytes: 100_000, ..small() };
                let (wal, mut reader, _) = Wal::open(Arc::new(storage.clone()), config()).unwrap();
                for id in 0..10 {
                    wal.append(request(id, 1, 300)).await.unwrap();
                }
                storage.inject(Fault { call: Some(call), after: 0, misdeed, lasting: true });
                let refused = wal.append(request(10, 1, 300)).await.unwrap_err();
                let full = matches!(refused, AppendRefused::Full { .. });
                assert_eq!(full, call == Call::Write && misdeed == Misdeed::Full, "{refused:?}");
                let state = wal.state();
                assert_eq!((state.disk_full, state.failed.is_none(), state.next), (full, full, 10));
                let mut read = 0;
                while read < 10 {
                    read += reader.next(1000).await.unwrap().len();
                }
                wal.release(10);
                assert_eq!((wal.state().released, wal.state().records), (10, 0));
                storage.heal();
                let again = wal.append(request(10, 1, 300)).await;
                assert_eq!(again.is_ok(), full, "{again:?}");
                wal.close().await;
                drop((wal, reader));
                let (_, _, opened) = Wal::open(Arc::new(storage), config()).unwrap();
                assert_eq!((opened.released, opened.lost), (10, 0), "{call:?} {misdeed:?}");
            });
        }
    }
}

#[test]
fn a_failed_disk_fails_all_who_wait() {
    run(async {
        let storage = FaultyStorage::new();
        let (wal, _reader, _) = Wal::open(Arc::new(storage.clone()), small()).unwrap();
        let misdeed = Misdeed::Fail;
        // The thread that makes the next segment syncs as well: a single fault might be its.
        storage.inject(Fault { call: Some(Call::Sync), after: 0, misdeed, lasting: true });
        let (one, two) = tokio::join!(wal.append(request(1, 1, 1)), wal.append(request(2, 1, 1)));
        storage.heal();
        for refused in [one, two, wal.append(request(3, 1, 1)).await] {
            assert!(matches!(refused, Err(AppendRefused::Failed(_))), "{refused:?}");
        }
    });
}

#[test]
fn a_directory_of_the_system_keeps_the_log() {
    let dir = std::env::temp_dir().join(format!("klamm-wal-{}", std::process::id()));
    drop(fs::remove_dir_all(&dir));
    let open = || {
        // The thread that saves the cursor may hold the directory for another moment.
        let mut tries = (0..100_000).map(|_| FileStorage::open(&dir));
        let opened = tries.find(|opened| !matches!(opened, Err(OpenError::InUse(_))));
        Wal::open(Arc::new(opened.unwrap().unwrap()), small()).unwrap()
    };
    run(async {
        let (wal, reader, _) = open();
        assert!(matches!(FileStorage::open(&dir), Err(OpenError::InUse(_))));
        for id in 0..40 {
            wal.append(request(id, 1, 300)).await.unwrap();
        }
        wal.release(25);
        wal.close().await;
        drop((wal, reader));
        let (wal, mut reader, opened) = open();
        assert_eq!((opened.released, opened.lost, opened.cut_bytes), (25, 0, 0));
        let segments = fs::read_dir(dir.join("wal")).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|name| name == "log")
        });
        assert!(segments.count() < 6, "what is in Kafka has left the disk");
        let mut read = Vec::new();
        while read.len() < 15 {
            read.extend(reader.next(1000).await.unwrap().into_iter().map(|(n, _)| n));
        }
        assert!(read.into_iter().eq(25..40));
        wal.close().await;
    });
    drop(fs::remove_dir_all(&dir));
}

#[test]
fn what_is_not_released_is_read_again_from_any_record_on() {
    run(async {
        let (wal, mut reader, _) = Wal::open(Arc::new(MemoryStorage::new()), small()).unwrap();
        assert_eq!(reader.passed(), 0);
        let mut all = Vec::new();
        for id in 0..20 {
            let records = request(id, 3, 100);
            wal.append(records.clone()).await.unwrap();
            all.extend(records);
        }
        let first = reader.next(1).await.unwrap();
        assert_eq!((first.len(), reader.passed()), (1, 1));
        let (mut at, mut read) = (7, Vec::new());
        while at < 50 {
            let again = reader.again().read(at, 50).await.unwrap();
            assert!(again.next > at && again.next <= 50);
            read.extend(again.records);
            at = again.next;
        }
        assert!(read.iter().map(|(n, _)| *n).eq(7..50));
        assert!(read.iter().map(|(_, record)| record).eq(&all[7..50]));
    });
}
