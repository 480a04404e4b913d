//! What became of records, for those who wait for Kafka.
//!
//! Nearly nobody waits, so nearly nothing is kept: what finishes is passed to who waits for it, kept while somebody may
//! turn out to wait for it, and else forgotten.

use crate::wal::Receipt;
use klamm::ErrorCode;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Outcomes that are kept for open tickets; beyond it those with the lowest sequences go.
const KEPT_MAX: usize = 65_536;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Kafka has it, acknowledged by all in-sync replicas.
    Delivered {
        /// Partition it is in.
        partition: i32,
        /// Its offset; `None` when the broker only said that it has the record already.
        offset: Option<i64>,
        /// Milliseconds since 1970, as the record carries it.
        timestamp: i64,
    },
    /// Kafka will never take it; it is with the dead letters.
    DeadLetter {
        /// What Kafka said, or would have.
        error: ErrorCode,
        /// The same in words.
        reason: Arc<str>,
    },
}

/// Why the outcome of records that are in the log cannot be told. They reach Kafka all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoOutcome {
    /// The forwarder ended first; it goes on when the log is opened again.
    #[error("the gateway stops before Kafka has the records; they are in its log")]
    Closed,
    /// Too much finished while the records were written, or they finished before the ticket was taken.
    #[error("what became of the records is not known any more")]
    NotKept,
}

/// Where those who wait for Kafka learn what became of their records; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Outcomes(Arc<Mutex<Desk>>);

#[derive(Debug, Default)]
struct Desk {
    /// No record below this sequence can be somebody's who takes a ticket now.
    begun: u64,
    /// How many tickets there are by what was `begun` when they were taken.
    open: BTreeMap<u64, usize>,
    kept: BTreeMap<u64, Outcome>,
    /// Of what is below this sequence, something was not kept.
    dropped: u64,
    /// By the first sequence.
    waiting: BTreeMap<u64, Wait>,
    closed: bool,
}

#[derive(Debug)]
struct Wait {
    slots: Vec<Option<Outcome>>,
    left: usize,
    answer: oneshot::Sender<Result<Vec<Outcome>, NoOutcome>>,
}

impl Outcomes {
    /// Outcomes of a log of which nothing was read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the outcome of records that are appended to the log **after** this call: what finishes from now on is kept
    /// until the ticket is used or dropped, 65,536 outcomes at most.
    pub fn ticket(&self) -> Ticket {
        let mut desk = self.0.lock();
        let begun = desk.begun;
        *desk.open.entry(begun).or_default() += 1;
        Ticket { outcomes: self.clone(), begun }
    }

    /// Records below this sequence were read from the log: who takes a ticket from now on waits for others.
    pub fn begun(&self, upto: u64) {
        let mut desk = self.0.lock();
        desk.begun = desk.begun.max(upto);
    }

    /// Says what became of records, in any order.
    pub fn finish(&self, outcomes: impl IntoIterator<Item = (u64, Outcome)>) {
        let mut desk = self.0.lock();
        for (sequence, outcome) in outcomes {
            desk.finish(sequence, outcome);
        }
    }

    /// Whether anybody waits or may; if not, finishing tells nobody anything.
    pub fn is_wanted(&self) -> bool {
        let desk = self.0.lock();
        !desk.open.is_empty() || !desk.waiting.is_empty()
    }

    /// Everything below `upto` is done with, including what could not be read: nobody goes on waiting for it.
    pub fn released(&self, upto: u64) {
        let mut desk = self.0.lock();
        while let Some(first) = desk.waiting.first_entry() {
            if *first.key() + first.get().slots.len() as u64 > upto {
                break;
            }
            // Whoever dropped the future does not wait any more.
            let _ = first.remove().answer.send(Err(NoOutcome::NotKept));
        }
    }

    /// Nothing finishes any more; tells everybody who waits.
    pub fn close(&self) {
        let mut desk = self.0.lock();
        desk.closed = true;
        for (_, wait) in std::mem::take(&mut desk.waiting) {
            let _ = wait.answer.send(Err(NoOutcome::Closed));
        }
    }
}

impl Desk {
    fn finish(&mut self, sequence: u64, outcome: Outcome) {
        if let Some((first, wait)) = self.waiting.range_mut(..=sequence).next_back() {
            let (first, at) = (*first, usize::try_from(sequence - first).unwrap_or(usize::MAX));
            if let Some(slot) = wait.slots.get_mut(at) {
                wait.left -= usize::from(slot.is_none());
                *slot = Some(outcome);
                if wait.left == 0 {
                    self.answer(first);
                }
                return;
            }
        }
        if self.open.first_key_value().is_some_and(|(begun, _)| *begun <= sequence) {
            self.kept.insert(sequence, outcome);
            if self.kept.len() > KEPT_MAX {
                let gone = self.kept.pop_first();
                self.dropped = gone.map_or(self.dropped, |(gone, _)| self.dropped.max(gone + 1));
            }
        }
    }

    fn answer(&mut self, first: u64) {
        if let Some(wait) = self.waiting.remove(&first) {
            // Whoever dropped the future has lost interest.
            let _ = wait.answer.send(Ok(wait.slots.into_iter().flatten().collect()));
        }
    }

    /// The ticket is used or dropped: what was kept for it alone goes.
    fn shut(&mut self, begun: u64) {
        if let Some(count) = self.open.get_mut(&begun) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&begun);
            }
        }
        match self.open.first_key_value() {
            None => self.kept.clear(),
            Some((oldest, _)) if *oldest > begun => self.kept = self.kept.split_off(oldest),
            Some(_) => {}
        }
    }

    /// Begins to wait for a range, of which some may have finished already.
    fn wait(
        &mut self,
        range: Range<u64>,
        begun: u64,
    ) -> oneshot::Receiver<Result<Vec<Outcome>, NoOutcome>> {
        let (answer, answered) = oneshot::channel();
        let slots: Vec<Option<Outcome>> = range.clone().map(|n| self.kept.remove(&n)).collect();
        let left = slots.iter().filter(|slot| slot.is_none()).count();
        let first = range.start;
        let gone = first < begun.max(self.dropped) || self.waiting.contains_key(&first);
        if left == 0 {
            let _ = answer.send(Ok(slots.into_iter().flatten().collect()));
        } else if gone {
            let _ = answer.send(Err(NoOutcome::NotKept));
        } else if self.closed {
            let _ = answer.send(Err(NoOutcome::Closed));
        } else {
            self.waiting.insert(first, Wait { slots, left, answer });
        }
        answered
    }
}

/// The right to learn what becomes of the next records that its owner appends; see [`Outcomes::ticket`].
#[derive(Debug)]
pub struct Ticket {
    outcomes: Outcomes,
    begun: u64,
}

impl Ticket {
    /// Waits until all records of a receipt have their outcome, and returns these in the order of the records.
    ///
    /// # Errors
    /// [`NoOutcome`]; the records are in the log and reach Kafka without anybody's waiting.
    ///
    /// # Cancel safety
    /// Dropping the future ends the waiting and changes nothing about the records.
    pub async fn of(self, receipt: Receipt) -> Result<Vec<Outcome>, NoOutcome> {
        let range = receipt.first..receipt.first.saturating_add(u64::from(receipt.count));
        let answered = self.outcomes.0.lock().wait(range, self.begun);
        let mut waiting =
            Waiting { outcomes: self.outcomes.clone(), first: receipt.first, answered };
        // What comes now finds who waits: nothing has to be kept any more.
        drop(self);
        (&mut waiting.answered).await.unwrap_or(Err(NoOutcome::Closed))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.outcomes.0.lock().shut(self.begun);
    }
}

/// Somebody who waits; frees the place when it is dropped early.
struct Waiting {
    outcomes: Outcomes,
    first: u64,
    answered: oneshot::Receiver<Result<Vec<Outcome>, NoOutcome>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answered.close();
        let mut desk = self.outcomes.0.lock();
        if desk.waiting.get(&self.first).is_some_and(|wait| wait.answer.is_closed()) {
            desk.waiting.remove(&self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn delivered(offset: i64) -> Outcome {
        Outcome::Delivered { partition: 0, offset: Some(offset), timestamp: 7 }
    }

    fn finish(outcomes: &Outcomes, sequences: impl IntoIterator<Item = u64>) {
        outcomes.finish(sequences.into_iter().map(|n| (n, delivered(n as i64))));
    }

    fn receipt(first: u64, count: u32) -> Receipt {
        Receipt { first, count }
    }

    type Answer = Result<Vec<i64>, NoOutcome>;

    /// What a future says when it is polled once.
    fn poll<F: Future<Output = Result<Vec<Outcome>, NoOutcome>>>(of: F) -> Option<Answer> {
        let polled = pin!(of).poll(&mut Context::from_waker(Waker::noop()));
        let offset = |outcome| match outcome {
            Outcome::Delivered { offset, .. } => offset.unwrap_or(-1),
            Outcome::DeadLetter { .. } => -2,
        };
        match polled {
            Poll::Pending => None,
            Poll::Ready(answer) => {
                Some(answer.map(|outcomes| outcomes.into_iter().map(offset).collect()))
            }
        }
    }

    fn sizes(outcomes: &Outcomes) -> (usize, usize, usize) {
        let desk = outcomes.0.lock();
        (desk.open.len(), desk.kept.len(), desk.waiting.len())
    }

    #[test]
    fn what_finishes_before_the_receipt_comes_is_kept_for_it() {
        let outcomes = Outcomes::new();
        let ticket = outcomes.ticket();
        finish(&outcomes, [2, 1, 0, 3]);
        assert_eq!(poll(ticket.of(receipt(1, 2))), Some(Ok(vec![1, 2])));
        assert_eq!(sizes(&outcomes), (0, 0, 0));
    }

    #[test]
    fn what_finishes_later_in_any_order_comes_in_order() {
        let outcomes = Outcomes::new();
        let ticket = outcomes.ticket();
        finish(&outcomes, [5]);
        let mut of = Box::pin(ticket.of(receipt(4, 3)));
        assert_eq!(poll(&mut of), None);
        assert_eq!(sizes(&outcomes), (0, 0, 1));
        finish(&outcomes, [6, 9, 6]);
        assert_eq!(poll(&mut of), None);
        finish(&outcomes, [4]);
        assert_eq!(poll(&mut of), Some(Ok(vec![4, 5, 6])));
        assert_eq!(sizes(&outcomes), (0, 0, 0));
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let outcomes = Outcomes::new();
        finish(&outcomes, 0..10);
        assert!(!outcomes.is_wanted());
        let ticket = outcomes.ticket();
        finish(&outcomes, 10..20);
        assert_eq!(sizes(&outcomes), (1, 10, 0));
        drop(ticket);
        assert_eq!(sizes(&outcomes), (0, 0, 0));
    }

    #[test]
    fn the_oldest_open_ticket_says_what_is_kept() {
        let outcomes = Outcomes::new();
        let old = outcomes.ticket();
        outcomes.begun(10);
        let (young, twin) = (outcomes.ticket(), outcomes.ticket());
        finish(&outcomes, [3, 12]);
        assert_eq!(sizes(&outcomes), (2, 2, 0));
        drop(old);
        assert_eq!(sizes(&outcomes), (1, 1, 0));
        finish(&outcomes, [9]);
        assert_eq!(sizes(&outcomes), (1, 1, 0), "what was read before is nobody's");
        drop(twin);
        assert_eq!(poll(young.of(receipt(12, 1))), Some(Ok(vec![12])));
        assert_eq!(sizes(&outcomes), (0, 0, 0));
    }

    #[test]
    fn who_does_not_wait_any_more_frees_the_place() {
        let outcomes = Outcomes::new();
        let mut of = Box::pin(outcomes.ticket().of(receipt(0, 1)));
        assert_eq!(poll(&mut of), None);
        drop(of);
        assert_eq!(sizes(&outcomes), (0, 0, 0));
        finish(&outcomes, [0]);
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let outcomes = Outcomes::new();
        let (early, late) = (outcomes.ticket(), outcomes.ticket());
        finish(&outcomes, 0..KEPT_MAX as u64 + 10);
        assert_eq!(sizes(&outcomes).1, KEPT_MAX);
        assert_eq!(poll(early.of(receipt(5, 8))), Some(Err(NoOutcome::NotKept)));
        assert_eq!(poll(late.of(receipt(20, 1))), Some(Ok(vec![20])));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let outcomes = Outcomes::new();
        outcomes.begun(5);
        let before = outcomes.ticket().of(receipt(4, 1));
        assert_eq!(poll(before), Some(Err(NoOutcome::NotKept)), "was read before the ticket");
        let mut lost = Box::pin(outcomes.ticket().of(receipt(5, 2)));
        let mut closed = Box::pin(outcomes.ticket().of(receipt(7, 1)));
        assert_eq!((poll(&mut lost), poll(&mut closed)), (None, None));
        outcomes.released(6);
        assert_eq!(poll(&mut lost), None);
        outcomes.released(7);
        assert_eq!(poll(&mut lost), Some(Err(NoOutcome::NotKept)), "was never read");
        outcomes.close();
        assert_eq!(poll(&mut closed), Some(Err(NoOutcome::Closed)));
        let late = outcomes.ticket().of(receipt(9, 1));
        assert_eq!(poll(late), Some(Err(NoOutcome::Closed)));
    }

    #[test]
    fn no_records_have_no_outcomes() {
        let outcomes = Outcomes::new();
        let mut other = Box::pin(outcomes.ticket().of(receipt(0, 1)));
        assert_eq!(poll(&mut other), None);
        assert_eq!(poll(outcomes.ticket().of(receipt(0, 0))), Some(Ok(vec![])));
        finish(&outcomes, [0]);
        assert_eq!(poll(&mut other), Some(Ok(vec![0])));
    }
}
