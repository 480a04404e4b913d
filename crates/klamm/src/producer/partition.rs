//! One partition's share of the accumulator: the open batch, the batches behind it, the sequence.
//!
//! A partition has one lock. Callers hold it while they encode a record - some twenty nanoseconds -
//! and the sender while it takes a batch or notes an answer.

use super::accumulator::Attempt;
use super::batch::{
    Batch, NeedsMemory, OpenBatch, Stage, needs_in_new_batch, record_upper_bound, stage,
};
use super::buffer_pool::BufferPool;
use super::delivery::{BatchState, Place};
use super::idempotence::{NextSend, PartitionSequence, Resolution, Stamp};
use super::signals::Signals;
use crate::record::RecordView;
use klamm_protocol::primitives::Uuid;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What the accumulator's parts need to know of the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// An open batch from this size on is sent as soon as a slot is free.
    pub(crate) ready_bytes: usize,
    /// An open batch is closed before it would grow over this size.
    pub(crate) batch_max_bytes: usize,
    pub(crate) linger: Duration,
    pub(crate) compressed: bool,
}

/// A topic partition that this producer sends to.
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) index: i32,
    signals: Arc<Signals>,
    queue: Mutex<Queue>,
    /// Bytes that wait to be sent; what the sticky partitioner compares.
    backlog: AtomicUsize,
    has_leader: AtomicBool,
    /// A gapless producer sends nothing more to it until it is mended.
    broken: AtomicBool,
}

struct Queue {
    open: Option<OpenBatch>,
    /// The staging block, between two batches.
    stage: Option<Stage>,
    /// Closed and never sent; compressed if they are to be.
    closed: VecDeque<ClosedBatch>,
    compressing: bool,
    /// In the sender's hands already: no need to tell it again.
    signalled: bool,
    sequence: PartitionSequence<Arc<Batch>>,
    /// After a failure nothing is sent before this.
    retry_at: Option<Instant>,
    topic_id: Uuid,
    /// States of all batches without an outcome, for flush; finished ones are dropped from the front.
    outstanding: VecDeque<Arc<BatchState>>,
}

enum ClosedBatch {
    Raw(Batch),
    Ready(Arc<Batch>),
}

/// What the sender finds when it asks a partition for work.
pub(crate) enum Work {
    Nothing,
    /// A stamped batch: put it into a request.
    Send {
        id: u64,
        stamp: Stamp,
        batch: Arc<Batch>,
    },
    /// A batch to compress; hand it back with [`Partition::compressed`].
    Compress(Batch),
    /// There is no producer id yet, or its epochs are used up; the partition stays in the sender's
    /// hands.
    NeedsProducerId,
    /// Something, but not before this; the partition stays in the sender's hands.
    Later(Instant),
}

/// Why the sender asks: what counts as ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readiness {
    pub(crate) now: Instant,
    /// Nothing is in flight to this broker, so a batch that somebody waits for need not linger.
    pub(crate) broker_is_idle: bool,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

impl Partition {
    pub(crate) fn new(
        topic: Arc<str>,
        index: i32,
        signals: Arc<Signals>,
        sequence: PartitionSequence<Arc<Batch>>,
    ) -> Self {
        let queue = Queue {
            open: None,
            stage: None,
            closed: VecDeque::new(),
            compressing: false,
            signalled: false,
            sequence,
            retry_at: None,
            topic_id: Uuid::ZERO,
            outstanding: VecDeque::new(),
        };
        Self {
            topic,
            index,
            signals,
            queue: Mutex::new(queue),
            backlog: AtomicUsize::new(0),
            has_leader: AtomicBool::new(true),
            broken: AtomicBool::new(false),
        }
    }

    /// Bytes that wait to be sent.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Whether metadata names a leader.
    pub(crate) fn has_leader(&self) -> bool {
        self.has_leader.load(Ordering::Relaxed)
    }

    pub(crate) fn set_has_leader(&self, has: bool) {
        self.has_leader.store(has, Ordering::Relaxed);
    }

    /// Nothing that has not been sent will be: something before it was not acknowledged.
    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Whether it was broken off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Takes records again if nothing is without an outcome; says whether it does.
    pub(crate) fn mend(&self) -> bool {
        let mut queue = self.queue.lock();
        let ends = self.is_broken() && queue.outstanding.iter().all(|s| s.outcome().is_some());
        if ends {
            queue.sequence.mend();
            self.broken.store(false, Ordering::Release);
        }
        !self.is_broken()
    }

    /// Appends a record to the open batch, opening or closing batches as needed.
    ///
    /// On refusal nothing has changed; the caller comes back with a lease.
    #[inline]
    pub(crate) fn append(
        self: &Arc<Self>,
        record: &RecordView<'_>,
        limits: &Limits,
        pool: &Arc<BufferPool>,
        attempt: &mut Attempt,
    ) -> Result<Place, NeedsMemory> {
        let mut queue = self.queue.lock();
        let timestamp_ms = match record.record.timestamp_ms {
            Some(ms) => ms,
            None => self.signals.now_ms(),
        };
        if let Some(open) = &mut queue.open {
            let before = open.len();
            if before + record_upper_bound(record) <= limits.batch_max_bytes {
                // Counted up before the record is written: a locked instruction right behind the write
                // would wait until the write has left the core.
                let state = Arc::clone(&open.state);
                let index = open.append(record, timestamp_ms, pool, &mut attempt.lease)?;
                if before < limits.ready_bytes && open.len() >= limits.ready_bytes {
                    self.announce(&mut queue);
                }
                drop(queue);
                attempt.timestamp_ms = timestamp_ms;
                return Ok(Place::new(state, index));
            }
        }
        self.append_to_new(queue, record, limits, pool, attempt)
    }

    /// Closes a full open batch, if there is one, and appends to a fresh one.
    #[cold]
    fn append_to_new(
        self: &Arc<Self>,
        mut queue: parking_lot::MutexGuard<'_, Queue>,
        record: &RecordView<'_>,
        limits: &Limits,
        pool: &Arc<BufferPool>,
        attempt: &mut Attempt,
    ) -> Result<Place, NeedsMemory> {
        let chunk = pool.try_chunk(&mut attempt.lease);
        let chunk = chunk.ok_or_else(|| needs_in_new_batch(record))?;
        let state = Arc::new(BatchState::new(Arc::clone(self)));
        if attempt.awaited {
            state.mark_awaited();
        }
        let stage = (record.key.is_some() && record.record.partition.is_none())
            .then(|| queue.stage.take().unwrap_or_else(stage));
        let mut fresh = OpenBatch::new(Arc::clone(&state), chunk, stage, Instant::now());
        // The sender's clock may have stood still while nothing was open.
        let timestamp_ms = record.record.timestamp_ms.unwrap_or_else(|| self.signals.read_clock());
        let index = fresh.append(record, timestamp_ms, pool, &mut attempt.lease);
        let index = index.map_err(|_| needs_in_new_batch(record))?;
        let announce = fresh.len() >= limits.ready_bytes || queue.open.is_some();
        if let Some(full) = queue.open.replace(fresh) {
            self.backlog.fetch_add(full.len(), Ordering::Relaxed);
            let closed = queue.close(full, limits.compressed);
            queue.closed.push_back(closed);
        }
        while queue.outstanding.front().is_some_and(|s| s.outcome().is_some()) {
            queue.outstanding.pop_front();
        }
        queue.outstanding.push_back(Arc::clone(&state));
        if announce {
            self.announce(&mut queue);
        }
        drop(queue);
        if attempt.awaited {
            self.signals.opened_and_awaited(self);
        } else {
            self.signals.opened(self);
        }
        attempt.timestamp_ms = timestamp_ms;
        Ok(Place::new(state, index))
    }

    /// Tells the sender, once, that there is something to send.
    fn announce(self: &Arc<Self>, queue: &mut Queue) {
        if !std::mem::replace(&mut queue.signalled, true) {
            self.signals.ready(self);
        }
    }

    /// Somebody waits for the open batch.
    pub(crate) fn expedite(self: &Arc<Self>) {
        self.signals.awaited(self);
    }

    /// Marks the open batch as to be sent whatever its size and age; says whether there is one.
    pub(crate) fn force(&self) -> bool {
        let mut queue = self.queue.lock();
        match &mut queue.open {
            Some(open) => open.forced = true,
            None => return false,
        }
        true
    }

    /// Whether the sender would find work, slots permitting; a positive answer marks the partition
    /// as in the sender's hands.
    pub(crate) fn claim_if_ready(&self, limits: &Limits, readiness: Readiness) -> bool {
        let mut queue = self.queue.lock();
        if queue.signalled || !queue.has_work(limits, readiness) {
            return false;
        }
        queue.signalled = true;
        true
    }

    /// Puts the partition into the sender's hands, whatever there is to do; false if it is there.
    pub(crate) fn claim(&self) -> bool {
        !std::mem::replace(&mut self.queue.lock().signalled, true)
    }

    /// Takes the partition out of the sender's hands.
    pub(crate) fn release(&self) {
        self.queue.lock().signalled = false;
    }

    /// The states of all batches without an outcome.
    pub(crate) fn outstanding(&self) -> Vec<Arc<BatchState>> {
        let queue = self.queue.lock();
        queue.outstanding.iter().filter(|s| s.outcome().is_none()).cloned().collect()
    }

    /// Takes what goes to `leader` next. The partition leaves the sender's hands: whoever takes
    /// work calls [`Self::claim_if_ready`] afterwards to see whether there is more.
    pub(crate) fn take_work(
        &self,
        leader: i32,
        limits: &Limits,
        readiness: Readiness,
        resolved: &mut Vec<Resolution<Arc<Batch>>>,
    ) -> Work {
        let mut queue = self.queue.lock();
        if let Some(at) = queue.retry_at.filter(|at| *at > readiness.now) {
            return Work::Later(at);
        }
        queue.retry_at = None;
        let next = queue.sequence.poll_send(leader, resolved);
        if !resolved.is_empty() {
            // Told first: of a gapless producer, what ended ends what is behind it.
            return Work::Later(readiness.now);
        }
        queue.signalled = false;
        match next {
            NextSend::Nothing => Work::Nothing,
            NextSend::NeedsProducerId => {
                queue.signalled = true;
                Work::NeedsProducerId
            }
            NextSend::Again(id) => match queue.sequence.send_again(id) {
                Some(sent) => Work::Send { id, stamp: sent.stamp, batch: Arc::clone(&sent.batch) },
                None => Work::Nothing,
            },
            NextSend::New => self.take_new(&mut queue, limits, readiness),
        }
    }

    fn take_new(&self, queue: &mut Queue, limits: &Limits, readiness: Readiness) -> Work {
        if queue.compressing && !matches!(queue.closed.front(), Some(ClosedBatch::Ready(_))) {
            return Work::Nothing;
        }
        let next = match queue.closed.pop_front() {
            Some(closed) => {
                if let ClosedBatch::Raw(batch) = &closed {
                    self.backlog.fetch_sub(batch.uncompressed_len(), Ordering::Relaxed);
                }
                Some(closed)
            }
            None if queue.open_is_ready(limits, readiness) => {
                let open = queue.open.take();
                open.map(|open| queue.close(open, limits.compressed))
            }
            None => None,
        };
        match next {
            None => Work::Nothing,
            Some(ClosedBatch::Raw(batch)) => {
                queue.compressing = true;
                Work::Compress(batch)
            }
            Some(ClosedBatch::Ready(batch)) => {
                let sent = queue.sequence.send_new(batch);
                Work::Send { id: sent.id, stamp: sent.stamp, batch: Arc::clone(&sent.batch) }
            }
        }
    }

    /// Puts a compressed batch back at its place: before everything that was never sent.
    pub(crate) fn compressed(&self, batch: Option<Arc<Batch>>) {
        let mut queue = self.queue.lock();
        queue.compressing = false;
        if let Some(batch) = batch {
            queue.closed.push_front(ClosedBatch::Ready(batch));
        }
    }

    /// Sends nothing before `at`.
    pub(crate) fn back_off_until(&self, at: Instant) {
        self.queue.lock().retry_at = Some(at);
    }

    /// Notes the id that metadata gives the topic; a new one means a new, empty log.
    pub(crate) fn observe_topic_id(&self, id: Uuid) {
        let mut queue = self.queue.lock();
        if !id.is_zero() && queue.topic_id != id {
            if !queue.topic_id.is_zero() {
                queue.sequence.handle_topic_recreated();
            }
            queue.topic_id = id;
        }
    }

    /// Gives `f` the sequence of the partition.
    pub(crate) fn with_sequence<T>(
        &self,
        f: impl FnOnce(&mut PartitionSequence<Arc<Batch>>) -> T,
    ) -> T {
        f(&mut self.queue.lock().sequence)
    }

    /// Takes batches that were never sent and are due; `all` takes the open one whatever its age.
    pub(crate) fn take_unsent(&self, is_due: impl Fn(Instant) -> bool, all: bool) -> Vec<Batch> {
        let mut queue = self.queue.lock();
        let mut due = Vec::new();
        let closed = std::mem::take(&mut queue.closed);
        for batch in closed {
            let opened = match &batch {
                ClosedBatch::Raw(b) => b.opened,
                ClosedBatch::Ready(b) => b.opened,
            };
            match batch {
                ClosedBatch::Raw(b) if all || is_due(opened) => {
                    self.backlog.fetch_sub(b.uncompressed_len(), Ordering::Relaxed);
                    due.push(b);
                }
                ClosedBatch::Ready(b) if all || is_due(opened) => match Arc::try_unwrap(b) {
                    Ok(b) => due.push(b),
                    Err(shared) => queue.closed.push_back(ClosedBatch::Ready(shared)),
                },
                keep => queue.closed.push_back(keep),
            }
        }
        if queue.open.as_ref().is_some_and(|open| all || is_due(open.opened)) {
            due.extend(queue.open.take().map(|open| open.close().0));
        }
        due
    }
}

impl Queue {
    /// Closes a batch, keeping its staging block for the next one.
    fn close(&mut self, open: OpenBatch, compress: bool) -> ClosedBatch {
        let (batch, stage) = open.close();
        self.stage = self.stage.take().or(stage);
        if compress { ClosedBatch::Raw(batch) } else { ClosedBatch::Ready(Arc::new(batch)) }
    }

    fn has_work(&self, limits: &Limits, readiness: Readiness) -> bool {
        self.sequence.has_waiting()
            || !self.closed.is_empty()
            || self.open_is_ready(limits, readiness)
    }

    fn open_is_ready(&self, limits: &Limits, readiness: Readiness) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.forced
                || open.len() >= limits.ready_bytes
                || readiness.now.saturating_duration_since(open.opened) >= limits.linger
                || (readiness.broker_is_idle && open.state.is_awaited())
        })
    }
}
