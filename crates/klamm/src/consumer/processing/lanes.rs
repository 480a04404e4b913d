//! Pure: what waits behind what - pieces that have an order among each other wait in one lane.
//!
//! At most the first piece of a lane is in work. Lanes take turns, so that a long one holds up no other;
//! a piece that failed keeps its lane until it is tried again.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::time::Instant;

/// A piece of work: a record or a batch.
#[derive(Debug, Clone)]
pub(super) struct Piece<T> {
    /// Its number in the window of its partition.
    pub(super) number: u64,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// How often it has failed.
    pub(super) failures: u32,
    pub(super) what: T,
}

/// Which lane a piece was started from; good until the piece is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(usize);

/// Whose pieces a lane has: a partition, for as long as it was assigned.
pub(super) type Tenure = u64;

#[derive(Debug, Clone)]
struct Lane<T> {
    tenure: Tenure,
    /// `None` of a piece that has no order with others.
    key: Option<u64>,
    head: Piece<T>,
    behind: VecDeque<Piece<T>>,
    running: bool,
}

/// All lanes. Each has a first piece: it is in work, or the lane is in `ready` or in `waiting`.
#[derive(Debug, Clone)]
pub(super) struct Lanes<T> {
    lanes: Vec<Option<Lane<T>>>,
    free: Vec<usize>,
    by_key: HashMap<(Tenure, u64), usize>,
    ready: VecDeque<usize>,
    /// Lanes whose first piece has failed, and when it is tried again.
    waiting: BTreeSet<(Instant, usize)>,
}

impl<T> Lanes<T> {
    pub(super) fn new() -> Self {
        Self {
            lanes: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Adds a piece behind those of the same key.
    pub(super) fn push(&mut self, tenure: Tenure, key: Option<u64>, piece: Piece<T>) {
        let lane = key.and_then(|key| self.by_key.get(&(tenure, key)));
        if let Some(lane) = lane.and_then(|at| self.lanes[*at].as_mut()) {
            lane.behind.push_back(piece);
            return;
        }
        let lane = Lane { tenure, key, head: piece, behind: VecDeque::new(), running: false };
        let at = self.free.pop().unwrap_or_else(|| {
            self.lanes.push(None);
            self.lanes.len() - 1
        });
        self.lanes[at] = Some(lane);
        if let Some(key) = key {
            self.by_key.insert((tenure, key), at);
        }
        self.ready.push_back(at);
    }

    /// The next piece to be worked on. What has failed and waited comes first: the most waits for it.
    pub(super) fn start(&mut self, now: Instant) -> Option<(LaneId, Tenure, &Piece<T>)> {
        let at = match self.waiting.pop_first() {
            Some((due, at)) if due <= now => at,
            not_due => {
                self.waiting.extend(not_due);
                self.ready.pop_front()?
            }
        };
        let lane = self.lanes[at].as_mut()?;
        lane.running = true;
        Some((LaneId(at), lane.tenure, &lane.head))
    }

    /// Whether [`Lanes::start`] would return a piece.
    pub(super) fn can_start(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.next_retry().is_some_and(|due| due <= now)
    }

    /// When the first piece is tried again of those that failed.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// The same of those that are not due yet.
    pub(super) fn next_retry_after(&self, now: Instant) -> Option<Instant> {
        let later = (Bound::Excluded((now, usize::MAX)), Bound::Unbounded);
        self.waiting.range(later).next().map(|(due, _)| *due)
    }

    /// The piece in work, and whose it is.
    pub(super) fn running(&mut self, id: LaneId) -> Option<(Tenure, &mut Piece<T>)> {
        let lane = self.lanes.get_mut(id.0)?.as_mut()?;
        lane.running.then_some((lane.tenure, &mut lane.head))
    }

    /// The piece in work is tried again at `due`.
    pub(super) fn retry(&mut self, id: LaneId, due: Instant) {
        if let Some(lane) = self.lanes[id.0].as_mut() {
            lane.running = false;
            self.waiting.insert((due, id.0));
        }
    }

    /// The piece in work is out of the way, and the next of its lane may be started.
    pub(super) fn advance(&mut self, id: LaneId) -> Option<Piece<T>> {
        let lane = self.lanes.get_mut(id.0)?.as_mut()?;
        let Some(next) = lane.behind.pop_front() else {
            return self.remove(id.0).map(|lane| lane.head);
        };
        lane.running = false;
        self.ready.push_back(id.0);
        Some(std::mem::replace(&mut lane.head, next))
    }

    fn remove(&mut self, at: usize) -> Option<Lane<T>> {
        let lane = self.lanes[at].take()?;
        if let Some(key) = lane.key {
            self.by_key.remove(&(lane.tenure, key));
        }
        self.free.push(at);
        Some(lane)
    }

    /// The first piece of each tenure that has failed and waits.
    pub(super) fn first_waiting(&self) -> BTreeMap<Tenure, u64> {
        let mut first = BTreeMap::new();
        for (_, at) in &self.waiting {
            let Some(lane) = &self.lanes[*at] else { continue };
            let number = first.entry(lane.tenure).or_insert(u64::MAX);
            *number = lane.head.number.min(*number);
        }
        first
    }

    /// Drops what is not in work and has this number or a higher one, by tenure. Returns it.
    pub(super) fn cut(&mut self, from: &BTreeMap<Tenure, u64>) -> Vec<(Tenure, Piece<T>)> {
        let mut dropped = Vec::new();
        for at in 0..self.lanes.len() {
            let Some(lane) = self.lanes[at].as_mut() else { continue };
            let Some(from) = from.get(&lane.tenure) else { continue };
            let tenure = lane.tenure;
            let kept = lane.behind.partition_point(|piece| piece.number < *from);
            dropped.extend(lane.behind.drain(kept..).map(|piece| (tenure, piece)));
            if !lane.running && lane.head.number >= *from {
                // What is behind it has higher numbers: it is dropped already.
                dropped.extend(self.remove(at).map(|lane| (tenure, lane.head)));
            }
        }
        let lanes = &self.lanes;
        let idle = |at: &usize| lanes[*at].as_ref().is_some_and(|lane| !lane.running);
        self.ready.retain(idle);
        self.waiting.retain(|(_, at)| idle(at));
        dropped
    }
}
