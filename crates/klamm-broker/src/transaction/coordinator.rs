//! Pure: the transaction coordinator. It decides; what has to be written comes out of [`Coordinator::poll_effect`].
//!
//! Whoever drives it takes out and carries out all effects, in order, after each call and before the answer leaves. When
//! one fails, the coordinator is ahead of its journal and must be thrown away and restored. A crash between two effects
//! loses nothing: a decision is in the journal before its first marker, and markers of an unfinished end are written
//! again after a restart.

use super::journal::{Entry, RestoreError};
use super::producer_ids::ProducerIds;
use super::state::{Partitions, Producer, State, Transaction};
use klamm_protocol::error_code::ErrorCode;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Transactional ids at a time; more get COORDINATOR_NOT_AVAILABLE until some expire.
const MAX_TRANSACTIONAL_IDS: usize = 100_000;

/// Bounds of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest timeout a producer may ask for; `transaction.max.timeout.ms`.
    pub(crate) max_timeout_ms: i32,
    /// An id unused for so long is forgotten; `transactional.id.expiration.ms`.
    pub(crate) expiration_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_timeout_ms: 900_000, expiration_ms: 604_800_000 }
    }
}

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Append to the journal, before anything that follows.
    Journal {
        /// What it is about.
        key: String,
        /// Its new state; `None` deletes it.
        value: Option<Vec<u8>>,
    },
    /// Write markers, then call [`Coordinator::handle_markers_written`].
    WriteMarkers(WriteMarkers),
}

/// The end of a transaction, to be written wherever it left something. Some of it may have been written before a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriteMarkers {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// Commit or abort.
    pub(crate) commit: bool,
    /// Partitions that get a marker. Those whose topic is gone need none.
    pub(crate) partitions: Partitions,
    /// Groups whose pending offsets become valid, or void.
    pub(crate) groups: BTreeSet<String>,
    /// How often a coordinator has started; markers of an earlier one are stale.
    pub(crate) coordinator_epoch: i32,
    /// The epoch is higher than that of the transaction's records (KIP-890).
    pub(crate) tv2: bool,
    /// What to hand back.
    pub(crate) token: u64,
}

/// Producer ids and the state of every transactional id.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(super) limits: Limits,
    pub(super) transactions: BTreeMap<String, Transaction>,
    producer_ids: ProducerIds,
    epoch: i32,
    effects: VecDeque<Effect>,
    /// Ids whose markers are being written, by token.
    writing: BTreeMap<u64, String>,
    next_token: u64,
}

impl Coordinator {
    /// One without a past; [`Coordinator::restore`] gives it one.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            transactions: BTreeMap::new(),
            producer_ids: ProducerIds::default(),
            epoch: 0,
            effects: VecDeque::new(),
            writing: BTreeMap::new(),
            next_token: 0,
        }
    }

    /// Takes in an entry of the journal, in the journal's order, before [`Coordinator::start`]. Entries that a later one
    /// of the same key has replaced may be left out.
    ///
    /// # Errors
    /// What no coordinator of this version wrote.
    pub(crate) fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), RestoreError> {
        match Entry::decode(key, value)? {
            Entry::ProducerIds(end) => self.producer_ids.restore(end),
            Entry::Epoch(epoch) => self.epoch = epoch,
            Entry::Transaction(id, Some(state)) => {
                self.transactions.insert(id, state);
            }
            Entry::Transaction(id, None) => {
                self.transactions.remove(&id);
            }
        }
        Ok(())
    }

    /// Begins to serve: transactions whose end was decided but not finished get their markers again.
    pub(crate) fn start(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.journal(Entry::Epoch(self.epoch));
        let prepared = self.transactions.iter().filter(|(_, state)| state.state.is_prepared());
        let ids: Vec<String> = prepared.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.write_markers(id);
        }
    }

    /// What to do next.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Everything that [`Effect::WriteMarkers`] with this token asked for has been written. Other tokens are ignored.
    pub(crate) fn handle_markers_written(&mut self, token: u64, now_ms: i64) {
        let Some(id) = self.writing.remove(&token) else { return };
        let Some(mut state) = self.transactions.get(&id).cloned() else { return };
        state.complete(now_ms);
        self.store(id, state);
    }

    /// Aborts transactions that took too long, and forgets ids that nobody uses.
    pub(crate) fn handle_tick(&mut self, now_ms: i64) {
        let (mut overdue, mut expired) = (Vec::new(), Vec::new());
        for (id, state) in &self.transactions {
            if state.is_overdue(now_ms) {
                overdue.push(id.clone());
            } else if state.is_expired(self.limits.expiration_ms, now_ms) {
                expired.push(id.clone());
            }
        }
        for id in overdue {
            self.fence(&id, now_ms);
        }
        for id in expired {
            self.transactions.remove(&id);
            self.journal(Entry::Transaction(id, None));
        }
    }

    /// Aborts the transaction of `id` against its producer.
    pub(super) fn fence(&mut self, id: &str, now_ms: i64) {
        if let Some(mut state) = self.transactions.get(id).cloned() {
            state.fence(now_ms);
            self.prepare(id, state);
        }
    }

    /// A decision: into the journal, then the markers.
    pub(super) fn prepare(&mut self, id: &str, state: Transaction) {
        self.store(id.to_owned(), state);
        self.write_markers(id.to_owned());
    }

    /// Remembers a state, here and in the journal.
    pub(super) fn store(&mut self, id: String, state: Transaction) {
        self.journal(Entry::Transaction(id.clone(), Some(state.clone())));
        self.transactions.insert(id, state);
    }

    /// An id that nobody had before.
    pub(super) fn take_producer_id(&mut self) -> Result<i64, ErrorCode> {
        let taken = self.producer_ids.take().ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        if let Some(end) = taken.reserve {
            self.journal(Entry::ProducerIds(end));
        }
        Ok(taken.id)
    }

    /// The state of `id`, which is not empty.
    pub(super) fn transaction(&self, id: &str) -> Result<&Transaction, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        self.transactions.get(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    }

    /// Whether another id may be taken in.
    pub(super) fn has_room(&self) -> bool {
        self.transactions.len() < MAX_TRANSACTIONAL_IDS
    }

    fn journal(&mut self, entry: Entry) {
        let (key, value) = entry.encode();
        self.effects.push_back(Effect::Journal { key, value });
    }

    fn write_markers(&mut self, id: String) {
        let Some(state) = self.transactions.get(&id) else { return };
        let token = self.next_token;
        self.effects.push_back(Effect::WriteMarkers(WriteMarkers {
            producer_id: state.producer_id,
            producer_epoch: state.producer_epoch,
            commit: state.state == State::PrepareCommit,
            partitions: state.partitions.clone(),
            groups: state.groups.clone(),
            coordinator_epoch: self.epoch,
            tv2: state.tv2,
            token,
        }));
        self.next_token += 1;
        self.writing.insert(token, id);
    }
}

/// Before they knew PRODUCER_FENCED, clients were told of a newer producer by INVALID_PRODUCER_EPOCH.
pub(super) fn for_version(code: ErrorCode, version: i16, first_with_fenced: i16) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED if version < first_with_fenced => {
            ErrorCode::INVALID_PRODUCER_EPOCH
        }
        code => code,
    }
}

/// What requests say of their producer.
pub(super) fn producer(id: i64, epoch: i16) -> Producer {
    Producer { id, epoch }
}
