//! Power losses in `always`: what was acknowledged is there, nothing is there by half, and every retry of what was not
//! acknowledged is recognised.

use crate::batch::{Batch, Dice, client, intruder, is_intruder, records, small};
use klamm_log::storage::{Call, Fault, FaultyStorage, Misdeed};
use klamm_log::{AppendError, Log, LogConfig};
use std::collections::VecDeque;
use std::sync::Arc;

/// How many rounds a test run has, unless the environment says otherwise.
const ROUNDS: u64 = 300;
const ROUNDS_VARIABLE: &str = "KLAMM_POWER_LOSSES";
const PRODUCERS: u64 = 2;
/// What a producer may have under way.
const IN_FLIGHT: usize = 5;

/// A producer and what it knows.
#[derive(Debug, Clone, Default)]
struct Producer {
    next_sequence: i32,
    /// Sent and not acknowledged: sequence, offset, value.
    waiting: VecDeque<(i32, i64, Vec<u8>)>,
}

/// What clients know: this has to be there after a power loss.
#[derive(Debug, Clone, Default)]
struct Known {
    producers: [Producer; PRODUCERS as usize],
    acknowledged: Vec<(i64, Vec<u8>)>,
    /// Records before this were deleted, and that was acknowledged.
    deleted_before: i64,
}

impl Known {
    fn acknowledge(&mut self, flushed: i64) {
        for producer in &mut self.producers {
            while let Some((_, offset, _)) = producer.waiting.front().filter(|w| w.1 < flushed) {
                let offset = *offset;
                let (_, _, value) = producer.waiting.pop_front().unwrap();
                self.acknowledged.push((offset, value));
            }
        }
    }
}

fn batch(producer: u64, sequence: i32, value: &[u8]) -> Batch {
    Batch::values(&[value]).by(producer as i64, 0, sequence)
}

/// Sends one record, with its own sequence number, of some size.
fn send(log: &mut Log, known: &mut Known, dice: &mut Dice) -> Result<(), String> {
    let id = dice.roll(PRODUCERS);
    let producer = &mut known.producers[id as usize];
    if producer.waiting.len() == IN_FLIGHT {
        return Ok(());
    }
    let sequence = producer.next_sequence;
    let len = match dice.roll(3) {
        0 => dice.roll(40),
        1 => dice.roll(600),
        _ => dice.roll(2500),
    };
    let mut value = format!("{id}/{sequence}/").into_bytes();
    if dice.roll(4) == 0 {
        value.extend(intruder());
    }
    value.extend((0..len).map(|_| dice.roll(256) as u8));
    let appended = log.append(batch(id, sequence, &value).bytes(), client(0));
    let appended = appended.map_err(|error| format!("new record {id}/{sequence}: {error}"))?;
    producer.next_sequence += 1;
    producer.waiting.push_back((sequence, appended.base_offset, value));
    Ok(())
}

/// Works for a while and loses power at some moment, often between the write and the end of a sync.
fn work(log: &mut Log, known: &mut Known, dice: &mut Dice) -> Result<(), String> {
    for _ in 0..dice.roll(60) {
        match dice.roll(14) {
            0..8 => send(log, known, dice)?,
            8 | 9 => {
                if let Some(flush) = log.begin_flush() {
                    // What comes in the meantime is not covered.
                    (0..dice.roll(4)).try_for_each(|_| send(log, known, dice))?;
                    let result = flush.sync();
                    if dice.roll(8) == 0 {
                        return Ok(());
                    }
                    log.end_flush(&flush, result).unwrap();
                    known.acknowledge(log.flushed_offset());
                }
            }
            10 => {
                let before = log.start_offset() + dice.roll(5) as i64;
                if before <= log.flushed_offset() {
                    log.delete_before(before).unwrap();
                    known.deleted_before = log.start_offset();
                }
            }
            11 => log.roll().unwrap(),
            _ => {
                if let Some(spare) = log.begin_spare() {
                    let wanted = dice.roll(6) > 0;
                    let made = spare.make(|| wanted);
                    drop(log.end_spare(spare, made));
                }
            }
        }
    }
    Ok(())
}

/// What is wrong with a log that was opened after a power loss.
fn verdict(log: &mut Log, known: &Known) -> Result<(), String> {
    if log.start_offset() < known.deleted_before {
        return Err(format!("starts at {}: deleted records are back", log.start_offset()));
    }
    let present = records(log);
    if let Some((offset, _)) = present.iter().find(|(_, record)| is_intruder(record)) {
        return Err(format!("at {offset} is what was part of a value"));
    }
    for (offset, value) in known.acknowledged.iter().filter(|a| a.0 >= log.start_offset()) {
        let found = present.binary_search_by_key(offset, |record| record.0);
        let found = found.ok().and_then(|at| present[at].1.1.as_ref());
        if found != Some(value) {
            return Err(format!("the acknowledged record at {offset} is lost"));
        }
    }
    retry(log, known)
}

/// Sends again what was not acknowledged, as the producers would: in order, all of it.
fn retry(log: &mut Log, known: &Known) -> Result<(), String> {
    for (id, producer) in known.producers.iter().enumerate() {
        for (sequence, offset, value) in &producer.waiting {
            match log.append(batch(id as u64, *sequence, value).bytes(), client(0)) {
                Ok(_) => {}
                Err(error) if error.duplicate().is_some_and(|d| d.base_offset == *offset) => {}
                Err(error) => return Err(format!("retry of {id}/{sequence}: {error}")),
            }
        }
        let (mut next, start) = (None, log.start_offset());
        for (offset, (_, value)) in records(log) {
            let value = value.unwrap();
            let text = String::from_utf8_lossy(&value[..value.len().min(20)]).into_owned();
            let mut parts = text.split('/');
            if parts.next() != Some(&id.to_string()) {
                continue;
            }
            let sequence: i32 = parts.next().and_then(|n| n.parse().ok()).unwrap();
            if next.is_some_and(|next| next != sequence) {
                return Err(format!("producer {id}: {sequence} at {offset}, not {next:?}"));
            }
            next = Some(sequence + 1);
        }
        let last = next.unwrap_or(producer.next_sequence);
        if last != producer.next_sequence && log.end_offset() > start {
            return Err(format!("producer {id} ends at {last}, not {}", producer.next_sequence));
        }
    }
    Ok(())
}

/// Every other log has segments of zeros that are used again.
fn settings(seed: u64) -> LogConfig {
    let mut config = small(true);
    config.preallocate = seed % 2 == 1;
    config
}

/// A life with several power losses; what goes wrong first.
fn round(seed: u64, misdeed: Option<Fault>) -> Result<(), String> {
    let (mut dice, mut known) = (Dice::new(seed), Known::default());
    let mut storage = FaultyStorage::new();
    let config = || settings(seed);
    for life in 0..3 {
        let opened = Log::open(Arc::new(storage.clone()), "t-0", config());
        let (mut log, _) = opened.map_err(|error| format!("life {life}: {error}"))?;
        verdict(&mut log, &known).map_err(|what| format!("life {life}: {what}"))?;
        log.flush().unwrap();
        // The retries have brought everything that was sent.
        let present = records(&log);
        for (id, producer) in known.producers.iter_mut().enumerate() {
            for (sequence, _, value) in producer.waiting.drain(..) {
                let found = present.iter().find(|record| record.1.1.as_ref() == Some(&value));
                match found {
                    Some(found) => known.acknowledged.push((found.0, value)),
                    None => return Err(format!("life {life}: {id}/{sequence} is not there")),
                }
            }
        }
        if let Some(fault) = misdeed {
            storage.inject(fault);
        }
        if life == 1 && dice.roll(3) == 0 {
            log.close().unwrap();
        } else {
            let worked = work(&mut log, &mut known, &mut dice);
            worked.map_err(|what| format!("life {life}: {what}"))?;
        }
        storage = storage.crash(dice.roll(u64::MAX));
    }
    let (mut log, _) =
        Log::open(Arc::new(storage), "t-0", config()).map_err(|error| error.to_string())?;
    verdict(&mut log, &known)
}

#[test]
fn power_losses_lose_nothing_that_was_acknowledged() {
    let rounds = std::env::var(ROUNDS_VARIABLE).ok().and_then(|n| n.parse().ok());
    for seed in 0..rounds.unwrap_or(ROUNDS) {
        if let Err(what) = round(seed, None) {
            panic!("seed {seed}: {what}");
        }
    }
}

/// The check above would find out about a sync that is left out: a storage that only pretends is caught.
#[test]
fn a_sync_that_is_left_out_is_noticed() {
    for call in [Call::Sync, Call::SyncDir] {
        let lie =
            |after| Fault { call: Some(call), after, misdeed: Misdeed::Pretend, lasting: false };
        let always = Fault { lasting: true, ..lie(0) };
        assert!((0..ROUNDS).any(|seed| round(seed, Some(always)).is_err()), "{call:?}, all");
        let one = |seed: u64| round(seed, Some(lie(seed % 3))).is_err();
        assert!(call == Call::SyncDir || (0..ROUNDS).any(one), "{call:?}, one of them");
    }
}

#[test]
fn a_log_that_failed_to_sync_takes_nothing_more_and_still_gives() {
    let storage = FaultyStorage::new();
    let (mut log, _) = Log::open(Arc::new(storage.clone()), "t-0", small(true)).unwrap();
    log.append(Batch::values(&[b"safe"]).bytes(), client(0)).unwrap();
    log.flush().unwrap();
    log.append(Batch::values(&[b"lost"]).bytes(), client(0)).unwrap();
    storage.inject(Fault {
        call: Some(Call::Sync),
        after: 0,
        misdeed: Misdeed::Fail,
        lasting: false,
    });
    assert!(log.flush().is_err());
    for _ in 0..2 {
        let refused = log.append(Batch::values(&[b"more"]).bytes(), client(0));
        assert!(matches!(refused, Err(AppendError::Poisoned(_))));
        // The disk would claim success now.
        assert!(log.flush().is_err() && log.close().is_err());
    }
    assert_eq!((log.flushed_offset(), records(&log).len()), (1, 2));
    let (log, _) = Log::open(Arc::new(storage.crash(1)), "t-0", small(true)).unwrap();
    assert_eq!(records(&log).len(), 1);
}
