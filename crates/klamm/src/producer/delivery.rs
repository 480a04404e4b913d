//! The outcome of a batch, and the futures of its records.
//!
//! A batch has one outcome cell and one list of wakers, however many records wait for it; a record's
//! delivery is the batch and an index. Awaiting deliveries in the order of their sends costs a few
//! nanoseconds each; `FuturesUnordered` and `join_all` add ten times that of their own.

use super::error::{DeliveryError, Failure};
use super::partition::Partition;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

/// How a batch ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// In the log. The offset is missing when the broker answered "duplicate" or was not asked.
    Delivered {
        base_offset: Option<i64>,
        log_append_time_ms: Option<i64>,
    },
    NotDelivered(Arc<Failure>),
    Unknown(Arc<Failure>),
    /// Divided because it was too large: first record index of each part, and the part.
    Split(Vec<(u32, Arc<BatchState>)>),
}

/// What a batch shares with the deliveries of its records.
#[derive(Debug)]
pub(crate) struct BatchState {
    pub(crate) partition: Arc<Partition>,
    outcome: OnceLock<Outcome>,
    wakers: Mutex<Vec<Waker>>,
    awaited: AtomicBool,
}

impl BatchState {
    pub(crate) fn new(partition: Arc<Partition>) -> Self {
        Self {
            partition,
            outcome: OnceLock::new(),
            wakers: Mutex::new(Vec::new()),
            awaited: AtomicBool::new(false),
        }
    }

    /// Whether somebody waits for one of its records.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Somebody is about to wait, and whoever calls this tells the sender.
    pub(crate) fn mark_awaited(&self) {
        self.awaited.store(true, Ordering::Relaxed);
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// Sets the outcome, once, and wakes whoever waits; a second outcome is ignored.
    pub(crate) fn complete(&self, outcome: Outcome) {
        if self.outcome.set(outcome).is_err() {
            return;
        }
        // Taken after the outcome is set: whoever registers later sees the outcome first.
        let wakers = std::mem::take(&mut *self.wakers.lock());
        for waker in wakers {
            waker.wake();
        }
    }

    /// Waits for the outcome; a split batch is followed into its parts.
    pub(crate) async fn wait(self: &Arc<Self>) {
        let mut pending = vec![Arc::clone(self)];
        while let Some(state) = pending.pop() {
            let mut at = Position::of(0);
            std::future::poll_fn(|cx| state.poll_outcome(cx, &mut at, true).map(|_| ())).await;
            if let Some(Outcome::Split(parts)) = state.outcome() {
                pending.extend(parts.iter().map(|(_, part)| Arc::clone(part)));
            }
        }
    }

    #[inline]
    fn poll_outcome(
        &self,
        cx: &mut Context<'_>,
        at: &mut Position,
        hurries: bool,
    ) -> Poll<&Outcome> {
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome);
        }
        {
            let mut wakers = self.wakers.lock();
            if let Some(outcome) = self.outcome.get() {
                return Poll::Ready(outcome);
            }
            register(&mut wakers, cx.waker(), at);
        }
        // A lone awaited record must not sit out the linger.
        if hurries
            && !self.awaited.load(Ordering::Relaxed)
            && !self.awaited.swap(true, Ordering::Relaxed)
        {
            self.partition.expedite();
        }
        Poll::Pending
    }
}

/// A record's place on its way: the batch it is in, and where in it.
#[derive(Debug)]
pub(crate) struct Place {
    batch: Arc<BatchState>,
    at: Position,
}

impl Place {
    #[inline]
    pub(crate) fn new(batch: Arc<BatchState>, index: u32) -> Self {
        Self { batch, at: Position::of(index) }
    }
}

/// A record's index in its batch, and the slot of its waker, in one word: two halves that are
/// written one by one and then moved together would make the core wait for its own writes.
#[derive(Debug, Clone, Copy)]
struct Position(u64);

impl Position {
    /// An index without a slot.
    #[inline]
    fn of(index: u32) -> Self {
        Self(u64::from(index) | 0xffff_ffff << 32)
    }

    fn index(self) -> u32 {
        self.0 as u32
    }

    fn slot(self) -> usize {
        (self.0 >> 32) as usize
    }

    fn with_slot(self, slot: usize) -> Self {
        Self(u64::from(self.index()) | (slot as u64) << 32)
    }
}

/// Keeps one waker per waiting task, nearly: neighbours polled by one task share one, and a
/// delivery polled again by the same task finds its own. A slot may be shared, so it is never
/// overwritten: a delivery that moved to another task appends.
fn register(wakers: &mut Vec<Waker>, waker: &Waker, at: &mut Position) {
    let known = |w: Option<&Waker>| w.is_some_and(|w| w.will_wake(waker));
    if known(wakers.get(at.slot())) {
        return;
    }
    if !known(wakers.last()) {
        wakers.push(waker.clone());
    }
    *at = at.with_slot(wakers.len() - 1);
}

/// A record's place in the log.
#[derive(Debug, Clone)]
pub struct Delivered {
    batch: Arc<BatchState>,
    index: u32,
    create_time_ms: i64,
}

impl Delivered {
    /// Topic it was appended to.
    pub fn topic(&self) -> &str {
        &self.batch.partition.topic
    }

    /// Partition it was appended to.
    pub fn partition(&self) -> i32 {
        self.batch.partition.index
    }

    /// Its offset; `None` when the broker only said that it has the batch already
    /// (DUPLICATE_SEQUENCE_NUMBER), or was not asked (`acks=0`).
    pub fn offset(&self) -> Option<i64> {
        match self.batch.outcome() {
            Some(Outcome::Delivered { base_offset: Some(base), .. }) => {
                Some(base + i64::from(self.index))
            }
            _ => None,
        }
    }

    /// Milliseconds since the epoch: the broker's append time if the topic keeps that, else the
    /// record's create time.
    pub fn timestamp_ms(&self) -> i64 {
        match self.batch.outcome() {
            Some(Outcome::Delivered { log_append_time_ms: Some(at), .. }) => *at,
            _ => self.create_time_ms,
        }
    }
}

/// Resolves to the outcome of one accepted record.
///
/// Dropping it changes nothing about the record: it is sent all the same.
///
/// # Cancel safety
/// Safe: the outcome is kept with the batch, and another poll returns it.
///
/// # Panics
/// When polled again after it was ready, like every future.
#[derive(Debug)]
#[must_use = "a delivery says whether the record arrived; drop it explicitly to send without looking"]
pub struct Delivery {
    batch: Option<Arc<BatchState>>,
    at: Position,
    create_time_ms: i64,
}

impl Delivery {
    #[inline]
    pub(crate) fn new(place: Place, create_time_ms: i64) -> Self {
        Self { batch: Some(place.batch), at: place.at, create_time_ms }
    }

    /// Where its record is as far as this was followed; none once it was ready.
    pub(super) fn place(&self) -> Option<(Arc<BatchState>, u32)> {
        self.batch.as_ref().map(|batch| (Arc::clone(batch), self.at.index()))
    }

    /// That of another record.
    pub(super) fn other(&self, batch: Arc<BatchState>, index: u32) -> Self {
        Self::new(Place::new(batch, index), self.create_time_ms)
    }

    /// Whether the record of another one lies so many places behind this one's in the same batch.
    #[inline]
    pub(super) fn is_before(&self, other: &Self, places: u32) -> bool {
        match (&self.batch, &other.batch) {
            (Some(own), Some(others)) => {
                Arc::ptr_eq(own, others) && self.at.index() + places == other.at.index()
            }
            _ => false,
        }
    }

    /// Whether the outcome is known, so that awaiting it will not wait.
    pub fn is_ready(&self) -> bool {
        let mut state = self.batch.as_ref();
        while let Some(batch) = state {
            match batch.outcome() {
                None => return false,
                Some(Outcome::Split(parts)) => {
                    state = part_of(parts, self.at.index()).map(|(_, s)| s)
                }
                Some(_) => return true,
            }
        }
        true
    }

    /// Polls without hurry: the batch waits for company as long as `linger.ms` says, where awaiting it would have it sent
    /// as soon as its broker has nothing else to do.
    ///
    /// For whoever needs the outcome and is in no hurry to have it: fewer and fuller requests. Once polled as a future, a
    /// delivery stays urgent.
    ///
    /// # Panics
    /// Polled again after it was ready.
    #[inline]
    pub fn poll_patiently(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Delivered, DeliveryError>> {
        self.poll_result(cx, false)
    }

    #[inline]
    pub(super) fn poll_result(
        &mut self,
        cx: &mut Context<'_>,
        hurries: bool,
    ) -> Poll<Result<Delivered, DeliveryError>> {
        loop {
            let Some(batch) = self.batch.take() else {
                panic!("a Delivery was polled after it was ready");
            };
            let result = match batch.poll_outcome(cx, &mut self.at, hurries) {
                Poll::Pending => {
                    self.batch = Some(batch);
                    return Poll::Pending;
                }
                Poll::Ready(Outcome::Delivered { .. }) => Ok(()),
                Poll::Ready(Outcome::NotDelivered(f)) => {
                    Err(DeliveryError::NotDelivered(Arc::clone(f)))
                }
                Poll::Ready(Outcome::Unknown(f)) => Err(DeliveryError::Unknown(Arc::clone(f))),
                Poll::Ready(Outcome::Split(parts)) => {
                    if let Some((first, part)) = part_of(parts, self.at.index()) {
                        self.batch = Some(Arc::clone(part));
                        self.at = Position::of(self.at.index() - first);
                    }
                    continue;
                }
            };
            let (index, create_time_ms) = (self.at.index(), self.create_time_ms);
            return Poll::Ready(result.map(|()| Delivered { batch, index, create_time_ms }));
        }
    }
}

impl Future for Delivery {
    type Output = Result<Delivered, DeliveryError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_result(cx, true)
    }
}

pub(super) fn part_of(
    parts: &[(u32, Arc<BatchState>)],
    index: u32,
) -> Option<(u32, &Arc<BatchState>)> {
    parts.iter().rev().find(|(first, _)| *first <= index).map(|(first, part)| (*first, part))
}
