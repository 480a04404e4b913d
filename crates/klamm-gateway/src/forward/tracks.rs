//! Records that a producer has taken, in the order of their lanes, until their outcome is known.
//!
//! A track is a lane's part in one partition: its outcomes come in order, so only the first of each is looked at, and one
//! waker serves all.

use super::taken::Taken;
use super::window::LaneId;
use crate::accepted::Accepted;
use foldhash::fast::RandomState;
use klamm::{Delivered, Deliveries, DeliveryError};
use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll};

/// Tracks that are remembered; beyond it those at rest are forgotten.
const TRACKS_MAX: usize = 131_072;
/// A track whose first record waits for longer than this gets no more records that can go elsewhere.
const SLOW_MS: u64 = 200;
/// A track that has failed gets none for so long.
const SHUN_MS: u64 = 10_000;

/// Records that a producer has taken, side by side.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) taken: Taken,
    pub(super) partition: i32,
    pub(super) deliveries: Deliveries,
    /// Kept where the record may turn out to be a dead letter; few are, and there are many of these.
    pub(super) record: Option<Box<Accepted>>,
    /// Somebody may ask what became of it.
    pub(super) wanted: bool,
}

/// A record with the producer, or several that lie side by side in a batch: nearly all do, and what becomes of them is then
/// looked at once.
#[derive(Debug)]
struct InFlight {
    taken: Taken,
    deliveries: Deliveries,
    record: Option<Box<Accepted>>,
    /// It stays by itself.
    apart: bool,
}

impl InFlight {
    /// Takes in what follows, or gives its deliveries back.
    fn join(&mut self, taken: &Taken, deliveries: Deliveries) -> Result<(), Deliveries> {
        if self.apart || !self.taken.fits(taken) {
            return Err(deliveries);
        }
        self.deliveries.append(deliveries)?;
        self.taken.add(taken);
        Ok(())
    }
}

/// What became of some.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) taken: Taken,
    pub(super) record: Option<Box<Accepted>>,
    pub(super) partition: i32,
    /// Of the first one.
    pub(super) result: Result<Delivered, DeliveryError>,
}

#[derive(Debug, Default)]
struct Track {
    partition: i32,
    queue: VecDeque<InFlight>,
    /// When its first record came to be that.
    moved_ms: u64,
    shunned_until_ms: u64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    tracks: Vec<Track>,
    index: HashMap<(LaneId, i32), usize, RandomState>,
    /// Those with records, in no order.
    active: Vec<usize>,
    /// The one that the last record came to: the next one mostly does, too.
    last: Option<((LaneId, i32), usize)>,
}

impl Tracks {
    /// Records were given to the producer.
    pub(super) fn push(&mut self, sent: Sent, now_ms: u64) {
        let Sent { taken, partition, mut deliveries, record, wanted } = sent;
        let at = self.track(taken.lane, partition);
        let track = &mut self.tracks[at];
        let apart = wanted || record.is_some();
        match track.queue.back_mut() {
            None => {
                track.moved_ms = now_ms;
                self.active.push(at);
            }
            Some(last) if !apart => match last.join(&taken, deliveries) {
                Ok(()) => return,
                Err(other) => deliveries = other,
            },
            Some(_) => {}
        }
        track.queue.push_back(InFlight { taken, deliveries, record, apart });
    }

    fn track(&mut self, lane: LaneId, partition: i32) -> usize {
        let at = self.find(lane, partition).unwrap_or_else(|| self.new_track(lane, partition));
        self.last = Some(((lane, partition), at));
        at
    }

    fn find(&self, lane: LaneId, partition: i32) -> Option<usize> {
        match self.last {
            Some((last, at)) if last == (lane, partition) => Some(at),
            _ => self.index.get(&(lane, partition)).copied(),
        }
    }

    fn new_track(&mut self, lane: LaneId, partition: i32) -> usize {
        if self.tracks.len() >= TRACKS_MAX && self.active.is_empty() {
            self.tracks.clear();
            self.index.clear();
        }
        self.tracks.push(Track { partition, ..Track::default() });
        self.index.insert((lane, partition), self.tracks.len() - 1);
        self.tracks.len() - 1
    }

    /// Whether records that can go elsewhere had better do.
    pub(super) fn is_slow(&self, lane: LaneId, partition: i32, now_ms: u64) -> bool {
        self.find(lane, partition).is_some_and(|at| {
            let track = &self.tracks[at];
            let waits = !track.queue.is_empty() && now_ms.saturating_sub(track.moved_ms) > SLOW_MS;
            waits || track.shunned_until_ms > now_ms
        })
    }

    /// Whether an outcome of a lane is open in a partition.
    pub(super) fn is_open(&self, lane: LaneId, partition: i32) -> bool {
        self.find(lane, partition).is_some_and(|at| !self.tracks[at].queue.is_empty())
    }

    /// Whether no outcome is open.
    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Takes the outcomes that there are; whoever polls is woken by the next one. Without `hurry` batches wait for company
    /// before they are sent, unless it is a record that its lane waits for.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now_ms: u64,
        hurry: bool,
        out: &mut Vec<Finished>,
    ) {
        let mut at = 0;
        while at < self.active.len() {
            let track = &mut self.tracks[self.active[at]];
            track.poll(cx, now_ms, hurry, out);
            if track.queue.is_empty() {
                self.active.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }
}

impl Track {
    fn poll(&mut self, cx: &mut Context<'_>, now_ms: u64, hurry: bool, out: &mut Vec<Finished>) {
        while let Some(first) = self.queue.front_mut() {
            let polled = match hurry || first.taken.alone {
                true => first.deliveries.poll(cx),
                false => first.deliveries.poll_patiently(cx),
            };
            let Poll::Ready((count, result)) = polled else { return };
            self.moved_ms = now_ms;
            if result.is_err() {
                self.shunned_until_ms = now_ms + SHUN_MS;
            }
            let (taken, record) = (first.taken.take(count), first.record.take());
            out.push(Finished { taken, record, partition: self.partition, result });
            if first.deliveries.is_empty() {
                self.queue.pop_front();
            }
        }
    }
}
