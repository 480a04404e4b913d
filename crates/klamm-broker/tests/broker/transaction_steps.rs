//! The end of a transaction, stopped after each of its steps, and what the next start makes of it.

use crate::batch::{in_transaction, records};
use crate::peer::{Peer, fetch, produce, start};
use crate::restart::{Scratch, copy};
use klamm_broker::{Action, Broker, Builder, Durability, Rule};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use klamm_protocol::message::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use klamm_protocol::message::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::path::Path;

const ID: Str = Str::from_static("id");
const GROUP: Str = Str::from_static("group");
const TOPIC: Str = Str::from_static("t");
/// What the coordinator is told while it may not go on.
const STOPPED: ErrorCode = ErrorCode::COORDINATOR_NOT_AVAILABLE;

fn builder(dir: &Path) -> Builder {
    Broker::builder().data(dir).durability(Durability::Os).topic("t", 2)
}

/// Stops the end of a transaction before it reaches a partition, or with `after` behind it.
fn stop(topic: &str, partition: Option<i32>, after: bool) -> Rule {
    let action = if after { Action::ApplyThenError(STOPPED) } else { Action::Error(STOPPED) };
    let rule = Rule::new(action).api(ApiKey::WriteTxnMarkers).topic(topic);
    let rule = rule.client_id("transaction-coordinator");
    partition.map_or(rule.clone(), |partition| rule.partition(partition))
}

/// One transaction of either protocol.
struct Transaction {
    peer: Peer,
    producer: (i64, i16),
    second: bool,
}

impl Transaction {
    async fn begin(broker: &Broker, second: bool) -> Self {
        let mut peer = Peer::connect(broker.address()).await;
        let init = InitProducerIdRequest {
            transactional_id: Some(ID),
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        let given = peer.call(4, &init).await;
        assert_eq!(given.error_code, 0);
        Self { peer, producer: (given.producer_id, given.producer_epoch), second }
    }

    /// Writes a record to both partitions, and an offset to the group.
    async fn write(&mut self) {
        let (producer_id, producer_epoch) = self.producer;
        if !self.second {
            let topics = vec![AddPartitionsToTxnTopic { name: TOPIC, partitions: vec![0, 1] }];
            let request = AddPartitionsToTxnRequest {
                v3_and_below_transactional_id: ID,
                v3_and_below_producer_id: producer_id,
                v3_and_below_producer_epoch: producer_epoch,
                v3_and_below_topics: topics,
                ..AddPartitionsToTxnRequest::default()
            };
            let added = self.peer.call(3, &request).await;
            assert!(added.results_by_topic_v3_and_below[0].results_by_partition.len() == 2);
            let transactional_id = ID;
            let request = AddOffsetsToTxnRequest {
                transactional_id,
                producer_id,
                producer_epoch,
                group_id: GROUP,
            };
            assert_eq!(self.peer.call(3, &request).await.error_code, 0);
        }
        for partition in [0, 1] {
            let mut request = produce(partition, in_transaction(self.producer, "x"), -1);
            request.transactional_id = Some(ID);
            let version = if self.second { 12 } else { 11 };
            let written = self.peer.call(version, &request).await;
            assert_eq!(written.responses[0].partition_responses[0].error_code, 0);
        }
        self.commit_offset().await;
    }

    async fn commit_offset(&mut self) {
        let partition = TxnOffsetCommitRequestPartition {
            committed_offset: 7,
            committed_leader_epoch: -1,
            ..TxnOffsetCommitRequestPartition::default()
        };
        let topic = TxnOffsetCommitRequestTopic {
            name: TOPIC,
            partitions: vec![partition],
            ..TxnOffsetCommitRequestTopic::default()
        };
        let request = TxnOffsetCommitRequest {
            transactional_id: ID,
            group_id: GROUP,
            producer_id: self.producer.0,
            producer_epoch: self.producer.1,
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..TxnOffsetCommitRequest::default()
        };
        let version = if self.second { 5 } else { 4 };
        let committed = self.peer.call(version, &request).await;
        assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    }

    async fn end(&mut self, committed: bool) -> ErrorCode {
        let request = EndTxnRequest {
            transactional_id: ID,
            producer_id: self.producer.0,
            producer_epoch: self.producer.1,
            committed,
        };
        let version = if self.second { 5 } else { 4 };
        ErrorCode(self.peer.call(version, &request).await.error_code)
    }
}

/// What a reader of committed records finds in each partition: how many, and how much is undecided.
async fn committed(peer: &mut Peer) -> [(usize, i64); 2] {
    let mut found = [(0, 0); 2];
    for (partition, found) in (0..).zip(&mut found) {
        let response = peer.call(11, &fetch(partition, 0, 0)).await;
        let high_watermark = response.responses[0].partitions[0].high_watermark;
        let request = FetchRequest { isolation_level: 1, ..fetch(partition, 0, 0) };
        let response = peer.call(11, &request).await;
        let data = &response.responses[0].partitions[0];
        let read = data.records.as_ref().map(|records| records.to_bytes().to_vec());
        let aborted = data.aborted_transactions.as_ref().map_or(0, Vec::len);
        let read = records(read.unwrap_or_default()).len() - aborted;
        *found = (read, high_watermark - data.last_stable_offset);
    }
    found
}

/// The offset of the group; an error while it is undecided.
async fn offset(peer: &mut Peer) -> Result<i64, ErrorCode> {
    let topics = vec![OffsetFetchRequestTopics {
        name: TOPIC,
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    }];
    let group = OffsetFetchRequestGroup {
        group_id: GROUP,
        member_epoch: -1,
        topics: Some(topics),
        ..OffsetFetchRequestGroup::default()
    };
    let groups = vec![group];
    let request = OffsetFetchRequest { groups, require_stable: true, ..Default::default() };
    let response = peer.call(8, &request).await;
    let found = &response.groups[0].topics[0].partitions[0];
    match ErrorCode(found.error_code) {
        ErrorCode::NONE => Ok(found.committed_offset),
        code => Err(code),
    }
}

/// What a reader sees while a rule stands, and after it is gone.
struct Step {
    rule: Option<Rule>,
    /// Undecided records of each partition.
    undecided: [bool; 2],
    /// Whether the offset is undecided.
    pending: bool,
}

fn steps() -> Vec<Step> {
    let offsets = "__consumer_offsets";
    let step = |rule, undecided, pending| Step { rule, undecided, pending };
    vec![
        step(Some(stop("t", Some(0), false)), [true, true], true),
        step(Some(stop("t", Some(0), true)), [false, true], true),
        step(Some(stop("t", Some(1), false)), [false, true], true),
        step(Some(stop("t", Some(1), true)), [false, false], true),
        step(Some(stop(offsets, None, false)), [false, false], true),
        step(Some(stop(offsets, None, true)), [false, false], false),
        step(None, [false, false], false),
    ]
}

async fn stopped_and_started_again(step: Step, second: bool, commit: bool) {
    let (scratch, crashed) = (Scratch::new("step"), Scratch::new("step-crashed"));
    let broker = start(builder(&scratch.0)).await;
    let mut transaction = Transaction::begin(&broker, second).await;
    transaction.write().await;
    let stopped = step.rule.is_some();
    step.rule.map(|rule| broker.controls().add_fault(rule).unwrap());
    let code = transaction.end(commit).await;
    assert_eq!(code, if stopped { STOPPED } else { ErrorCode::NONE });
    let now = committed(&mut transaction.peer).await;
    assert_eq!(now.map(|(_, undecided)| undecided > 0), step.undecided);
    assert_eq!(offset(&mut transaction.peer).await.is_err(), step.pending);
    copy(&scratch.0, &crashed.0);
    // The same broker goes on where it was stopped.
    broker.controls().clear_faults();
    assert_eq!(transaction.end(commit).await, ErrorCode::NONE);
    settled(&mut transaction.peer, commit).await;
    drop(broker);
    // And so does the next one.
    let broker = start(builder(&crashed.0)).await;
    let mut next = Transaction::begin(&broker, second).await;
    settled(&mut next.peer, commit).await;
    next.write().await;
    assert_eq!(next.end(false).await, ErrorCode::NONE);
    settled(&mut next.peer, commit).await;
}

/// Everything is decided, and as the producer wanted it.
async fn settled(peer: &mut Peer, commit: bool) {
    let visible = usize::from(commit);
    assert_eq!(committed(peer).await, [(visible, 0), (visible, 0)]);
    assert_eq!(offset(peer).await, Ok(if commit { 7 } else { -1 }));
}

#[tokio::test]
async fn a_decision_is_carried_out_from_wherever_it_was_stopped() {
    for second in [false, true] {
        for commit in [false, true] {
            for step in steps() {
                stopped_and_started_again(step, second, commit).await;
            }
        }
    }
}
