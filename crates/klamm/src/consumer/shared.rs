//! What the application's side and the fetcher share: positions, and what is ready to be taken.

mod handed_in;
mod in_hand;

use self::in_hand::InHand;
use super::doorbell::Doorbell;
use super::error::ConsumeError;
use super::fetch::{Batch, Budget, ConsumedRecord, IntoRecords};
use super::fetch::{Lease, Position, PositionEvent, PositionSettings, Positions, ResetTarget};
use super::{Start, TopicPartition};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;
use tokio::sync::Notify;

/// Errors that wait to be taken before those that will be told again are dropped.
const ERRORS_MAX: usize = 1_000;

/// Something to hand out; good for as long as its lease.
#[derive(Debug)]
struct Item {
    tp: TopicPartition,
    lease: Lease,
    what: Result<Batch, ConsumeError>,
}

/// The batch that records are handed out of one by one.
#[derive(Debug)]
struct Current {
    tp: TopicPartition,
    batch: Batch,
    records: IntoRecords,
    next_offset: i64,
    /// What was handed out before this has been followed by a poll.
    processed: i64,
}

impl Current {
    fn rest(&self) -> Option<Batch> {
        self.batch.after(self.batch.len() - self.records.len())
    }
}

/// The state under the lock, which is held for moments only: nothing is decoded or waited for under it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) positions: Positions,
    /// Bounded: batches by the memory budget, errors by [`ERRORS_MAX`] and by one for each stop.
    ready: VecDeque<Item>,
    /// What paused partitions have at hand.
    paused: BTreeMap<TopicPartition, VecDeque<Item>>,
    /// Errors that are about no partition.
    general: Option<ConsumeError>,
    current: Option<Current>,
    /// What is left of batches that were begun record by record: counted as handed out, and first in line.
    rests: VecDeque<(TopicPartition, Batch)>,
    paused_rests: BTreeMap<TopicPartition, Batch>,
    errors: usize,
    pub(super) in_hand: InHand,
    /// Partitions were added since the fetcher looked.
    pub(super) assigned_anew: bool,
    pub(super) closed: bool,
    pub(super) ended: bool,
    /// The fetcher has ended by itself.
    broken: bool,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) doorbell: Arc<Doorbell>,
    /// Of what is fetched and not let go yet.
    pub(super) budget: Budget,
    /// Something is ready.
    pub(super) ready: Notify,
    /// How many polls wait for that.
    pub(super) waiting: AtomicUsize,
    /// There is something to do for the task of the group.
    pub(super) group: Notify,
    /// The fetcher has ended.
    pub(super) ended: Notify,
}

/// What a look for something to hand out came to.
#[derive(Debug)]
pub(super) enum Taken<T> {
    Nothing,
    Closed,
    Error(ConsumeError),
    Some(T),
}

impl Shared {
    pub(super) fn new(settings: PositionSettings, memory: usize) -> Self {
        let doorbell: Arc<Doorbell> = Arc::default();
        let bell = Arc::clone(&doorbell);
        let state = State {
            positions: Positions::new(settings),
            ready: VecDeque::new(),
            paused: BTreeMap::new(),
            general: None,
            current: None,
            rests: VecDeque::new(),
            paused_rests: BTreeMap::new(),
            errors: 0,
            in_hand: InHand::default(),
            assigned_anew: false,
            closed: false,
            ended: false,
            broken: false,
        };
        Self {
            state: Mutex::new(state),
            doorbell,
            budget: Budget::new(memory, move |used| bell.released(used)),
            ready: Notify::new(),
            waiting: AtomicUsize::new(0),
            group: Notify::new(),
            ended: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Nothing is handed out from here on, and the fetcher ends.
    pub(super) fn close(&self) {
        let dropped = {
            let mut state = self.lock();
            state.closed = true;
            (std::mem::take(&mut state.ready), std::mem::take(&mut state.paused))
        };
        // Their memory is given back outside of the lock.
        drop(dropped);
        self.doorbell.ring();
        self.ready.notify_one();
        self.group.notify_one();
    }

    /// The fetcher has ended. If nobody has closed it, that is an error from here on.
    pub(super) fn end(&self, client_is_closed: bool) {
        {
            let mut state = self.lock();
            state.broken |= !state.closed && !client_is_closed;
            state.ended = true;
        }
        self.close();
        self.ended.notify_one();
    }

    /// The next batch or error. `polled` tells when the application began to ask, once for each time.
    pub(super) fn take_batch(&self, polled: Option<Instant>, now: Instant) -> Taken<Batch> {
        let mut state = self.lock();
        if state.in_hand.intake().is_some() {
            return Taken::Error(ConsumeError::InRun);
        }
        state.end_current();
        self.note_poll(&mut state, polled);
        let taken = state.take(now);
        let short = self.is_short(&state, &taken);
        drop(state);
        if short {
            self.doorbell.taken();
        }
        taken
    }

    /// Whether the fetcher may wait for what was taken: there is less of the partition at hand now than may be,
    /// or nothing of any.
    fn is_short(&self, state: &State, taken: &Taken<Batch>) -> bool {
        let short = |batch: &Batch| {
            let topic = Arc::clone(batch.topic_shared());
            let tp = TopicPartition { topic, partition: batch.partition() };
            state.positions.is_short(&tp, self.budget.limit())
        };
        state.is_drained() || matches!(taken, Taken::Some(batch) if short(batch))
    }

    /// The next record or error, as [`Shared::take_batch`].
    pub(super) fn take_record(
        &self,
        polled: Option<Instant>,
        now: Instant,
    ) -> Taken<ConsumedRecord> {
        let mut state = self.lock();
        if state.in_hand.intake().is_some() {
            return Taken::Error(ConsumeError::InRun);
        }
        self.note_poll(&mut state, polled);
        loop {
            if let Some(record) = state.next_of_current() {
                return Taken::Some(record);
            }
            let taken = state.take(now);
            if self.is_short(&state, &taken) {
                self.doorbell.taken();
            }
            match taken {
                Taken::Some(batch) => state.begin(batch),
                Taken::Nothing => return Taken::Nothing,
                Taken::Closed => return Taken::Closed,
                Taken::Error(error) => return Taken::Error(error),
            }
        }
    }
}

impl State {
    /// Takes a partition on.
    pub(super) fn assign(&mut self, tp: TopicPartition, start: Start, now: Instant) {
        let lease = self.take_on(&tp, now);
        let target = match start {
            Start::Offset(offset) => {
                self.positions.seek(&tp, Position { offset: offset.max(0), leader_epoch: -1 }, now);
                return;
            }
            Start::Reset | Start::Committed => {
                if let Some(event) = self.positions.start(&tp, lease, None, now) {
                    self.push_event(&tp, event);
                }
                return;
            }
            Start::Earliest => ResetTarget::Earliest,
            Start::Latest => ResetTarget::Latest,
            Start::Timestamp(timestamp) => ResetTarget::AtTime(timestamp.max(0)),
            Start::Ago(age) => ResetTarget::Ago(age),
        };
        self.positions.reset(&tp, target, now);
    }

    /// Lets a partition go. Returns what to commit: where the application had come to.
    pub(super) fn unassign(&mut self, tp: &TopicPartition) -> Option<Position> {
        let came_to = self.position(tp);
        self.forget(tp);
        self.in_hand.released(tp);
        let handed_out = self.positions.unassign(tp);
        // Of a batch that was begun record by record only those records count.
        let begun = came_to.filter(|offset| handed_out.is_some_and(|at| at.offset != *offset));
        begun.map(|offset| Position { offset, leader_epoch: -1 }).or(handed_out)
    }

    pub(super) fn take(&mut self, now: Instant) -> Taken<Batch> {
        if self.closed {
            return if self.broken { Taken::Error(ConsumeError::Ended) } else { Taken::Closed };
        }
        if let Some(error) = self.general.take() {
            return Taken::Error(error);
        }
        if let Some((tp, rest)) = self.rests.pop_front() {
            let from = Position { offset: rest.first_offset(), leader_epoch: -1 };
            self.in_hand.begins(tp, from, rest.next_offset());
            return Taken::Some(rest);
        }
        while let Some(Item { tp, lease, what }) = self.ready.pop_front() {
            match what {
                Ok(mut batch) => {
                    let before = self.positions.position(&tp);
                    if self.hand_out(&tp, lease, &batch, now) {
                        if let Some(lease) = self.in_hand.lease(&tp) {
                            batch.set_lease(lease);
                        }
                        if let Some(before) = before {
                            self.in_hand.begins(tp, before, batch.next_offset());
                        }
                        return Taken::Some(batch);
                    }
                }
                Err(error) => {
                    self.errors -= 1;
                    if self.positions.is_current(&tp, lease) {
                        return Taken::Error(error);
                    }
                }
            }
        }
        Taken::Nothing
    }

    fn hand_out(&mut self, tp: &TopicPartition, lease: Lease, batch: &Batch, now: Instant) -> bool {
        let leader_epoch = batch.next_leader_epoch().unwrap_or(-1);
        let next = Position { offset: batch.next_offset(), leader_epoch };
        self.positions.handed_out(tp, lease, next, batch.bytes(), now)
    }

    fn begin(&mut self, batch: Batch) {
        let topic = Arc::clone(batch.topic_shared());
        let tp = TopicPartition { topic, partition: batch.partition() };
        let next_offset = batch.first_offset();
        let records = batch.clone().into_records();
        // From here on it counts by the record.
        self.in_hand.is_processed();
        let processed = next_offset;
        self.current = Some(Current { tp, batch, records, next_offset, processed });
    }

    fn next_of_current(&mut self) -> Option<ConsumedRecord> {
        if self.closed {
            return None;
        }
        let current = self.current.as_mut()?;
        let Some(record) = current.records.next() else {
            self.current = None;
            return None;
        };
        current.next_offset = record.offset() + 1;
        Some(record)
    }

    /// Makes the rest of a batch that was begun record by record a batch of its own.
    pub(super) fn end_current(&mut self) {
        if let Some(current) = self.current.take() {
            current.leaves_in_hand(&mut self.in_hand);
            if let Some(rest) = current.rest() {
                self.rests.push_front((current.tp, rest));
            }
        }
    }

    /// Where the application has come to, to the record.
    pub(super) fn position(&self, tp: &TopicPartition) -> Option<i64> {
        let current = self.current.as_ref().filter(|c| c.tp == *tp && c.records.len() > 0);
        let rest = self.rests.iter().find(|(of, _)| of == tp).map(|(_, rest)| rest);
        let rest = rest.or_else(|| self.paused_rests.get(tp)).map(Batch::first_offset);
        let begun = current.map(|current| current.next_offset).or(rest);
        begun.or_else(|| Some(self.positions.position(tp)?.offset))
    }

    /// Whether nothing waits to be taken.
    pub(super) fn is_drained(&self) -> bool {
        self.ready.is_empty()
    }

    /// Adds batches of one partition; they stay aside while it is paused.
    pub(super) fn push(&mut self, tp: &TopicPartition, lease: Lease, batches: Vec<Batch>) {
        let items =
            batches.into_iter().map(|batch| Item { tp: tp.clone(), lease, what: Ok(batch) });
        if self.positions.is_paused(tp) {
            self.paused.entry(tp.clone()).or_default().extend(items);
        } else {
            self.ready.extend(items);
        }
    }

    /// Adds an error of a partition, after what was read of it.
    pub(super) fn push_event(&mut self, tp: &TopicPartition, event: PositionEvent) {
        self.push_error(tp, ConsumeError::of(tp.clone(), event));
    }

    pub(super) fn push_error(&mut self, tp: &TopicPartition, error: ConsumeError) {
        tracing::warn!(partition = %tp, %error, "reading a partition");
        let Some(lease) = self.positions.lease(tp) else { return };
        if self.errors >= ERRORS_MAX && error.is_passing() {
            return;
        }
        self.errors += 1;
        let item = Item { tp: tp.clone(), lease, what: Err(error) };
        match self.paused.get_mut(tp) {
            Some(aside) => aside.push_back(item),
            None => self.ready.push_back(item),
        }
    }

    /// Adds an error that is about no partition, unless one waits already.
    pub(super) fn push_general(&mut self, error: ConsumeError) {
        self.general.get_or_insert(error);
    }

    /// Lets go of what is at hand of a partition that was moved or let go.
    pub(super) fn forget(&mut self, tp: &TopicPartition) {
        self.current.take_if(|current| current.tp == *tp);
        self.in_hand.forget(tp);
        self.rests.retain(|(of, _)| of != tp);
        self.paused_rests.remove(tp);
        self.paused.remove(tp);
        self.ready.retain(|item| item.tp != *tp);
        let aside = self.paused.values().flatten();
        self.errors = self.ready.iter().chain(aside).filter(|item| item.what.is_err()).count();
    }

    /// Pauses or resumes a partition; what is at hand is put aside, and comes first afterwards.
    pub(super) fn pause(&mut self, tp: &TopicPartition, paused: bool, now: Instant) -> bool {
        if !self.positions.pause(tp, paused, now) {
            return false;
        }
        if paused {
            if self.current.as_ref().is_some_and(|current| current.tp == *tp) {
                self.end_current();
            }
            if let Some(at) = self.rests.iter().position(|(of, _)| of == tp) {
                self.paused_rests.extend(self.rests.remove(at));
            }
            let (aside, ready) =
                std::mem::take(&mut self.ready).into_iter().partition(|item| item.tp == *tp);
            self.ready = ready;
            let items: VecDeque<Item> = aside;
            self.paused.entry(tp.clone()).or_default().extend(items);
            return true;
        }
        self.rests.extend(self.paused_rests.remove_entry(tp));
        for item in self.paused.remove(tp).into_iter().flatten().rev() {
            self.ready.push_front(item);
        }
        true
    }
}
