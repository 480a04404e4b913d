//! Pure: which records of the log may be on their way at the same time.
//!
//! Records of one topic and key are in one *lane*, that of their partition, and leave it in order; records without a key
//! share a lane of their topic in which order does not count. What a lane cannot take is left in the log and read again:
//! the window keeps at most a byte for each sequence and nothing of the record.
//!
//! ```text
//!            ┌─ took it ──► on its way ──► delivered ──► done
//!   offered ─┤                  └─ failed ─┐
//!            ├─ later ◄───────────────────┴── its lane stands still, then tries one record, then goes on
//!            └─ wait: the lane is only busy
//! ```
//!
//! A lane that has failed, or got no answer for [`STALL_MS`](super::lane::STALL_MS), holds nobody up: the reading at the front
//! goes past it, and a *sweep* reads for it again from its first record that was left. Of what is free of the window a lane may
//! have an eighth, and half if it is for all partitions of a topic, so there is something left for others, however many stand
//! still.

use super::lane::{Failed, Lane};
use super::states::{State, States};
use super::taken::Taken;
use crate::accepted::Accepted;
use klamm::producer::partitioner::murmur2;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A lane may have one part in so many of what is free.
const LANE_SHARE: u64 = 8;
/// The same for a lane in which order does not count: it is all that a topic without keys has, for all its partitions.
const LOOSE_SHARE: u64 = 2;
/// What a record weighs beside its bytes.
const OVERHEAD: u64 = 256;
/// Lanes at a time; beyond it reading waits for some to come to rest.
pub(super) const LANES_MAX: usize = 65_536;

/// How much may be on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of records, each with 256 on top.
    pub(super) bytes: u64,
    /// Sequences between the first that is not done and the last that was read.
    pub(super) ahead: usize,
}

/// A lane: its place, and how many lanes came to be before it, so that no two are ever the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LaneId(usize, u64);

/// Where a record is read: for the first time, or again for lanes that had left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Front,
    Sweep,
}

/// What becomes of a record that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is on its way now: send it, and say what came of it.
    Take(Taken),
    /// Not now, or it is on its way or done: go on with the next.
    Pass,
    /// There will be room soon: offer it again after the next outcome.
    Wait,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy)]
struct Place {
    lane: LaneId,
    /// The one it has to go to, and how many there are.
    partition: Option<i32>,
    partitions: Option<i32>,
}

#[derive(Debug, Default)]
struct Topic {
    /// Not known until the cluster has told.
    partitions: Option<i32>,
    /// By partition; -1 is the one where order does not count.
    lanes: BTreeMap<i32, LaneId>,
}

/// Where order does not count.
const LOOSE: i32 = -1;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Window {
    limits: Limits,
    states: States,
    topics: BTreeMap<Arc<str>, Topic>,
    lanes: Vec<Lane>,
    free: Vec<usize>,
    made: u64,
    weight: u64,
    taken: u64,
    /// How many lanes have left something.
    behind: usize,
    /// How many lanes take part in the present sweep.
    sweeping: usize,
    /// Where that is.
    sweep: Option<u64>,
    /// Where the last record without a key belongs: what follows mostly belongs there, too.
    loose: Option<(Arc<str>, Place)>,
}

impl Window {
    /// A window on a log of which everything below `low` is done.
    pub(super) fn new(low: u64, limits: Limits) -> Self {
        Self {
            limits,
            states: States::new(low),
            topics: BTreeMap::new(),
            lanes: Vec::new(),
            free: Vec::new(),
            made: 0,
            weight: 0,
            taken: 0,
            behind: 0,
            sweeping: 0,
            sweep: None,
            loose: None,
        }
    }

    /// Everything below is done.
    pub(super) fn low(&self) -> u64 {
        self.states.low()
    }

    /// The sequence behind what was offered at the front.
    pub(super) fn front(&self) -> u64 {
        self.states.end()
    }

    /// Records on their way.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Nothing is on its way, and nothing was left in the log.
    pub(super) fn is_empty(&self) -> bool {
        self.states.len() == 0
    }

    /// Topics of which a lane stands still, with the partition; none means all that have no key.
    pub(super) fn stuck(&self, now_ms: u64) -> impl Iterator<Item = (&str, Option<i32>)> {
        self.topics.iter().flat_map(move |(name, topic)| {
            let stuck = topic.lanes.iter().filter(move |(_, id)| self.lanes[id.0].is_stuck(now_ms));
            stuck.map(move |(partition, _)| (&**name, Some(*partition).filter(|p| *p != LOOSE)))
        })
    }

    /// Whether the number of partitions of a topic is known.
    pub(super) fn knows(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).and_then(|topic| topic.partitions)
    }

    /// The lanes that send to a partition.
    pub(super) fn lanes_to(&self, topic: &str, partition: i32) -> impl Iterator<Item = LaneId> {
        let lanes = self.topics.get(topic).map(|topic| &topic.lanes);
        [LOOSE, partition].into_iter().filter_map(move |lane| lanes?.get(&lane).copied())
    }

    /// The cluster has told how many partitions a topic has.
    pub(super) fn learn(&mut self, name: &Arc<str>, partitions: i32) {
        self.loose = None;
        let topic = self.topics.entry(name.clone()).or_default();
        if topic.partitions.replace(partitions) == Some(partitions) {
            return;
        }
        let lanes: Vec<LaneId> = topic.lanes.values().copied().collect();
        let left = lanes.iter().filter_map(|lane| self.lanes[lane.0].behind).min();
        // What was left may belong to other lanes now.
        for partition in (LOOSE..partitions).filter(|_| left.is_some()) {
            if let (Some(lane), Some(left)) = (self.lane(name, partition), left) {
                self.leave(lane, left);
            }
        }
    }

    /// Sequences below this one that were not offered do not exist.
    pub(super) fn pass(&mut self, sequence: u64) {
        self.states.pass(sequence);
    }

    /// Offers a record: at the front each once in order, in a sweep from its start on.
    pub(super) fn offer(
        &mut self,
        pass: Pass,
        sequence: u64,
        record: &Accepted,
        now_ms: u64,
    ) -> Offer {
        let offer = match pass {
            Pass::Front => self.offer_front(sequence, record, now_ms),
            Pass::Sweep => self.offer_sweep(sequence, record, now_ms),
        };
        if pass == Pass::Sweep && offer != Offer::Wait && self.sweep.is_some() {
            self.sweep = Some(sequence + 1);
        }
        offer
    }

    /// Offers the first of some records, which are not none, as [`Window::offer`] does, and takes those along that follow it
    /// and would be taken alike: nothing is decided anew for each record without a key.
    pub(super) fn offer_run(
        &mut self,
        pass: Pass,
        records: &[(u64, Accepted)],
        now_ms: u64,
    ) -> Offer {
        let Some(((sequence, record), behind)) = records.split_first() else { return Offer::Wait };
        let mut offer = self.offer(pass, *sequence, record, now_ms);
        if let Offer::Take(taken) = &mut offer
            && is_loose(record)
            && !taken.alone
            && !behind.is_empty()
        {
            self.take_along(pass, taken, &record.topic, behind);
        }
        offer
    }

    /// Takes records behind one that was taken, as long as they differ from it in nothing that counts and there is room.
    fn take_along(
        &mut self,
        pass: Pass,
        taken: &mut Taken,
        topic: &Arc<str>,
        behind: &[(u64, Accepted)],
    ) {
        let (lane, free) = (&self.lanes[taken.lane.0], self.room());
        let first = taken.sequences().end;
        let end = match pass {
            Pass::Front => first + self.limits.ahead.saturating_sub(self.states.len()) as u64,
            Pass::Sweep => self.states.waiting_to(first, first + behind.len() as u64),
        };
        let (mut next, mut more) = (first, 0);
        for (sequence, record) in behind {
            let alike = is_loose(record) && Arc::ptr_eq(&record.topic, topic);
            let with = more + weight(record);
            let fits = lane.has_share(with, free.saturating_sub(more));
            if !alike || *sequence != next || next == end || !fits {
                break;
            }
            (next, more) = (next + 1, with);
        }
        if next == first {
            return;
        }
        self.book(pass, taken.lane, first..next, more);
        if pass == Pass::Sweep {
            self.sweep = self.sweep.map(|_| next);
        }
        let count = u32::try_from(next - first).unwrap_or(u32::MAX);
        taken.add(&Taken { sequence: first, count, weight: more, ..*taken });
    }

    fn offer_front(&mut self, sequence: u64, record: &Accepted, now_ms: u64) -> Offer {
        if sequence < self.states.end() {
            return Offer::Pass;
        }
        if self.states.len() >= self.limits.ahead {
            return Offer::Wait;
        }
        let Some(place) = self.place(record) else { return Offer::Wait };
        let (id, known) = (place.lane, place.partitions.is_some());
        let lane = &self.lanes[id.0];
        let may = lane.behind.is_none() && lane.may_take(sequence, known, now_ms);
        let weight = weight(record);
        if may && self.has_room(id, weight) {
            return Offer::Take(self.take(Pass::Front, place, sequence, weight, now_ms));
        }
        if may && !lane.is_stalled(now_ms) {
            return Offer::Wait;
        }
        self.states.append(sequence..sequence + 1, State::Waiting);
        self.leave(id, sequence);
        Offer::Pass
    }

    fn offer_sweep(&mut self, sequence: u64, record: &Accepted, now_ms: u64) -> Offer {
        if sequence >= self.states.end() || self.states.get(sequence) != State::Waiting {
            return Offer::Pass;
        }
        let Some(place) = self.place(record) else { return Offer::Wait };
        let (id, known) = (place.lane, place.partitions.is_some());
        let lane = &self.lanes[id.0];
        if lane.behind.is_none() {
            // It was left when its topic was not known, and is in a partition that the topic does not have.
            self.leave(id, sequence);
            return Offer::Pass;
        }
        if !lane.swept || lane.behind.is_none_or(|behind| sequence < behind) {
            return Offer::Pass;
        }
        let may = lane.may_take(sequence, known, now_ms);
        let weight = weight(record);
        if may && self.has_room(id, weight) {
            return Offer::Take(self.take(Pass::Sweep, place, sequence, weight, now_ms));
        }
        if may && !lane.is_stalled(now_ms) {
            return Offer::Wait;
        }
        self.lanes[id.0].swept = false;
        self.lanes[id.0].behind = Some(sequence);
        self.sweeping -= 1;
        Offer::Pass
    }

    fn take(&mut self, pass: Pass, place: Place, sequence: u64, weight: u64, now_ms: u64) -> Taken {
        let Place { lane: id, partition, partitions } = place;
        let alone = self.lanes[id.0].begin(sequence, partitions.is_some(), now_ms);
        self.book(pass, id, sequence..sequence + 1, weight);
        Taken { sequence, count: 1, lane: id, partition, partitions, alone, weight }
    }

    /// Takes note that these of a lane are on their way.
    fn book(&mut self, pass: Pass, id: LaneId, sequences: Range<u64>, weight: u64) {
        let lane = &mut self.lanes[id.0];
        let count = sequences.end - sequences.start;
        lane.taken += count;
        lane.weight += weight;
        self.taken += count;
        self.weight += weight;
        match pass {
            Pass::Front => self.states.append(sequences, State::Taken),
            Pass::Sweep => {
                lane.behind = Some(sequences.end);
                self.states.set(sequences, State::Taken);
            }
        }
    }

    /// Where a record belongs; none while there are too many lanes.
    fn place(&mut self, record: &Accepted) -> Option<Place> {
        if !is_loose(record) {
            return self.find_place(record);
        }
        // Records that were read together share the name.
        let known = self.loose.as_ref().filter(|(topic, _)| Arc::ptr_eq(topic, &record.topic));
        if let Some((_, place)) = known {
            return Some(*place);
        }
        let place = self.find_place(record)?;
        self.loose = Some((record.topic.clone(), place));
        Some(place)
    }

    fn find_place(&mut self, record: &Accepted) -> Option<Place> {
        let topic = self.topics.get(&record.topic);
        let partitions = topic.and_then(|topic| topic.partitions);
        let partition = match (record.partition, &record.key, partitions) {
            (_, _, None) | (None, None, _) => None,
            (Some(asked), ..) => Some(asked),
            (None, Some(key), Some(count)) => {
                i32::try_from(murmur2(key) & 0x7fff_ffff).ok()?.checked_rem(count)
            }
        };
        // One that no topic can have has a lane of its own, too.
        let lane = partition.map_or(LOOSE, |asked| if asked < 0 { i32::MIN } else { asked });
        let known = topic.and_then(|topic| topic.lanes.get(&lane)).copied();
        let lane = known.or_else(|| self.new_lane(&record.topic, lane))?;
        Some(Place { lane, partition, partitions })
    }

    fn lane(&mut self, name: &Arc<str>, partition: i32) -> Option<LaneId> {
        let known = self.topics.get(name).and_then(|topic| topic.lanes.get(&partition)).copied();
        known.or_else(|| self.new_lane(name, partition))
    }

    fn new_lane(&mut self, name: &Arc<str>, partition: i32) -> Option<LaneId> {
        if self.lanes.len() - self.free.len() >= LANES_MAX {
            self.tidy();
        }
        let at = match self.free.pop() {
            Some(at) => at,
            None if self.lanes.len() < LANES_MAX => {
                self.lanes.push(Lane::default());
                self.lanes.len() - 1
            }
            None => return None,
        };
        self.made += 1;
        let id = LaneId(at, self.made);
        self.lanes[at].share = if partition == LOOSE { LOOSE_SHARE } else { LANE_SHARE };
        self.topics.entry(name.clone()).or_default().lanes.insert(partition, id);
        Some(id)
    }

    /// Forgets lanes that are at rest, and topics without lanes.
    fn tidy(&mut self) {
        self.loose = None;
        let (lanes, free) = (&mut self.lanes, &mut self.free);
        self.topics.retain(|_, topic| {
            topic.lanes.retain(|_, id| {
                let rests = lanes[id.0].is_idle();
                if rests {
                    lanes[id.0] = Lane::default();
                    free.push(id.0);
                }
                !rests
            });
            !topic.lanes.is_empty()
        });
    }

    /// Whether a lane may have this much more: its share of what is free; its first record may have all of that, and the
    /// first of all whatever it needs.
    fn has_room(&self, id: LaneId, weight: u64) -> bool {
        let (lane, free) = (&self.lanes[id.0], self.room());
        match (self.taken, lane.taken) {
            (0, _) => true,
            (_, 0) => weight <= free,
            _ => lane.has_share(weight, free),
        }
    }

    /// What may be on its way beside what is.
    fn room(&self) -> u64 {
        self.limits.bytes.saturating_sub(self.weight)
    }

    fn leave(&mut self, id: LaneId, sequence: u64) {
        let lane = &mut self.lanes[id.0];
        if lane.behind.is_none_or(|behind| sequence < behind) {
            self.behind += usize::from(lane.behind.is_none());
            lane.behind = Some(sequence);
            self.sweeping -= usize::from(std::mem::take(&mut lane.swept));
        }
    }

    /// Records are with the dead letters: that says nothing about the next ones. Returns whether [`Window::low`] moved.
    pub(super) fn lettered(&mut self, taken: Taken, now_ms: u64) -> bool {
        self.back(taken, now_ms);
        self.states.set(taken.sequences(), State::Done)
    }

    /// Records are in Kafka. Returns whether [`Window::low`] moved.
    pub(super) fn done(&mut self, taken: Taken, now_ms: u64) -> bool {
        self.back(taken, now_ms);
        self.lanes[taken.lane.0].succeed();
        self.states.set(taken.sequences(), State::Done)
    }

    /// Records have to be sent again: their lane stands still until everything of it has come back, for longer each time.
    pub(super) fn failed(&mut self, taken: Taken, how: Failed, now_ms: u64) {
        self.back(taken, now_ms);
        self.states.set(taken.sequences(), State::Waiting);
        self.leave(taken.lane, taken.sequence);
        self.lanes[taken.lane.0].fail(how, taken.sequences().end, now_ms);
    }

    fn back(&mut self, taken: Taken, now_ms: u64) {
        self.lanes[taken.lane.0].back(u64::from(taken.count), taken.weight, now_ms);
        self.taken -= u64::from(taken.count);
        self.weight -= taken.weight;
    }

    /// Where to read again, for lanes that have left something and can take it now; none while nobody can.
    ///
    /// A sweep goes on until it meets the front or nobody takes part any more. A lane that can take part and has left
    /// something before the place of the sweep waits for the next one.
    pub(super) fn sweep(&mut self, now_ms: u64) -> Option<u64> {
        if self.behind == 0 {
            (self.sweep, self.sweeping) = (None, 0);
            return None;
        }
        if self.is_empty() {
            // Whatever was left is done.
            self.lanes.iter_mut().for_each(|lane| lane.swept = true);
            self.end_sweep();
        } else if self.sweep.is_some_and(|at| at >= self.front()) {
            self.end_sweep();
        }
        if self.sweep.is_some() && self.sweeping > 0 {
            return self.sweep;
        }
        let mut from: Option<u64> = None;
        self.sweeping = 0;
        for lane in &mut self.lanes {
            lane.swept = lane.behind.is_some() && lane.is_ready(now_ms);
            if let (true, Some(behind)) = (lane.swept, lane.behind) {
                self.sweeping += 1;
                from = Some(from.map_or(behind, |from| from.min(behind)));
            }
        }
        if from.is_some_and(|from| from >= self.front()) {
            self.end_sweep();
            return None;
        }
        self.sweep = from;
        from
    }

    /// Sequences below this one were offered in the sweep, or do not exist.
    pub(super) fn swept(&mut self, upto: u64) {
        if let Some(at) = &mut self.sweep {
            *at = upto.max(*at);
        }
    }

    /// The sweep has met the front: who took part has nothing left behind.
    fn end_sweep(&mut self) {
        (self.sweep, self.sweeping) = (None, 0);
        for lane in &mut self.lanes {
            if std::mem::take(&mut lane.swept) && lane.behind.take().is_some() {
                self.behind -= 1;
            }
        }
    }

    /// When a lane that stands still may be tried; those that wait for answers are not asked.
    pub(super) fn wakes_at(&self) -> Option<u64> {
        if self.behind == 0 {
            return None;
        }
        self.lanes.iter().filter_map(Lane::wakes_at).min()
    }

    /// How many lanes have left something in the log.
    #[cfg(test)]
    pub(super) fn lanes_behind(&self) -> usize {
        self.behind
    }

    /// What of a lane is on its way, in bytes of records, each with [`OVERHEAD`] on top.
    pub(super) fn weight_of(&self, lane: LaneId) -> u64 {
        self.lanes[lane.0].weight
    }

    /// Whether a lane has failed and nothing was done since.
    pub(super) fn is_failing(&self, lane: LaneId) -> bool {
        self.lanes[lane.0].is_failing()
    }
}

/// Whether it may go to any partition.
fn is_loose(record: &Accepted) -> bool {
    record.key.is_none() && record.partition.is_none()
}

fn weight(record: &Accepted) -> u64 {
    (record.bytes() as u64).saturating_add(OVERHEAD)
}
