//! Power losses at any moment: every receipt holds, no request is there by half, no cursor runs ahead.

use super::life::{Clients, Dice, Known, Life, small, verdict};
use super::snapping::Snapping;
use crate::wal::open::open;
use klamm_log::storage::{Call, Fault, FaultyStorage, Misdeed};
use parking_lot::Mutex;
use std::sync::Arc;

/// How many rounds a test run has, unless the environment says otherwise.
const ROUNDS: u64 = 200;
const ROUNDS_VARIABLE: &str = "KLAMM_POWER_LOSSES";
const LIVES: u64 = 3;
/// Rounds that went wrong once: power goes while a segment begins, and the seal at the end of the one before is not on the
/// disk yet.
const KNOWN: [u64; 1] = [1759];

fn work(life: &Life, dice: &mut Dice, next_id: &mut u64) {
    for _ in 0..1 + dice.roll(12) {
        match dice.roll(10) {
            0..5 => {
                let requests: Vec<_> = (0..1 + dice.roll(4))
                    .map(|_| {
                        *next_id += 1;
                        let filler = [20, 200, 1500][dice.roll(3) as usize];
                        (*next_id, 1 + dice.roll(4), dice.roll(filler) as usize)
                    })
                    .collect();
                life.append(&requests);
            }
            5 => {
                let from = life.clients.lock().known.released;
                life.release(from + dice.roll(20));
            }
            6 => life.core.keep(),
            7 => life.core.make_spare(),
            8 => drop(life.core.use_spare()),
            _ => life.core.seal(),
        }
        life.core.save_chapters();
    }
}

/// A life that ends with a power loss somewhere in it; what is left of the disk, and what clients know then.
fn live(
    storage: FaultyStorage,
    known: Known,
    dice: &mut Dice,
    next_id: &mut u64,
    misdeed: Option<Fault>,
) -> Result<(FaultyStorage, Known), String> {
    let clients = Arc::new(Mutex::new(Clients { known, ..Clients::default() }));
    let looking = clients.clone();
    let (at, seed) = (dice.roll(280), dice.roll(u64::MAX));
    let look = Box::new(move || looking.lock().look());
    let snapping = Snapping::new(storage.clone(), at, seed, look);
    let (core, opened) = open(snapping.handle(), small()).map_err(|error| error.to_string())?;
    let before = clients.lock().known.clone();
    verdict(&core, &opened, &before)?;
    if let Some(fault) = misdeed {
        storage.inject(fault);
    }
    let life = Life { core, clients };
    work(&life, dice, next_id);
    Ok(snapping.lost())
}

fn round(seed: u64, misdeed: Option<Fault>) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let (mut storage, mut known, mut next_id) = (FaultyStorage::new(), Known::default(), 0);
    for n in 0..LIVES {
        let lived = live(storage, known, &mut dice, &mut next_id, misdeed);
        (storage, known) = lived.map_err(|what| format!("life {n}: {what}"))?;
    }
    let (core, opened) = open(Arc::new(storage), small()).map_err(|error| error.to_string())?;
    verdict(&core, &opened, &known)
}

#[test]
fn power_losses_lose_nothing_that_was_promised() {
    let rounds = std::env::var(ROUNDS_VARIABLE).ok().and_then(|n| n.parse().ok());
    for seed in (0..rounds.unwrap_or(ROUNDS)).chain(KNOWN) {
        if let Err(what) = round(seed, None) {
            panic!("seed {seed}: {what}");
        }
    }
}

/// The check above would find out about a sync that is left out: a disk that only pretends is caught.
#[test]
fn a_sync_that_is_left_out_is_noticed() {
    for call in [Call::Sync, Call::SyncDir] {
        let lie = Fault { call: Some(call), after: 0, misdeed: Misdeed::Pretend, lasting: true };
        assert!((0..ROUNDS).any(|seed| round(seed, Some(lie)).is_err()), "{call:?}");
    }
}
