//! Every call of the disk fails once, in every way: no false receipt, and a full disk heals.

use super::life::{Clients, Life, records, small, verdict};
use crate::wal::config::AppendRefused;
use crate::wal::open::open;
use klamm_log::storage::{Call, Fault, FaultyStorage, Misdeed};
use parking_lot::Mutex;
use std::sync::Arc;

/// A day of a log: none when it could not be opened.
fn day(storage: &FaultyStorage, clients: &Arc<Mutex<Clients>>) -> Option<Life> {
    let (core, opened) = open(Arc::new(storage.clone()), small()).ok()?;
    let life = Life { core, clients: clients.clone() };
    verdict(&life.core, &opened, &clients.lock().known).ok()?;
    let first = clients.lock().known.sizes.len() as u64;
    for n in first..first + 8 {
        life.append(&[(2 * n, 2, 400), (2 * n + 1, 1, 100)]);
        if n % 3 == 2 {
            life.release(2 * n);
            life.core.keep();
        }
        if n % 4 == 3 {
            life.core.seal();
        }
        if n % 2 == 0 {
            life.core.make_spare();
        }
        if n == 2 {
            life.core.use_spare();
        }
        life.core.save_chapters();
    }
    Some(life)
}

fn calls_of_a_day() -> u64 {
    let storage = FaultyStorage::new();
    day(&storage, &Arc::default()).unwrap();
    storage.calls()
}

#[test]
fn every_call_may_fail() {
    let misdeeds = [Misdeed::Fail, Misdeed::Full, Misdeed::Tear { bytes: 70 }];
    for after in 0..calls_of_a_day() {
        for misdeed in misdeeds {
            for lasting in [false, true] {
                let what = format!("{misdeed:?} after {after}, lasting: {lasting}");
                let (storage, clients) = (FaultyStorage::new(), Arc::default());
                storage.inject(Fault { call: None, after, misdeed, lasting });
                if let Some(life) = day(&storage, &clients) {
                    storage.heal();
                    let failed = life.core.state().failed;
                    life.append(&[(1000, 1, 10)]);
                    let taken = clients.lock().known.receipts.values().any(|id| *id == 1000);
                    assert_eq!(failed.is_none(), taken, "{what}: {failed:?}");
                    // What was promised is still read.
                    assert!(records(&life.core).is_ok(), "{what}");
                }
                storage.heal();
                let known = clients.lock().look();
                for after_power_loss in [storage.clone(), storage.crash(after)] {
                    let (core, opened) = open(Arc::new(after_power_loss), small()).expect(&what);
                    verdict(&core, &opened, &known)
                        .map_err(|why| format!("{what}: {why}"))
                        .unwrap();
                }
            }
        }
    }
}

#[test]
fn after_a_failed_sync_nobody_is_promised_anything() {
    let (storage, clients) = (FaultyStorage::new(), Arc::<Mutex<Clients>>::default());
    let (core, _) = open(Arc::new(storage.clone()), small()).unwrap();
    let life = Life { core, clients: clients.clone() };
    life.append(&[(1, 2, 10)]);
    let fault = Fault { call: Some(Call::Sync), after: 0, misdeed: Misdeed::Fail, lasting: false };
    storage.inject(fault);
    life.append(&[(2, 1, 10), (3, 1, 10)]);
    // The disk would claim success now.
    life.append(&[(4, 1, 10)]);
    let clients = clients.lock();
    assert_eq!(clients.known.receipts.values().collect::<Vec<_>>(), [&1]);
    assert_eq!(clients.refusals.len(), 3);
    assert!(clients.refusals.iter().all(|why| matches!(why, AppendRefused::Failed(_))));
    assert!(life.core.state().failed.is_some());
    assert_eq!(records(&life.core).unwrap().len(), 2, "reading goes on");
    assert_eq!(life.core.state().queued_bytes, 0);
}

#[test]
fn a_full_disk_refuses_and_heals() {
    let (storage, clients) = (FaultyStorage::new(), Arc::<Mutex<Clients>>::default());
    let (core, _) = open(Arc::new(storage.clone()), small()).unwrap();
    let life = Life { core, clients: clients.clone() };
    life.append(&[(1, 2, 10)]);
    let misdeed = Misdeed::Tear { bytes: 100 };
    storage.inject(Fault { call: Some(Call::Write), after: 0, misdeed, lasting: true });
    let before = life.core.state().bytes;
    life.append(&[(2, 1, 10)]);
    assert!(matches!(clients.lock().refusals[..], [AppendRefused::Full { .. }]));
    assert_eq!(life.core.state().bytes, before, "nothing is booked");
    storage.heal();
    life.append(&[(2, 1, 10)]);
    assert_eq!(clients.lock().known.receipts.values().collect::<Vec<_>>(), [&1, &2]);
    assert_eq!(records(&life.core).unwrap().len(), 3);
}

/// The disk is smaller than the log may become: what is taken is kept, the cursor moves, and there is room again.
#[test]
fn a_disk_that_the_log_has_filled_empties_as_kafka_takes_records() {
    let (storage, clients) = (FaultyStorage::new(), Arc::<Mutex<Clients>>::default());
    let (core, _) = open(Arc::new(storage.clone()), small()).unwrap();
    let life = Life { core, clients: clients.clone() };
    for room in [25_000, 40_000, 60_000] {
        storage.set_room(Some(room));
        let mut id = room;
        while clients.lock().refusals.is_empty() {
            life.append(&[(id, 1, 400)]);
            life.core.make_spare();
            id += 1;
        }
        assert!(matches!(clients.lock().refusals[..], [AppendRefused::Full { .. }]));
        let state = life.core.state();
        assert!(state.disk_full && state.failed.is_none() && state.queued_bytes == 0);
        // Not a byte more than there is: nothing can be written but over what is there.
        storage.set_room(Some(0));
        assert_eq!(records(&life.core).unwrap().len() as u64, state.records, "reading goes on");
        let known = clients.lock().look();
        let (core, opened) = open(Arc::new(storage.crash(room)), small()).unwrap();
        verdict(&core, &opened, &known).unwrap();
        let next = state.next;
        life.release(next);
        life.core.keep();
        assert_eq!(life.core.state().released, next);
        let (_, opened) = open(Arc::new(storage.crash(room)), small()).unwrap();
        assert_eq!(opened.released, next, "the cursor needs no room");
        storage.set_room(Some(room));
        life.core.keep();
        life.release(next);
        clients.lock().refusals.clear();
        life.append(&[(id + 1, 1, 400)]);
        assert!(clients.lock().refusals.is_empty(), "{:?}", clients.lock().refusals);
        assert!(!life.core.state().disk_full);
    }
}
