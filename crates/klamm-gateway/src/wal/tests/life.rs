//! A life of a log without threads, what clients were told in it, and whether the log keeps to that.

use crate::accepted::{Accepted, AcceptedHeader};
use crate::wal::config::{AppendRefused, Opened, WalConfig};
use crate::wal::core::{Core, Work};
use crate::wal::encoding::{decode, encode, next_sequence};
use crate::wal::group::Answered;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A sequence of numbers that a seed determines (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed % sides
    }
}

/// Small segments, so that there are many.
pub(super) fn small() -> WalConfig {
    WalConfig { segment_bytes: 3000, recent_bytes: 2000, ..WalConfig::default() }
}

/// The records of one request: each says of which, and how many they are.
pub(super) fn request(id: u64, count: u64, filler: usize) -> Vec<Accepted> {
    let record = |n| Accepted {
        topic: format!("topic-{}", n % 2).into(),
        partition: None,
        timestamp: 1_000,
        key: Some(Bytes::from(format!("{id}/{n}/{count}"))),
        value: Some(Bytes::from(vec![id as u8; filler])),
        headers: match id % 3 {
            0 => vec![AcceptedHeader { name: "x".into(), value: Some(intruder()) }],
            _ => vec![],
        },
        idempotency: Some(hash(id)),
    };
    (0..count).map(record).collect()
}

/// A whole batch of records that nobody has appended, far behind the end of every log.
fn intruder() -> Bytes {
    let record = Accepted {
        topic: "topic-0".into(),
        partition: None,
        timestamp: 1_000,
        key: Some(Bytes::from_static(b"987654321/0/1")),
        value: Some(Bytes::new()),
        headers: vec![],
        idempotency: None,
    };
    let batch = encode(std::iter::once(&record), 0, 1_000, 0).unwrap();
    [&(1_u64 << 40).to_be_bytes()[..], &batch[8..]].concat().into()
}

pub(super) fn hash(id: u64) -> [u8; 16] {
    [id.to_be_bytes(), id.to_le_bytes()].concat().try_into().unwrap()
}

/// What the world knows: this has to be true for good.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Requests with a receipt, by their first sequence.
    pub(super) receipts: BTreeMap<u64, u64>,
    /// Sizes of all requests.
    pub(super) sizes: BTreeMap<u64, u64>,
    pub(super) released: u64,
}

/// The clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub(super) known: Known,
    pub(super) waiting: Vec<(u64, Answered)>,
    pub(super) refusals: Vec<AppendRefused>,
}

impl Clients {
    /// What they know now, answers included that they have not looked at yet.
    pub(super) fn look(&mut self) -> Known {
        let waiting = std::mem::take(&mut self.waiting);
        for (id, answered) in waiting {
            match answered.now() {
                Some(Ok(receipt)) => {
                    assert_eq!(u64::from(receipt.count), self.known.sizes[&id]);
                    self.known.receipts.insert(receipt.first, id);
                }
                Some(Err(refused)) => self.refusals.push(refused),
                None => self.waiting.push((id, answered)),
            }
        }
        self.known.clone()
    }
}

/// A core with its clients.
pub(super) struct Life {
    pub(super) core: Core,
    pub(super) clients: Arc<Mutex<Clients>>,
}

impl Life {
    /// Clients hand in some requests; the writer writes all of them.
    pub(super) fn append(&self, requests: &[(u64, u64, usize)]) {
        for &(id, count, filler) in requests {
            let submitted = self.core.submit(request(id, count, filler));
            let mut clients = self.clients.lock();
            clients.known.sizes.insert(id, count);
            match submitted {
                Ok(answered) => clients.waiting.push((id, answered)),
                Err(refused) => clients.refusals.push(refused),
            }
        }
        while !self.core.desk.lock().is_idle() {
            let Work::Group(group) = self.core.next_work(true) else { panic!("no group") };
            self.core.commit(group);
        }
        self.clients.lock().look();
    }

    /// Kafka takes everything below a sequence.
    pub(super) fn release(&self, upto: u64) {
        let upto = upto.min(self.core.progress.borrow().end);
        let mut clients = self.clients.lock();
        clients.known.released = clients.known.released.max(upto);
        drop(clients);
        self.core.release(upto);
    }
}

/// All records that a log would give to its reader.
pub(super) fn records(core: &Core) -> Result<BTreeMap<u64, Accepted>, String> {
    let (mut at, end) = (core.desk.lock().released, core.progress.borrow().end);
    let mut found = BTreeMap::new();
    let from = at;
    while at < end {
        let batches = core.read(at, end, 1000).map_err(|error| error.to_string())?;
        if batches.is_empty() {
            break;
        }
        for (first, batch) in batches {
            at = next_sequence(&batch, first);
            let decoded = decode(batch, first).map_err(|error| error.to_string())?;
            found.extend(decoded.records.into_iter().filter(|(n, _)| *n >= from));
        }
    }
    Ok(found)
}

/// What is wrong with a log after everything that may have happened to it.
pub(super) fn verdict(core: &Core, opened: &Opened, known: &Known) -> Result<(), String> {
    // What was never written may be set aside; it is no loss.
    if opened.lost > 0 || opened.cursor_lost {
        return Err(format!("{opened:?}"));
    }
    if opened.released > known.released {
        return Err(format!("the cursor is at {}, Kafka at {}", opened.released, known.released));
    }
    let present = records(core)?;
    for (&first, id) in &known.receipts {
        let expected = request(*id, known.sizes[id], 0);
        for (sequence, record) in (first..).zip(expected).filter(|(n, _)| *n >= opened.released) {
            if present.get(&sequence).is_none_or(|found| found.key != record.key) {
                return Err(format!("{sequence} of request {id} was promised and is lost"));
            }
        }
    }
    whole(&present, opened.released, known)
}

/// Every request is there with all its records, or not at all.
fn whole(present: &BTreeMap<u64, Accepted>, released: u64, known: &Known) -> Result<(), String> {
    for (sequence, record) in present {
        let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
        let parts: Vec<u64> = key.split('/').map(|part| part.parse().unwrap()).collect();
        let (id, n, count) = (parts[0], parts[1], parts[2]);
        if known.sizes.get(&id) != Some(&count) {
            return Err(format!("{key} at {sequence} was never appended"));
        }
        if record.value.as_ref().unwrap().iter().any(|&byte| byte != id as u8) {
            return Err(format!("{key} at {sequence} is not what was written"));
        }
        let first = sequence - n;
        let there = (first.max(released)..first + count).all(|n| present.contains_key(&n));
        if !there {
            return Err(format!("request {id} is there by half"));
        }
    }
    Ok(())
}
