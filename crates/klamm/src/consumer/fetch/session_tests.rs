use super::session::{FetchSession, SessionRequest, Wanted, is_about_session, version_for};
use crate::consumer::TopicPartition;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::FetchResponse;
use klamm_protocol::message::fetch_response::{FetchableTopicResponse, PartitionData};
use klamm_protocol::primitives::{Str, Uuid};
use proptest::prelude::*;
use std::collections::BTreeMap;

const BY_NAME: i16 = 12;
const BY_ID: i16 = 17;

fn id(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

fn want(topic: &str, partition: i32, offset: i64, topic_id: u8) -> (TopicPartition, Wanted) {
    let wanted = Wanted { topic_id: id(topic_id), offset, leader_epoch: 1, max_bytes: 100 };
    (TopicPartition::new(topic, partition), wanted)
}

/// Topic by name or id, and partition.
type Key = (String, Uuid, i32);

/// What a broker keeps of its one session, written anew for these tests.
#[derive(Debug, Default)]
struct Model {
    id: i32,
    epoch: i32,
    wanted: BTreeMap<Key, i64>,
    last_id: i32,
}

impl Model {
    fn handle(&mut self, request: &SessionRequest) -> FetchResponse {
        let error = |code: ErrorCode| FetchResponse { error_code: code.0, ..Default::default() };
        let named = request.topics.iter().flat_map(|t| {
            t.partitions
                .iter()
                .map(|p| ((t.topic.to_string(), t.topic_id, p.partition), p.fetch_offset))
        });
        match request.session_epoch {
            0 | -1 => {
                self.wanted = named.collect();
                let keep = request.session_epoch == 0 && !self.wanted.is_empty();
                self.last_id += 1;
                (self.id, self.epoch) = (if keep { self.last_id } else { 0 }, 1);
                return self.answer(self.wanted.keys().cloned().collect());
            }
            _ if self.id == 0 || request.session_id != self.id => {
                return error(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
            }
            epoch if epoch != self.epoch => return error(ErrorCode::INVALID_FETCH_SESSION_EPOCH),
            _ => {}
        }
        self.epoch += 1;
        for forgotten in &request.forgotten {
            for partition in &forgotten.partitions {
                let key = (forgotten.topic.to_string(), forgotten.topic_id, *partition);
                assert!(
                    self.wanted.remove(&key).is_some(),
                    "forgets what was never wanted: {key:?}"
                );
            }
        }
        self.wanted.extend(named);
        // Every other partition has news.
        self.answer(self.wanted.keys().step_by(2).cloned().collect())
    }

    fn answer(&self, news: Vec<Key>) -> FetchResponse {
        let response = |(topic, topic_id, partition): Key| FetchableTopicResponse {
            topic: topic.as_str().into(),
            topic_id,
            partitions: vec![PartitionData { partition_index: partition, ..Default::default() }],
        };
        let responses = news.into_iter().map(response).collect();
        FetchResponse { session_id: self.id, responses, ..Default::default() }
    }

    fn keys(&self) -> Vec<(i32, i64)> {
        self.wanted.iter().map(|((_, _, partition), offset)| (*partition, *offset)).collect()
    }
}

#[test]
fn a_request_names_only_what_has_changed() {
    let (mut session, mut broker) = (FetchSession::default(), Model::default());
    let full =
        session.request(BY_ID, &[want("a", 0, 0, 1), want("b", 0, 5, 2), want("a", 1, 0, 1)]);
    assert_eq!((full.session_id, full.session_epoch, full.topics.len()), (0, 0, 2));
    assert_eq!(full.topics[0].partitions.len(), 2, "topics stay together");
    assert!(full.topics[0].topic.is_empty(), "by id only");
    assert_eq!(session.answered(broker.handle(&full)).unwrap().len(), 3);

    let next = session.request(BY_ID, &[want("a", 0, 9, 1), want("a", 1, 0, 1)]);
    assert_eq!((next.session_id, next.session_epoch), (1, 1));
    let changed: Vec<_> = next.topics.iter().flat_map(|t| &t.partitions).collect();
    assert_eq!((changed.len(), changed[0].partition, changed[0].fetch_offset), (1, 0, 9));
    assert_eq!((next.forgotten.len(), next.forgotten[0].topic_id), (1, id(2)));
    assert_eq!(session.answered(broker.handle(&next)).unwrap().len(), 1);

    let idle = session.request(BY_ID, &[want("a", 0, 9, 1), want("a", 1, 0, 1)]);
    assert_eq!((idle.session_epoch, idle.topics.len(), idle.forgotten.len()), (2, 0, 0));
}

#[test]
fn a_topic_made_anew_is_forgotten_by_its_old_id_and_wanted_by_its_new_one() {
    let (mut session, mut broker) = (FetchSession::default(), Model::default());
    let full = session.request(BY_ID, &[want("a", 0, 7, 1)]);
    session.answered(broker.handle(&full)).unwrap();
    let next = session.request(BY_ID, &[want("a", 0, 0, 2)]);
    assert_eq!((next.forgotten[0].topic_id, next.topics[0].topic_id), (id(1), id(2)));
    session.answered(broker.handle(&next)).unwrap();
    assert_eq!(broker.wanted.keys().next().unwrap().1, id(2));
}

#[test]
fn every_doubt_leads_to_a_request_that_names_everything() {
    let all = [want("a", 0, 0, 1), want("a", 1, 0, 1)];
    let begin = || {
        let (mut session, mut broker) = (FetchSession::default(), Model::default());
        let full = session.request(BY_ID, &all);
        session.answered(broker.handle(&full)).unwrap();
        (session, broker)
    };
    for (code, kept) in [
        (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0),
        (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 1),
        (ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR, 1),
        (ErrorCode::UNKNOWN_SERVER_ERROR, 1),
    ] {
        let (mut session, _) = begin();
        session.request(BY_ID, &all);
        let answer = FetchResponse { error_code: code.0, ..Default::default() };
        assert_eq!(session.answered(answer), Err(code));
        assert_eq!(is_about_session(code), code != ErrorCode::UNKNOWN_SERVER_ERROR);
        let next = session.request(BY_ID, &all);
        assert_eq!((next.session_id, next.session_epoch), (kept, 0), "{code:?}");
        assert_eq!(next.topics[0].partitions.len(), 2);
    }
    let (mut session, _) = begin();
    session.request(BY_ID, &all);
    session.failed();
    assert_eq!(session.request(BY_ID, &all).session_epoch, 0);
    let (mut session, _) = begin();
    assert_eq!(session.request(BY_NAME, &all).session_epoch, 0, "from ids to names");
    let (mut session, _) = begin();
    session.request(BY_ID, &all);
    let closed = FetchResponse { session_id: 0, ..Default::default() };
    session.answered(closed).unwrap();
    let next = session.request(BY_ID, &all);
    assert_eq!((next.session_id, next.session_epoch), (0, 0), "the broker has closed it");
}

#[test]
fn unexpected_and_repeated_partitions_are_left_out() {
    for version in [BY_NAME, BY_ID] {
        let mut session = FetchSession::default();
        session.request(version, &[want("a", 0, 0, 1)]);
        let partitions: Vec<_> = [0, 0, 3]
            .map(|partition_index| PartitionData { partition_index, ..Default::default() })
            .into();
        let named = |topic: &'static str, n| FetchableTopicResponse {
            topic: if version == BY_NAME { topic.into() } else { Str::default() },
            topic_id: if version == BY_NAME { Uuid::ZERO } else { id(n) },
            partitions: partitions.clone(),
        };
        let responses = vec![named("a", 1), named("b", 2)];
        let answer = FetchResponse { session_id: 5, responses, ..Default::default() };
        let taken = session.answered(answer).unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].0, TopicPartition::new("a", 0));
        assert_eq!(session.request(version, &[want("a", 0, 0, 1)]).session_epoch, 0);
    }
}

#[test]
fn old_brokers_have_no_sessions_and_topics_without_ids_are_named() {
    let mut session = FetchSession::default();
    let request = session.request(6, &[want("a", 0, 0, 1)]);
    assert_eq!((request.session_id, request.session_epoch), (0, -1));
    assert_eq!(version_for(17, &[want("a", 0, 0, 1), want("b", 0, 0, 0)]), 12);
    assert_eq!(version_for(17, &[want("a", 0, 0, 1)]), 17);
    assert_eq!(version_for(11, &[want("b", 0, 0, 0)]), 11);
}

#[test]
fn without_a_session_every_request_stands_for_itself() {
    let (mut session, mut broker) = (FetchSession::none(), Model::default());
    for (offset, partitions) in [(0, 2), (5, 1), (7, 2)] {
        let wanted: Vec<_> = (0..partitions).map(|p| want("a", p, offset, 1)).collect();
        let request = session.request(BY_ID, &wanted);
        assert_eq!((request.session_id, request.session_epoch), (0, -1));
        assert_eq!(request.topics[0].partitions.len(), wanted.len());
        assert!(request.forgotten.is_empty());
        // Even if the broker names one.
        let answer = FetchResponse { session_id: 9, ..broker.handle(&request) };
        assert_eq!(session.answered(answer).unwrap().len(), wanted.len());
    }
    assert!(session.end().is_none(), "there is nothing to end");
}

#[test]
fn the_end_is_said_once() {
    let (mut session, mut broker) = (FetchSession::default(), Model::default());
    assert_eq!(session.end(), None);
    let full = session.request(BY_ID, &[want("a", 0, 0, 1)]);
    session.answered(broker.handle(&full)).unwrap();
    let last = session.end().unwrap();
    assert_eq!((last.session_id, last.session_epoch), (1, -1));
    assert_eq!(session.end(), None);
}

#[derive(Debug, Clone)]
enum Fate {
    Answered,
    LostBefore,
    LostAfter,
    Evicted,
    Restarted,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::LostBefore),
        1 => Just(Fate::LostAfter),
        1 => Just(Fate::Evicted),
        1 => Just(Fate::Restarted),
    ]
}

proptest! {
    #[test]
    fn whenever_an_answer_comes_the_broker_wanted_what_the_reader_wants(
        rounds in proptest::collection::vec(
            (proptest::collection::btree_map((0..3u8, 0..3i32), 0..3i64, 0..7), fate(), any::<bool>()),
            1..30,
        ),
        generation in any::<bool>(),
    ) {
        let (mut session, mut broker) = (FetchSession::default(), Model::default());
        for (round, (wanted, fate, by_id)) in rounds.into_iter().enumerate() {
            // Now and then topics are made anew, under another id.
            let made = if generation && round > 10 { 10 } else { 1 };
            let wanted: Vec<_> = wanted
                .into_iter()
                .map(|((topic, partition), offset)| {
                    want(["a", "b", "c"][topic as usize], partition, offset, made + topic)
                })
                .collect();
            match fate {
                Fate::Evicted => broker.id = 0,
                Fate::Restarted => broker = Model { last_id: broker.last_id, ..Model::default() },
                _ => {}
            }
            let request = session.request(if by_id { BY_ID } else { BY_NAME }, &wanted);
            if matches!(fate, Fate::LostBefore) {
                session.failed();
                continue;
            }
            let answer = broker.handle(&request);
            if matches!(fate, Fate::LostAfter) {
                session.failed();
                continue;
            }
            let news = answer.responses.len();
            if let Ok(taken) = session.answered(answer) {
                prop_assert_eq!(taken.len(), news, "nothing is lost on the way");
                let mut ours: Vec<_> = wanted.iter().map(|(tp, w)| (tp.partition, w.offset)).collect();
                let mut theirs = broker.keys();
                ours.sort_unstable();
                theirs.sort_unstable();
                prop_assert_eq!(ours, theirs);
            } else {
                prop_assert!(matches!(fate, Fate::Evicted | Fate::Restarted));
            }
        }
    }
}
