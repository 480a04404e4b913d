//! Pure: fetch sessions (KIP-227), so that a client of many partitions need not name them all in every request.
//!
//! A session remembers what is wanted, and what was last said of each partition; an answer within a session leaves out
//! partitions that have nothing new. Its number and an epoch that counts requests tie the two sides together.

use super::{TopicKey, Wanted};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::FetchRequest;
use klamm_protocol::message::fetch_response::PartitionData;
use std::collections::{BTreeMap, BTreeSet};

/// The epoch of a request outside of any session, or of one that ends its session.
const FINAL_EPOCH: i32 = -1;
/// The epoch of a request that opens a session.
const INITIAL_EPOCH: i32 = 0;
/// The number that stands for no session.
const NO_SESSION: i32 = 0;

/// Sessions at a time; `max.incremental.fetch.session.cache.slots` in Kafka.
const MAX_SESSIONS: usize = 1000;
/// Partitions that all sessions together may remember.
const MAX_PARTITIONS: usize = 200_000;
/// A session unused for so long may make room for another; `min.incremental.fetch.session.eviction.ms` in Kafka.
const EVICT_AFTER_MS: i64 = 120_000;

/// How a fetch goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Outside of a session, or the first of one: every partition is in the answer.
    Full {
        /// 0 outside of a session.
        session_id: i32,
        wanted: Vec<Wanted>,
    },
    /// In a session: partitions with nothing new are left out.
    Incremental { session_id: i32, wanted: Vec<Wanted> },
    /// The session is unknown or out of step; the client starts anew.
    Refused(ErrorCode),
}

#[derive(Debug)]
struct Entry {
    wanted: Wanted,
    /// Its place in the round: what was answered goes to the end, so that no partition starves.
    turn: u64,
    said: Option<Said>,
}

/// What a client was last told of a partition, apart from records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said {
    high_watermark: i64,
    log_start_offset: i64,
}

#[derive(Debug)]
struct Session {
    next_epoch: i32,
    by_id: bool,
    entries: BTreeMap<(TopicKey, i32), Entry>,
    next_turn: u64,
    used_ms: i64,
}

/// All sessions of a node.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    sessions: BTreeMap<i32, Session>,
    last_id: i32,
}

impl FetchSessions {
    /// Reads what a request wants, and moves its session on.
    pub(crate) fn begin(&mut self, now_ms: i64, version: i16, request: &FetchRequest) -> Begun {
        let (id, epoch) = (request.session_id, request.session_epoch);
        if epoch == FINAL_EPOCH || epoch == INITIAL_EPOCH {
            self.sessions.remove(&id);
            let wanted = Wanted::of(request);
            let opens = epoch == INITIAL_EPOCH;
            let session_id = if opens { self.open(now_ms, version, &wanted) } else { NO_SESSION };
            return Begun::Full { session_id, wanted };
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return Begun::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        };
        if session.next_epoch != epoch {
            return Begun::Refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.by_id != (version >= 13) {
            return Begun::Refused(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.next_epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.used_ms = now_ms;
        session.update(request);
        Begun::Incremental { session_id: id, wanted: session.in_turn() }
    }

    /// The partitions that a request is about: those it names, and those its session remembers.
    pub(crate) fn wanted(&self, request: &FetchRequest) -> Vec<(TopicKey, i32)> {
        let named = Wanted::of(request).into_iter().map(|wanted| (wanted.topic, wanted.partition));
        let mut wanted: BTreeSet<_> = named.collect();
        let in_session = !matches!(request.session_epoch, FINAL_EPOCH | INITIAL_EPOCH);
        if let Some(session) = self.sessions.get(&request.session_id).filter(|_| in_session) {
            let forgotten: BTreeSet<_> = TopicKey::forgotten(request).collect();
            wanted.extend(session.entries.keys().filter(|key| !forgotten.contains(*key)).cloned());
        }
        wanted.into_iter().collect()
    }

    /// How many sessions there are, and how many partitions they remember.
    pub(crate) fn count(&self) -> (usize, usize) {
        let partitions = self.sessions.values().map(|session| session.entries.len());
        (self.sessions.len(), partitions.sum())
    }

    /// A session for these partitions; 0 when there is no room for one.
    fn open(&mut self, now_ms: i64, version: i16, wanted: &[Wanted]) -> i32 {
        if wanted.is_empty() || !self.make_room(now_ms, wanted.len()) {
            return NO_SESSION;
        }
        self.last_id = if self.last_id == i32::MAX { 1 } else { self.last_id + 1 };
        let mut session = Session {
            next_epoch: 1,
            by_id: version >= 13,
            entries: BTreeMap::new(),
            next_turn: 0,
            used_ms: now_ms,
        };
        wanted.iter().for_each(|wanted| session.want(wanted));
        self.sessions.insert(self.last_id, session);
        self.last_id
    }

    fn make_room(&mut self, now_ms: i64, partitions: usize) -> bool {
        let held: usize = self.sessions.values().map(|session| session.entries.len()).sum();
        if self.sessions.len() < MAX_SESSIONS && held + partitions <= MAX_PARTITIONS {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used_ms);
        let Some((&id, session)) = oldest else { return false };
        if now_ms - session.used_ms < EVICT_AFTER_MS {
            return false;
        }
        self.sessions.remove(&id);
        held + partitions <= MAX_PARTITIONS
    }

    /// Notes what an answer says; with `incremental`, keeps only the partitions that have something to say.
    pub(crate) fn answer(
        &mut self,
        session_id: i32,
        incremental: bool,
        answers: &mut Vec<(TopicKey, PartitionData)>,
    ) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        answers.retain(|(topic, data)| session.says(topic, data) || !incremental);
    }
}

impl Session {
    fn update(&mut self, request: &FetchRequest) {
        for (topic, partition) in TopicKey::forgotten(request) {
            self.entries.remove(&(topic, partition));
        }
        Wanted::of(request).iter().for_each(|wanted| self.want(wanted));
    }

    fn want(&mut self, wanted: &Wanted) {
        let topic = wanted.topic.detach();
        let key = (topic.clone(), wanted.partition);
        let wanted = Wanted { topic, ..wanted.clone() };
        let room = self.entries.len() < MAX_PARTITIONS;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.wanted = wanted;
        } else if room {
            self.entries.insert(key, Entry { wanted, turn: self.next_turn, said: None });
            self.next_turn += 1;
        }
    }

    fn in_turn(&self) -> Vec<Wanted> {
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_by_key(|entry| entry.turn);
        entries.into_iter().map(|entry| entry.wanted.clone()).collect()
    }

    /// Whether an answer has something the client does not know; notes it.
    fn says(&mut self, topic: &TopicKey, data: &PartitionData) -> bool {
        let Some(entry) = self.entries.get_mut(&(topic.clone(), data.partition_index)) else {
            return true;
        };
        let said =
            Said { high_watermark: data.high_watermark, log_start_offset: data.log_start_offset };
        let records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let failed = data.error_code != 0;
        let news = records
            || failed
            || entry.said != Some(said)
            || data.preferred_read_replica != -1
            || data.diverging_epoch.epoch >= 0;
        // An error is said again until it is over.
        entry.said = (!failed).then_some(said);
        if records {
            entry.turn = self.next_turn;
            self.next_turn += 1;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use klamm_protocol::message::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
    use klamm_protocol::primitives::{Records, Str, Uuid};

    fn request(id: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
        let partitions = partitions
            .iter()
            .map(|&partition| FetchPartition { partition, ..FetchPartition::default() });
        let topic = FetchTopic {
            topic: Str::from_static("t"),
            partitions: partitions.collect(),
            ..FetchTopic::default()
        };
        FetchRequest {
            session_id: id,
            session_epoch: epoch,
            topics: vec![topic],
            ..FetchRequest::default()
        }
    }

    fn key() -> TopicKey {
        TopicKey { id: Uuid::ZERO, name: Str::from_static("t") }
    }

    fn data(
        partition: i32,
        high_watermark: i64,
        records: &'static [u8],
    ) -> (TopicKey, PartitionData) {
        let data = PartitionData {
            partition_index: partition,
            high_watermark,
            records: Some(Records::from_parts([Bytes::from_static(records)])),
            ..PartitionData::default()
        };
        (key(), data)
    }

    fn partitions(wanted: &[Wanted]) -> Vec<i32> {
        wanted.iter().map(|wanted| wanted.partition).collect()
    }

    fn indexes(answers: &[(TopicKey, PartitionData)]) -> Vec<i32> {
        answers.iter().map(|(_, data)| data.partition_index).collect()
    }

    #[test]
    fn a_session_answers_only_what_is_new() {
        let mut sessions = FetchSessions::default();
        let Begun::Full { session_id, wanted } = sessions.begin(0, 12, &request(0, 0, &[0, 1, 2]))
        else {
            panic!("a first fetch is full")
        };
        assert_eq!((session_id, partitions(&wanted)), (1, vec![0, 1, 2]));
        let mut answers = vec![data(0, 5, b"x"), data(1, 0, b""), data(2, 0, b"")];
        sessions.answer(1, false, &mut answers);
        assert_eq!(indexes(&answers), [0, 1, 2], "the first answer names all");

        let Begun::Incremental { wanted, .. } = sessions.begin(0, 12, &request(1, 1, &[])) else {
            panic!("in a session")
        };
        assert_eq!(partitions(&wanted), [1, 2, 0], "what was answered waits for the others");
        let mut answers = vec![data(1, 0, b""), data(2, 1, b""), data(0, 5, b"")];
        sessions.answer(1, true, &mut answers);
        assert_eq!(indexes(&answers), [2], "a new high watermark is news");
    }

    #[test]
    fn errors_are_said_until_they_are_over() {
        let mut sessions = FetchSessions::default();
        sessions.begin(0, 12, &request(0, 0, &[0]));
        let said = |error_code: i16, sessions: &mut FetchSessions| {
            let mut answers = vec![data(0, 0, b"")];
            answers[0].1.error_code = error_code;
            sessions.answer(1, true, &mut answers);
            !answers.is_empty()
        };
        let all: Vec<bool> = [0, 0, 6, 6, 0, 0].map(|code| said(code, &mut sessions)).into();
        assert_eq!(all, [true, false, true, true, true, false]);
    }

    #[test]
    fn requests_out_of_step_are_refused() {
        let mut sessions = FetchSessions::default();
        sessions.begin(0, 12, &request(0, 0, &[0]));
        let refused = [
            (12, request(9, 1, &[]), ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
            (12, request(1, 2, &[]), ErrorCode::INVALID_FETCH_SESSION_EPOCH),
            (13, request(1, 1, &[]), ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR),
        ];
        for (version, request, code) in refused {
            assert_eq!(sessions.begin(0, version, &request), Begun::Refused(code));
        }
        sessions.begin(0, 12, &request(1, FINAL_EPOCH, &[]));
        let gone = sessions.begin(0, 12, &request(1, 1, &[]));
        assert_eq!(gone, Begun::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    }

    #[test]
    fn partitions_come_and_go() {
        let mut sessions = FetchSessions::default();
        sessions.begin(0, 12, &request(0, 0, &[0, 1]));
        let mut more = request(1, 1, &[7]);
        let forgotten = ForgottenTopic {
            topic: Str::from_static("t"),
            partitions: vec![0],
            ..Default::default()
        };
        more.forgotten_topics_data.push(forgotten);
        let Begun::Incremental { wanted, .. } = sessions.begin(0, 12, &more) else {
            panic!("in a session")
        };
        assert_eq!(partitions(&wanted), [1, 7]);
    }

    #[test]
    fn only_sessions_long_unused_make_room() {
        let mut sessions = FetchSessions::default();
        for n in 0..MAX_SESSIONS {
            sessions.begin(i64::try_from(n).unwrap(), 12, &request(0, 0, &[0]));
        }
        let opened = |begun| matches!(begun, Begun::Full { session_id, .. } if session_id != 0);
        assert!(!opened(sessions.begin(EVICT_AFTER_MS - 1, 12, &request(0, 0, &[0]))));
        assert!(opened(sessions.begin(EVICT_AFTER_MS, 12, &request(0, 0, &[0]))));
        assert_eq!(sessions.sessions.len(), MAX_SESSIONS);
    }
}
