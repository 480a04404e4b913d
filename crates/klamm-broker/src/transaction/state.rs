//! Pure: what is known of one transactional id, and how that may change.

use klamm_protocol::error_code::ErrorCode;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// No producer id.
pub(super) const NO_ID: i64 = -1;
/// No epoch.
pub(super) const NO_EPOCH: i16 = -1;
/// The highest epoch a client is given. One more is left, so that a transaction in it can still be fenced.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// Partitions by topic.
pub(crate) type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum State {
    /// No transaction since the producer was initialized.
    Empty,
    /// Partitions or groups have been added.
    Ongoing,
    /// The decision to commit is in the journal; markers are being written.
    PrepareCommit,
    /// The decision to abort is in the journal; markers are being written.
    PrepareAbort,
    /// Every commit marker has been written.
    CompleteCommit,
    /// Every abort marker has been written.
    CompleteAbort,
}

impl State {
    /// The name Kafka's tools show.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether `name` may be asked for. Two states of Kafka are never seen here: both are left as soon as they are
    /// entered.
    pub(super) fn is_known(name: &str) -> bool {
        const UNSEEN: [&str; 2] = ["Dead", "PrepareEpochFence"];
        const SEEN: [State; 6] = [
            State::Empty,
            State::Ongoing,
            State::PrepareCommit,
            State::PrepareAbort,
            State::CompleteCommit,
            State::CompleteAbort,
        ];
        UNSEEN.contains(&name) || SEEN.iter().any(|state| state.name() == name)
    }

    /// The decision is made, its markers are not all written.
    pub(super) fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// A producer as it names itself: the two fields every request of a transaction carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// A transactional id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub(super) producer_id: i64,
    /// The id before the current one, whose producer may not have heard of the change.
    pub(super) previous_producer_id: i64,
    /// The id that follows when the transaction completes, because the epochs of this one are used up.
    pub(super) next_producer_id: i64,
    pub(super) producer_epoch: i16,
    /// The epoch from which the producer itself asked for the current one; with it, a lost answer can be asked for again.
    pub(super) last_producer_epoch: i16,
    pub(super) timeout_ms: i32,
    pub(super) state: State,
    pub(super) partitions: Partitions,
    /// Groups whose offsets are part of the transaction.
    pub(super) groups: BTreeSet<String>,
    /// When the transaction began; -1 before the first.
    pub(super) start_ms: i64,
    pub(super) last_update_ms: i64,
    /// The last change was made under the second protocol (KIP-890), where each end of a transaction raises the epoch.
    pub(super) tv2: bool,
}

impl Transaction {
    /// An id that nobody has initialized yet.
    pub(super) fn new(producer_id: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_ID,
            next_producer_id: NO_ID,
            producer_epoch: NO_EPOCH,
            last_producer_epoch: NO_EPOCH,
            timeout_ms: 0,
            state: State::Empty,
            partitions: Partitions::new(),
            groups: BTreeSet::new(),
            start_ms: -1,
            last_update_ms: -1,
            tv2: false,
        }
    }

    /// No epoch is left to give to a client.
    pub(super) fn is_exhausted(&self) -> bool {
        is_exhausted(self.producer_epoch)
    }

    /// A timeout that has passed while partitions wait for a decision.
    pub(super) fn is_overdue(&self, now_ms: i64) -> bool {
        let deadline = self.start_ms.saturating_add(i64::from(self.timeout_ms));
        self.state == State::Ongoing && deadline < now_ms
    }

    /// Unused for `expiration_ms`, and nothing would be lost with it.
    pub(super) fn is_expired(&self, expiration_ms: i64, now_ms: i64) -> bool {
        let idle = self.state != State::Ongoing && !self.state.is_prepared();
        idle && self.last_update_ms.saturating_add(expiration_ms) <= now_ms
    }

    /// Whether `producer` may add to the transaction.
    pub(super) fn check(&self, producer: Producer) -> Result<(), ErrorCode> {
        if self.producer_id != producer.id {
            Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
        } else if self.producer_epoch != producer.epoch {
            Err(ErrorCode::PRODUCER_FENCED)
        } else if self.state.is_prepared() {
            Err(ErrorCode::CONCURRENT_TRANSACTIONS)
        } else {
            Ok(())
        }
    }

    /// Goes on, or begins a transaction.
    pub(super) fn begin(&mut self, tv2: bool, now_ms: i64) {
        if self.state != State::Ongoing {
            self.start_ms = now_ms;
        }
        self.state = State::Ongoing;
        self.tv2 = tv2;
        self.last_update_ms = now_ms;
    }

    /// The decision of the coordinator to abort, against the producer: its epoch is no longer valid.
    pub(super) fn fence(&mut self, now_ms: i64) {
        self.producer_epoch = self.producer_epoch.saturating_add(1);
        self.last_producer_epoch = NO_EPOCH;
        self.next_producer_id = NO_ID;
        self.state = State::PrepareAbort;
        self.last_update_ms = now_ms;
        // An end that the fenced producer sends now must not pass for a repeated one.
        self.tv2 = false;
    }

    /// All markers are written.
    pub(super) fn complete(&mut self, now_ms: i64) {
        self.state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            _ => State::CompleteAbort,
        };
        self.partitions.clear();
        self.groups.clear();
        self.last_update_ms = now_ms;
        if self.next_producer_id != NO_ID {
            self.previous_producer_id = self.producer_id;
            self.last_producer_epoch = self.producer_epoch;
            self.producer_id = self.next_producer_id;
            self.producer_epoch = 0;
            self.next_producer_id = NO_ID;
        }
    }

    /// The producer as it is once a prepared transaction is complete.
    pub(super) fn successor(&self) -> Producer {
        match self.next_producer_id {
            NO_ID => Producer { id: self.producer_id, epoch: self.producer_epoch },
            id => Producer { id, epoch: 0 },
        }
    }
}

/// No epoch follows this one for a client.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= LAST_EPOCH
}
