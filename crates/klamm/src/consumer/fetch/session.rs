//! Pure: the reader's side of a fetch session with one broker (KIP-227).
//!
//! The broker remembers what is wanted, so that a request names only what has changed and an answer only
//! what has news. A number and an epoch that counts requests keep the two sides in step; whenever that is
//! in doubt, the next request names everything again.

use crate::consumer::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::FetchResponse;
use klamm_protocol::message::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use klamm_protocol::message::fetch_response::PartitionData;
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Stands for no session.
const NO_SESSION: i32 = 0;
/// The epoch of a request that names everything and opens a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that ends its session.
const FINAL_EPOCH: i32 = -1;
/// From here on topics go by their id.
const FIRST_VERSION_BY_ID: i16 = 13;
/// From here on there are sessions.
const FIRST_VERSION_WITH_SESSIONS: i16 = 7;

/// What is wanted of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Zero if it is not known.
    pub(crate) topic_id: Uuid,
    pub(crate) offset: i64,
    /// Epoch of the leader as this reader knows it; -1 if it does not.
    pub(crate) leader_epoch: i32,
    pub(crate) max_bytes: i32,
}

/// What a request says of its session and of partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SessionRequest {
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    pub(crate) topics: Vec<FetchTopic>,
    pub(crate) forgotten: Vec<ForgottenTopic>,
}

/// The session with one broker. Has one request unanswered at most.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    /// Every request stands for itself.
    none: bool,
    id: i32,
    /// That of the next request.
    epoch: i32,
    by_id: bool,
    /// What the broker knows to be wanted once it has the last request.
    held: BTreeMap<Arc<str>, BTreeMap<i32, Wanted>>,
    names: BTreeMap<Uuid, Arc<str>>,
    /// Whether the last request named everything.
    asked_in_full: bool,
}

/// The newest version that can say what is wanted: a topic without an id can only be named.
pub(crate) fn version_for(negotiated: i16, wanted: &[(TopicPartition, Wanted)]) -> i16 {
    let all_have_ids = wanted.iter().all(|(_, wanted)| wanted.topic_id != Uuid::ZERO);
    if all_have_ids { negotiated } else { negotiated.min(FIRST_VERSION_BY_ID - 1) }
}

impl FetchSession {
    /// For requests that stand for themselves: the broker remembers nothing of them.
    pub(crate) fn none() -> Self {
        Self { none: true, ..Self::default() }
    }

    /// The next request for exactly these partitions, in this order as far as topics stay together.
    pub(crate) fn request(
        &mut self,
        version: i16,
        wanted: &[(TopicPartition, Wanted)],
    ) -> SessionRequest {
        let by_id = version >= FIRST_VERSION_BY_ID;
        if by_id != self.by_id {
            // A session cannot change between names and ids.
            (self.by_id, self.epoch) = (by_id, INITIAL_EPOCH);
        }
        self.asked_in_full = self.epoch == INITIAL_EPOCH;
        let before = std::mem::take(&mut self.held);
        let before = if self.asked_in_full { BTreeMap::new() } else { before };
        let mut out =
            SessionRequest { session_id: self.id, session_epoch: self.epoch, ..Default::default() };
        if self.none || version < FIRST_VERSION_WITH_SESSIONS {
            (out.session_id, out.session_epoch) = (NO_SESSION, FINAL_EPOCH);
        }
        let mut places = BTreeMap::new();
        self.names.clear();
        for (tp, now) in wanted {
            self.names.insert(now.topic_id, Arc::clone(&tp.topic));
            let held = self.held.entry(Arc::clone(&tp.topic)).or_default();
            held.insert(tp.partition, *now);
            let known = before.get(&tp.topic).and_then(|topic| topic.get(&tp.partition));
            if known != Some(now) {
                let place = *places.entry((&tp.topic, now.topic_id)).or_insert(out.topics.len());
                if place == out.topics.len() {
                    out.topics.push(topic(by_id, &tp.topic, now.topic_id));
                }
                out.topics[place].partitions.push(partition(tp.partition, now));
            }
        }
        out.forgotten = self.forgotten(by_id, &before);
        out
    }

    /// What the broker is to forget: what is not wanted any more, and what has the name of another topic
    /// by now.
    fn forgotten(
        &self,
        by_id: bool,
        before: &BTreeMap<Arc<str>, BTreeMap<i32, Wanted>>,
    ) -> Vec<ForgottenTopic> {
        let mut gone: BTreeMap<(&Arc<str>, Uuid), Vec<i32>> = BTreeMap::new();
        for (name, partitions) in before {
            for (partition, old) in partitions {
                let now = self.held.get(name).and_then(|topic| topic.get(partition));
                if now.is_none_or(|now| by_id && now.topic_id != old.topic_id) {
                    gone.entry((name, old.topic_id)).or_default().push(*partition);
                }
            }
        }
        let forgotten = gone.into_iter().map(|((name, id), partitions)| {
            let FetchTopic { topic, topic_id, .. } = topic(by_id, name, id);
            ForgottenTopic { topic, topic_id, partitions }
        });
        forgotten.collect()
    }

    /// Reads the answer to the last request. Partitions that were not asked for, or come twice, are left
    /// out.
    ///
    /// # Errors
    /// The error of the whole answer; the next request names everything, and may go out at once when the
    /// session was the reason ([`is_about_session`]).
    pub(crate) fn answered(
        &mut self,
        answer: FetchResponse,
    ) -> Result<Vec<(TopicPartition, PartitionData)>, ErrorCode> {
        let error = ErrorCode(answer.error_code);
        if !error.is_ok() {
            if error == ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
                self.id = NO_SESSION;
            }
            self.epoch = INITIAL_EPOCH;
            return Err(error);
        }
        let answered = answer.session_id;
        let (partitions, in_step) = self.expected(answer);
        self.go_on(answered, in_step);
        Ok(partitions)
    }

    /// The epoch after an answer with this session.
    fn go_on(&mut self, answered: i32, in_step: bool) {
        let opened = self.asked_in_full;
        let same = opened || answered == self.id;
        if self.none || answered == NO_SESSION {
            (self.id, self.epoch) = (NO_SESSION, INITIAL_EPOCH);
        } else if !in_step || !same {
            self.epoch = INITIAL_EPOCH;
        } else if opened {
            (self.id, self.epoch) = (answered, 1);
        } else {
            self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        }
    }

    /// The partitions of an answer that were asked for, and whether these are all that should be in it.
    fn expected(&self, answer: FetchResponse) -> (Vec<(TopicPartition, PartitionData)>, bool) {
        let (mut out, mut seen, mut in_step) = (Vec::new(), BTreeSet::new(), true);
        for topic in answer.responses {
            let name = if self.by_id {
                self.names.get(&topic.topic_id)
            } else {
                self.held.get_key_value(topic.topic.as_str()).map(|(name, _)| name)
            };
            let held = name.and_then(|name| Some((name, self.held.get(name)?)));
            for data in topic.partitions {
                let index = data.partition_index;
                match held {
                    Some((name, held)) if held.contains_key(&index) => {
                        let tp = TopicPartition { topic: Arc::clone(name), partition: index };
                        if seen.insert(tp.clone()) {
                            out.push((tp, data));
                            continue;
                        }
                    }
                    _ => {}
                }
                in_step = false;
            }
        }
        let count: usize = self.held.values().map(BTreeMap::len).sum();
        let complete = !self.asked_in_full || out.len() == count;
        (out, in_step && complete)
    }

    /// The last request had no answer that could be read: whether the broker has it is not known.
    pub(crate) fn failed(&mut self) {
        self.epoch = INITIAL_EPOCH;
    }

    /// A last request that makes the broker forget the session, if it has one.
    pub(crate) fn end(&mut self) -> Option<SessionRequest> {
        let session_id = std::mem::replace(&mut self.id, NO_SESSION);
        (self.epoch, self.held) = (INITIAL_EPOCH, BTreeMap::new());
        let session_epoch = FINAL_EPOCH;
        let request = SessionRequest { session_id, session_epoch, ..Default::default() };
        (session_id != NO_SESSION).then_some(request)
    }
}

/// Whether an error of a whole answer only says that the session is not what the request took it for.
pub(crate) fn is_about_session(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
    )
}

fn topic(by_id: bool, name: &str, id: Uuid) -> FetchTopic {
    let topic = if by_id { Str::default() } else { name.into() };
    let topic_id = if by_id { id } else { Uuid::ZERO };
    FetchTopic { topic, topic_id, partitions: Vec::new() }
}

fn partition(partition: i32, wanted: &Wanted) -> FetchPartition {
    FetchPartition {
        partition,
        current_leader_epoch: wanted.leader_epoch,
        fetch_offset: wanted.offset,
        partition_max_bytes: wanted.max_bytes,
        // The epoch of the last record that was read is not sent, as in Kafka's own consumer. A log is cut
        // only under a new leader epoch; the one above fences the request then, and the position is
        // validated. With it, a leader that knows nothing of the epoch, because retention took it or it never
        // wrote it down, answers OFFSET_OUT_OF_RANGE, which would move a sound position by the policy.
        last_fetched_epoch: -1,
        ..FetchPartition::default()
    }
}
