//! Pure: the sequence numbers and in-flight batches of one partition.
//!
//! A batch is *stamped* - given producer id, epoch and base sequence - when it is first sent, and
//! from then on its records, order and stamp are frozen: every retry is the same bytes. The broker
//! appends a batch only when its sequence follows the last one, and answers a repetition of one of
//! its last five batches as a duplicate; this module is the client's half of that bargain.
//!
//! ```text
//!   open ─► stamped: InFlight ──acked / duplicate──────────────► Delivered
//!               ▲         │
//!               │         ├──retriable───────► Waiting ──(drained)──► InFlight again, in order
//!               │         ├──too large───────► two Waiting children in the parent's range
//!               │         ├──rejected────────► NotDelivered, or Unknown if an earlier try may
//!               │         │                    have been appended
//!               └─restamp─┴──out of sequence─► new epoch once nothing is in flight (KIP-360)
//! ```
//!
//! The three rules that the tables of tests below hold:
//! - After any failure nothing is sent until every batch in flight has been answered; then waiting
//!   batches go out in sequence, one at a time until the first is acknowledged.
//! - A broker without state for a producer accepts any first sequence, so a second batch is put in
//!   flight only after the present leader has acknowledged one.
//! - A new epoch forgets what the broker knew. A batch that may have been appended under the old one
//!   cannot be sent again without risking a duplicate: its outcome is `Unknown`.

use std::collections::VecDeque;

/// What a batch must tell about itself.
pub(crate) trait Sequenced {
    /// Records in it; at least one.
    fn record_count(&self) -> i32;
}

/// The place of a batch in a producer's sequence on one partition; -1 everywhere without idempotence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
}

impl Stamp {
    /// What a producer without idempotence writes.
    pub(crate) const NONE: Stamp = Stamp { producer_id: -1, producer_epoch: -1, base_sequence: -1 };
}

/// An answer to a batch, sorted by what it says about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Appended, now or by an earlier try.
    Acked,
    /// Worth another try. `may_be_appended` when this try could be in the log all the same.
    Retriable { may_be_appended: bool },
    /// The sequence does not follow the broker's last one, or the broker has lost its state.
    OutOfSequence,
    /// Refused for good; this try is not in the log.
    Rejected,
}

/// A batch that has reached its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution<B> {
    Delivered(B),
    NotDelivered(B),
    Unknown(B),
}

/// What may be sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextSend {
    /// Nothing until something in flight is answered.
    Nothing,
    /// The waiting batch with this id, unchanged.
    Again(u64),
    /// A batch that has never been sent.
    New,
    /// Nothing until [`PartitionSequence::adopt`] brings a producer id: there is none yet, or its
    /// epochs are used up.
    NeedsProducerId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    InFlight,
    Waiting,
}

/// A stamped batch without an outcome.
#[derive(Debug)]
pub(crate) struct Stamped<B> {
    pub(crate) id: u64,
    pub(crate) batch: B,
    pub(crate) stamp: Stamp,
    status: Status,
    may_be_appended: bool,
    /// The caller has been told `Unknown` already; only the sequence still waits for the answer.
    expired: bool,
}

/// The sequence of one partition and its unresolved batches, in order.
#[derive(Debug)]
pub(crate) struct PartitionSequence<B> {
    idempotent: bool,
    max_in_flight: usize,
    producer_id: i64,
    epoch: i16,
    next_sequence: i32,
    next_id: u64,
    unresolved: VecDeque<Stamped<B>>,
    in_flight: usize,
    /// A failure was seen: send nothing until `in_flight` is zero.
    draining: bool,
    /// What is in flight is not sent again, whatever the answer.
    broken: bool,
    /// Numbers were given out that the broker will never see: start a new epoch once drained.
    needs_epoch: bool,
    /// The present leader has acknowledged a batch.
    confirmed: bool,
    leader: i32,
}

impl<B: Sequenced> PartitionSequence<B> {
    /// A sequence without a producer id; with idempotence it asks for one before anything is sent.
    pub(crate) fn new(idempotent: bool, max_in_flight: usize) -> Self {
        Self {
            idempotent,
            max_in_flight: max_in_flight.max(1),
            producer_id: -1,
            epoch: -1,
            next_sequence: 0,
            next_id: 0,
            unresolved: VecDeque::new(),
            in_flight: 0,
            draining: false,
            broken: false,
            needs_epoch: false,
            confirmed: false,
            leader: -1,
        }
    }

    /// Batches that wait for an answer.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The producer id in use, or -1.
    pub(crate) fn producer_id(&self) -> i64 {
        self.producer_id
    }

    /// Whether no stamped batch is without an outcome.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.unresolved.is_empty()
    }

    /// Whether a stamped batch waits to be sent again.
    pub(crate) fn has_waiting(&self) -> bool {
        self.in_flight < self.unresolved.len()
    }

    /// The stamped batches without an outcome, in sequence.
    #[cfg(test)]
    pub(crate) fn unresolved(&self) -> impl Iterator<Item = &Stamped<B>> {
        self.unresolved.iter()
    }

    /// Decides what goes to `leader` next, starting a new epoch when one is due and nothing is in
    /// flight; batches that the new epoch leaves behind are pushed to `resolved`.
    pub(crate) fn poll_send(&mut self, leader: i32, resolved: &mut Vec<Resolution<B>>) -> NextSend {
        if self.in_flight > 0 && (self.draining || leader != self.leader) {
            return NextSend::Nothing;
        }
        self.draining = false;
        if leader != self.leader {
            self.leader = leader;
            self.confirmed = false;
        }
        if self.idempotent && self.producer_id < 0 {
            return NextSend::NeedsProducerId;
        }
        if self.needs_epoch {
            if self.in_flight > 0 {
                return NextSend::Nothing;
            }
            if self.epoch == i16::MAX {
                return NextSend::NeedsProducerId;
            }
            self.restart(self.producer_id, self.epoch + 1, resolved);
        }
        if self.in_flight >= self.limit() {
            return NextSend::Nothing;
        }
        match self.unresolved.iter().find(|b| b.status == Status::Waiting) {
            Some(waiting) => NextSend::Again(waiting.id),
            None => NextSend::New,
        }
    }

    fn limit(&self) -> usize {
        if self.confirmed || !self.idempotent { self.max_in_flight } else { 1 }
    }

    /// Continues under a producer id of its own after [`NextSend::NeedsProducerId`].
    pub(crate) fn adopt(
        &mut self,
        producer_id: i64,
        epoch: i16,
        resolved: &mut Vec<Resolution<B>>,
    ) {
        self.restart(producer_id, epoch, resolved);
    }

    /// Stamps `batch` and puts it in flight; only after [`NextSend::New`].
    pub(crate) fn send_new(&mut self, batch: B) -> &mut Stamped<B> {
        let stamp = self.next_stamp(batch.record_count());
        let id = self.next_id;
        self.next_id += 1;
        self.in_flight += 1;
        self.unresolved.push_back(Stamped {
            id,
            batch,
            stamp,
            status: Status::InFlight,
            may_be_appended: false,
            expired: false,
        });
        let last = self.unresolved.len() - 1;
        &mut self.unresolved[last]
    }

    /// Puts a waiting batch in flight again; only after [`NextSend::Again`] with its id.
    pub(crate) fn send_again(&mut self, id: u64) -> Option<&mut Stamped<B>> {
        let at = self.position(id)?;
        let entry = self.unresolved.get_mut(at)?;
        if entry.status == Status::Waiting {
            entry.status = Status::InFlight;
            self.in_flight += 1;
        }
        Some(entry)
    }

    /// Takes the answer to the batch `id`; unknown ids are answers that came too late and change nothing.
    pub(crate) fn handle_reply(
        &mut self,
        id: u64,
        verdict: Verdict,
        resolved: &mut Vec<Resolution<B>>,
    ) {
        let Some(at) = self.position(id) else { return };
        if self.unresolved[at].status != Status::InFlight {
            return;
        }
        self.in_flight -= 1;
        self.unresolved[at].status = Status::Waiting;
        match verdict {
            Verdict::Acked => {
                self.confirmed = true;
                let entry = self.unresolved.remove(at).filter(|e| !e.expired);
                resolved.extend(entry.map(|e| Resolution::Delivered(e.batch)));
            }
            Verdict::Rejected => self.give_up(at, resolved),
            Verdict::Retriable { may_be_appended } => {
                self.unresolved[at].may_be_appended |= may_be_appended;
                self.await_drain(at, resolved);
            }
            Verdict::OutOfSequence => {
                // Behind an unresolved batch it only says that that one is missing. At the head it
                // says that the broker's state is not ours.
                self.needs_epoch |= at == 0 && self.idempotent;
                self.await_drain(at, resolved);
            }
        }
    }

    /// Replaces a batch that the broker found too large by smaller ones in its sequence range.
    ///
    /// `split` hands the batch back when it cannot be divided; it is then rejected. So is a batch
    /// that may be in the log: the broker would not recognise its halves.
    pub(crate) fn handle_too_large(
        &mut self,
        id: u64,
        split: impl FnOnce(B) -> Result<[B; 2], B>,
        resolved: &mut Vec<Resolution<B>>,
    ) {
        let Some(at) = self.position(id) else { return };
        let entry = &self.unresolved[at];
        if entry.status != Status::InFlight || entry.may_be_appended || entry.expired {
            return self.handle_reply(id, Verdict::Rejected, resolved);
        }
        let Some(entry) = self.unresolved.remove(at) else { return };
        match split(entry.batch) {
            Err(batch) => {
                self.unresolved.insert(at, Stamped { batch, ..entry });
                self.handle_reply(id, Verdict::Rejected, resolved);
            }
            Ok(children) => {
                self.in_flight -= 1;
                self.draining = true;
                self.confirmed = false;
                let mut stamp = entry.stamp;
                for (i, batch) in children.into_iter().enumerate() {
                    let count = batch.record_count();
                    let id = self.next_id;
                    self.next_id += 1;
                    let child = Stamped {
                        id,
                        batch,
                        stamp,
                        status: Status::Waiting,
                        may_be_appended: false,
                        expired: false,
                    };
                    self.unresolved.insert(at + i, child);
                    if self.idempotent {
                        stamp.base_sequence = sequence_after(stamp.base_sequence, count);
                    }
                }
            }
        }
    }

    /// Gives up on stamped batches for which `is_due`: their delivery timeout has passed.
    ///
    /// A batch in flight is reported `Unknown` at once and stays until its answer, because the
    /// sequence after it depends on that answer.
    pub(crate) fn expire(&mut self, is_due: impl Fn(&B) -> bool, resolved: &mut Vec<Resolution<B>>)
    where
        B: Clone,
    {
        let mut at = 0;
        while at < self.unresolved.len() {
            let entry = &mut self.unresolved[at];
            if entry.expired || !is_due(&entry.batch) {
                at += 1;
            } else if entry.status == Status::InFlight {
                entry.expired = true;
                resolved.push(Resolution::Unknown(entry.batch.clone()));
                at += 1;
            } else {
                self.give_up(at, resolved);
            }
        }
    }

    /// Ends everything: the producer is closed or fenced. Nothing may be sent afterwards.
    pub(crate) fn abandon(&mut self, resolved: &mut Vec<Resolution<B>>) {
        for mut entry in self.unresolved.drain(..) {
            entry.may_be_appended |= entry.status == Status::InFlight;
            resolved.extend(Self::outcome(entry));
        }
        self.in_flight = 0;
    }

    /// Ends what waits to be sent again; what is in flight ends with its answer, good or bad.
    pub(crate) fn break_off(&mut self, resolved: &mut Vec<Resolution<B>>) {
        self.broken = true;
        while let Some(at) = self.unresolved.iter().position(|b| b.status == Status::Waiting) {
            self.give_up(at, resolved);
        }
    }

    /// Sends again what fails, after [`PartitionSequence::break_off`].
    pub(crate) fn mend(&mut self) {
        self.broken = false;
    }

    /// The topic was deleted and made again: the new log knows nothing of this sequence.
    pub(crate) fn handle_topic_recreated(&mut self) {
        self.confirmed = false;
        self.draining = true;
        self.needs_epoch |=
            self.idempotent && (self.next_sequence != 0 || !self.unresolved.is_empty());
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.unresolved.iter().position(|b| b.id == id)
    }

    fn await_drain(&mut self, at: usize, resolved: &mut Vec<Resolution<B>>) {
        self.draining = true;
        self.confirmed = false;
        if self.broken || self.unresolved[at].expired {
            self.give_up(at, resolved);
        }
    }

    /// Ends a batch that is not in flight without an acknowledgement.
    fn give_up(&mut self, at: usize, resolved: &mut Vec<Resolution<B>>) {
        let Some(entry) = self.unresolved.remove(at) else { return };
        let is_last = at == self.unresolved.len();
        if is_last && !entry.may_be_appended && !entry.expired && !self.needs_epoch {
            // Nobody has seen these numbers, and nobody will: the next batch may have them.
            self.next_sequence = entry.stamp.base_sequence.max(0);
        } else {
            self.needs_epoch = self.idempotent;
            self.draining = true;
            self.confirmed = false;
        }
        resolved.extend(Self::outcome(entry));
    }

    fn outcome(entry: Stamped<B>) -> Option<Resolution<B>> {
        match (entry.expired, entry.may_be_appended) {
            (true, _) => None,
            (false, true) => Some(Resolution::Unknown(entry.batch)),
            (false, false) => Some(Resolution::NotDelivered(entry.batch)),
        }
    }

    /// Starts a new sequence and stamps what waits anew; only with nothing in flight.
    fn restart(&mut self, producer_id: i64, epoch: i16, resolved: &mut Vec<Resolution<B>>) {
        debug_assert_eq!(self.in_flight, 0, "a new epoch with batches in flight");
        self.producer_id = producer_id;
        self.epoch = epoch;
        self.next_sequence = 0;
        self.needs_epoch = false;
        self.confirmed = false;
        for mut entry in std::mem::take(&mut self.unresolved) {
            if entry.may_be_appended || entry.expired {
                resolved.extend(Self::outcome(entry));
                continue;
            }
            entry.stamp = self.next_stamp(entry.batch.record_count());
            self.unresolved.push_back(entry);
        }
    }

    fn next_stamp(&mut self, records: i32) -> Stamp {
        if !self.idempotent {
            return Stamp::NONE;
        }
        let base_sequence = self.next_sequence;
        self.next_sequence = sequence_after(base_sequence, records);
        Stamp { producer_id: self.producer_id, producer_epoch: self.epoch, base_sequence }
    }
}

/// The sequence after `records` records; it wraps from 2^31 - 1 to 0.
pub(crate) fn sequence_after(base: i32, records: i32) -> i32 {
    ((i64::from(base) + i64::from(records)) % (1 << 31)) as i32
}

#[cfg(test)]
#[path = "idempotence_tests.rs"]
mod tests;
