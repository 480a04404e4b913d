//! Every fault over a real socket, with frames written by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use klamm_broker::{Action, Broker, RequestOutcome, Rule};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::header::{decode_response, encode_request};
use klamm_protocol::message::fetch_request::{FetchPartition, FetchTopic};
use klamm_protocol::message::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Records, Str};
use klamm_protocol::record_batch::{BatchHeader, RecordParts, encode_record, encoded_record_len};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

struct Client {
    stream: TcpStream,
    next: i32,
}

impl Client {
    async fn connect(broker: &Broker, node: usize) -> Self {
        Self { stream: TcpStream::connect(broker.addresses()[node - 1]).await.unwrap(), next: 0 }
    }

    async fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        self.next += 1;
        let frame = encode_request(request, version, self.next, "test-1").unwrap();
        self.stream.write_all(&frame.parts().concat()).await.unwrap();
        self.next
    }

    async fn receive<R: Request>(&mut self, version: i16) -> io::Result<(i32, R::Response)> {
        let size = usize::try_from(self.stream.read_i32().await?).unwrap();
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body).await?;
        Ok(decode_response::<R>(Bytes::from(body), version).unwrap())
    }

    async fn ask<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        let sent = self.send(request, version).await;
        let answered = tokio::time::timeout(LIMIT, self.receive::<R>(version)).await;
        let (correlation_id, response) = answered.expect("an answer in time")?;
        assert_eq!(correlation_id, sent);
        Ok(response)
    }

    /// What would come at once has come long before the time is over: a slow machine cannot fail this.
    async fn hears_nothing(&mut self) {
        let mut byte = [0];
        let heard = self.stream.peek(&mut byte);
        assert!(tokio::time::timeout(Duration::from_millis(20), heard).await.is_err());
    }

    /// What still comes until the connection ends.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(LIMIT, self.stream.read_to_end(&mut rest)).await;
        read.expect("the end in time").unwrap();
        rest
    }
}

fn batch(value: &str) -> Records {
    let header = BatchHeader { records_count: 1, ..BatchHeader::default() };
    let parts = RecordParts {
        offset_delta: 0,
        timestamp_delta: 0,
        key: None,
        value: Some(value.as_bytes()),
        headers: &[],
    };
    let mut body = vec![0; encoded_record_len(&parts)];
    encode_record(&mut body, &parts).unwrap();
    let body = Bytes::from(body);
    let mut header = header;
    let head = header.seal(std::slice::from_ref(&body));
    Bytes::from([&head[..], &body].concat()).into()
}

fn produce(acks: i16, partitions: &[i32]) -> ProduceRequest {
    let data = |&index: &i32| PartitionProduceData { index, records: Some(batch("hello")) };
    let topic = TopicProduceData {
        name: Str::from_static("t"),
        partition_data: partitions.iter().map(data).collect(),
        ..TopicProduceData::default()
    };
    ProduceRequest { acks, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
}

fn produced(response: &ProduceResponse) -> Vec<(i32, ErrorCode)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.map(|p| (p.index, ErrorCode(p.error_code))).collect()
}

fn fetch(partition: i32) -> FetchRequest {
    let partition =
        FetchPartition { partition, partition_max_bytes: 1_000_000, ..FetchPartition::default() };
    let topic = FetchTopic {
        topic: Str::from_static("t"),
        partitions: vec![partition],
        ..FetchTopic::default()
    };
    FetchRequest {
        max_bytes: 1_000_000,
        session_epoch: -1,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}

fn records(response: &FetchResponse) -> Bytes {
    let partitions = &response.responses[0].partitions;
    partitions[0].records.as_ref().map(Records::to_bytes).unwrap_or_default()
}

/// The end of partition 0, seen by a client of its own.
async fn end_offset(broker: &Broker) -> i64 {
    let partition = ListOffsetsPartition {
        partition_index: 0,
        timestamp: -1,
        ..ListOffsetsPartition::default()
    };
    let topic = ListOffsetsTopic { name: Str::from_static("t"), partitions: vec![partition] };
    let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
    let response = Client::connect(broker, 1).await.ask(&request, 4).await.unwrap();
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
    response.topics[0].partitions[0].offset
}

async fn broker() -> Broker {
    Broker::builder().topic("t", 2).start().await.unwrap()
}

fn add(broker: &Broker, rule: Rule) -> u64 {
    broker.controls().add_fault(rule).unwrap()
}

fn on_produce(action: Action) -> Rule {
    Rule::new(action).api(ApiKey::Produce).times(1)
}

const PRODUCE: i16 = 9;

#[tokio::test]
async fn errors_strike_the_partition_that_is_named_and_do_nothing_to_it() {
    let broker = broker().await;
    let error = Action::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    add(&broker, on_produce(error).topic("t").partition(0));
    let mut client = Client::connect(&broker, 1).await;
    let response = client.ask(&produce(-1, &[0, 1]), PRODUCE).await.unwrap();
    let expected = [(0, ErrorCode::NOT_LEADER_OR_FOLLOWER), (1, ErrorCode::NONE)];
    assert_eq!(produced(&response), expected);
    assert_eq!(end_offset(&broker).await, 0);
    let again = client.ask(&produce(-1, &[0]), PRODUCE).await.unwrap();
    assert_eq!(produced(&again), [(0, ErrorCode::NONE)]);
    assert_eq!(end_offset(&broker).await, 1);
    let rule = &broker.controls().faults()[0];
    assert_eq!((rule.matched, rule.struck), (2, 1));
}

#[tokio::test]
async fn errors_without_a_topic_strike_the_whole_request() {
    let broker = broker().await;
    add(&broker, on_produce(Action::Error(ErrorCode::CORRUPT_MESSAGE)));
    let mut client = Client::connect(&broker, 1).await;
    let response = client.ask(&produce(1, &[0, 1]), PRODUCE).await.unwrap();
    let code = ErrorCode::CORRUPT_MESSAGE;
    assert_eq!(produced(&response), [(0, code), (1, code)]);
    assert_eq!(end_offset(&broker).await, 0);
    // A client that wants no answer gets none, not even this one.
    add(&broker, on_produce(Action::Error(code)));
    client.send(&produce(0, &[0]), PRODUCE).await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn metadata_fails_for_one_topic() {
    let broker = Broker::builder().topic("t", 1).topic("u", 1).start().await.unwrap();
    let error = Action::Error(ErrorCode::LEADER_NOT_AVAILABLE);
    add(&broker, Rule::new(error).api(ApiKey::Metadata).topic("u").client_id("test-*"));
    let mut client = Client::connect(&broker, 1).await;
    let named = |name| MetadataRequestTopic { name: Some(name), ..Default::default() };
    let topics = vec![named(Str::from_static("t")), named(Str::from_static("u"))];
    for topics in [Some(topics), None] {
        let request = MetadataRequest { topics, ..MetadataRequest::default() };
        let response = client.ask(&request, 9).await.unwrap();
        let codes: Vec<_> = response.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, ErrorCode::LEADER_NOT_AVAILABLE.0]);
    }
}

#[tokio::test]
async fn disconnects_come_before_or_after_the_deed() {
    for (action, appended) in [(Action::Disconnect, 0), (Action::ApplyThenDisconnect, 1)] {
        let broker = broker().await;
        add(&broker, on_produce(action));
        let mut client = Client::connect(&broker, 1).await;
        client.send(&produce(-1, &[0]), PRODUCE).await;
        assert_eq!(client.rest().await, b"");
        assert_eq!(end_offset(&broker).await, appended);
        let log = broker.controls().requests(|entry| entry.api == ApiKey::Produce);
        assert_eq!((log[0].outcome, log[0].faults.len()), (RequestOutcome::Disconnected, 1));
        assert_eq!((&log[0].topics[..], &log[0].client_id[..]), (&["t".to_owned()][..], "test-1"));
    }
}

#[tokio::test]
async fn errors_may_follow_the_deed() {
    let broker = broker().await;
    let code = ErrorCode::REQUEST_TIMED_OUT;
    add(&broker, on_produce(Action::ApplyThenError(code)));
    let mut client = Client::connect(&broker, 1).await;
    let response = client.ask(&produce(-1, &[0]), PRODUCE).await.unwrap();
    assert_eq!(produced(&response), [(0, code)]);
    assert_eq!(end_offset(&broker).await, 1);
    let log = broker.controls().requests(|entry| entry.api == ApiKey::Produce);
    assert_eq!(log[0].outcome, RequestOutcome::Answered(code));
}

#[tokio::test]
async fn answers_are_cut() {
    let broker = broker().await;
    let mut client = Client::connect(&broker, 1).await;
    client.send(&produce(-1, &[0]), PRODUCE).await;
    let mut whole = vec![0; 64];
    let len = client.stream.read(&mut whole).await.unwrap();
    for bytes in [0, 1, 4, 9] {
        add(&broker, on_produce(Action::CutAfterBytes(bytes)));
        let mut client = Client::connect(&broker, 1).await;
        client.send(&produce(-1, &[0]), PRODUCE).await;
        let bytes = usize::try_from(bytes).unwrap();
        assert!(bytes < len);
        assert_eq!(client.rest().await, whole[..bytes]);
    }
    assert_eq!(end_offset(&broker).await, 5);
}

#[tokio::test]
async fn answers_are_held_until_released_in_order() {
    let broker = broker().await;
    let rule = add(&broker, on_produce(Action::Hold));
    let mut client = Client::connect(&broker, 1).await;
    client.send(&produce(-1, &[0]), PRODUCE).await;
    client.send(&produce(-1, &[1]), PRODUCE).await;
    // The second is done and waits for the first, which was applied, too.
    let controls = broker.controls();
    let done = |entry: &klamm_broker::RequestEntry| {
        entry.correlation_id == 2 && entry.outcome == RequestOutcome::Answered(ErrorCode::NONE)
    };
    assert!(controls.wait_for_request(done, LIMIT).await.is_some());
    let held = controls.requests(|entry| entry.correlation_id == 1);
    assert_eq!((held[0].outcome, &held[0].faults[..]), (RequestOutcome::Pending, &[rule][..]));
    assert_eq!(end_offset(&broker).await, 1);
    client.hears_nothing().await;
    assert!(controls.release_fault(rule));
    for expected in [1, 2] {
        let received = client.receive::<ProduceRequest>(PRODUCE);
        let (correlation_id, _) = tokio::time::timeout(LIMIT, received).await.unwrap().unwrap();
        assert_eq!(correlation_id, expected);
    }
}

#[tokio::test]
async fn delays_are_of_the_brokers_clock_and_silence_is_for_good() {
    let broker = broker().await;
    add(&broker, on_produce(Action::DelayMs(3_600_000)));
    let mut client = Client::connect(&broker, 1).await;
    client.send(&produce(-1, &[0]), PRODUCE).await;
    let pending = |entry: &klamm_broker::RequestEntry| entry.api == ApiKey::Produce;
    assert!(broker.controls().wait_for_request(pending, LIMIT).await.is_some());
    assert_eq!(end_offset(&broker).await, 1);
    broker.controls().advance_clock(Duration::from_secs(3600));
    let received = client.receive::<ProduceRequest>(PRODUCE);
    tokio::time::timeout(LIMIT, received).await.unwrap().unwrap();

    add(&broker, on_produce(Action::NoAnswer));
    client.send(&produce(-1, &[0]), PRODUCE).await;
    client.send(&produce(-1, &[1]), PRODUCE).await;
    let done = |entry: &klamm_broker::RequestEntry| {
        entry.correlation_id == 3 && entry.outcome == RequestOutcome::Answered(ErrorCode::NONE)
    };
    assert!(broker.controls().wait_for_request(done, LIMIT).await.is_some());
    client.hears_nothing().await;
    assert_eq!(end_offset(&broker).await, 1);
    drop(client);
    let gone = |entry: &klamm_broker::RequestEntry| entry.outcome == RequestOutcome::Abandoned;
    assert!(broker.controls().wait_for_request(gone, LIMIT).await.is_some());
}

#[tokio::test]
async fn fetched_records_are_corrupt_once_there_are_some() {
    let broker = broker().await;
    add(&broker, Rule::new(Action::Corrupt).topic("t").partition(0).times(1));
    let mut client = Client::connect(&broker, 1).await;
    // Nothing to corrupt yet, so the rule is not used up.
    assert!(records(&client.ask(&fetch(0), 11).await.unwrap()).is_empty());
    client.ask(&produce(-1, &[0]), PRODUCE).await.unwrap();
    let corrupt = records(&client.ask(&fetch(0), 11).await.unwrap());
    let sound = records(&client.ask(&fetch(0), 11).await.unwrap());
    assert_eq!(corrupt.len(), sound.len());
    let wrong: Vec<_> = (0..sound.len()).filter(|&at| corrupt[at] != sound[at]).collect();
    assert_eq!(wrong, [61]);
}

#[tokio::test]
async fn every_kind_of_answer_throttles() {
    let broker = broker().await;
    add(&broker, Rule::new(Action::ThrottleMs(77)));
    let mut client = Client::connect(&broker, 1).await;
    let produced = client.ask(&produce(-1, &[0]), PRODUCE).await.unwrap();
    let fetched = client.ask(&fetch(0), 11).await.unwrap();
    let metadata = client.ask(&MetadataRequest::default(), 9).await.unwrap();
    let versions = client.ask(&ApiVersionsRequest::default(), 2).await.unwrap();
    assert_eq!(
        [
            produced.throttle_time_ms,
            fetched.throttle_time_ms,
            metadata.throttle_time_ms,
            versions.throttle_time_ms
        ],
        [77; 4]
    );
    // Version 0 has no such field.
    client.ask(&ApiVersionsRequest::default(), 0).await.unwrap();
}

#[tokio::test]
async fn rules_see_the_partitions_of_a_fetch_session() {
    let broker = broker().await;
    let mut client = Client::connect(&broker, 1).await;
    let open = FetchRequest { session_epoch: 0, ..fetch(0) };
    let session_id = client.ask(&open, 11).await.unwrap().session_id;
    assert_ne!(session_id, 0);
    let error = Action::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    add(&broker, Rule::new(error).topic("t").partition(0).times(1));
    let next = FetchRequest { session_id, session_epoch: 1, topics: vec![], ..fetch(0) };
    let response = client.ask(&next, 11).await.unwrap();
    let code = response.responses[0].partitions[0].error_code;
    assert_eq!(ErrorCode(code), ErrorCode::NOT_LEADER_OR_FOLLOWER);
}

#[tokio::test]
async fn nodes_go_down_and_come_back_and_leaders_move() {
    let broker = Broker::builder().nodes(2).topic("t", 2).start().await.unwrap();
    let controls = broker.controls();
    assert_eq!(controls.leader("t", 1).unwrap(), (2, 0));
    let mut client = Client::connect(&broker, 2).await;
    client.ask(&ApiVersionsRequest::default(), 0).await.unwrap();
    controls.set_node_up(2, false).await.unwrap();
    assert_eq!(client.rest().await, b"");
    assert!(TcpStream::connect(broker.addresses()[1]).await.is_err());
    let leader = controls.leader("t", 1).unwrap();
    let mut other = Client::connect(&broker, 1).await;
    let metadata = other.ask(&MetadataRequest::default(), 9).await.unwrap();
    assert_eq!(metadata.brokers.len(), 1);
    controls.set_node_up(2, true).await.unwrap();
    let mut client = Client::connect(&broker, 2).await;
    client.ask(&ApiVersionsRequest::default(), 0).await.unwrap();
    assert_eq!(controls.move_leader("t", 1, 1).unwrap(), leader.1 + 1);
    assert_eq!(controls.bump_leader_epoch("t", 1).unwrap(), leader.1 + 2);
    let refused = client.ask(&produce(-1, &[1]), PRODUCE).await.unwrap();
    assert_eq!(produced(&refused), [(1, ErrorCode::NOT_LEADER_OR_FOLLOWER)]);
    controls.disconnect(2).await.unwrap();
    assert_eq!(client.rest().await, b"");
    Client::connect(&broker, 2).await.ask(&ApiVersionsRequest::default(), 0).await.unwrap();
    for node in [0, 3, -1, i32::MIN] {
        assert!(controls.set_node_up(node, true).await.is_err());
    }
    assert!(controls.move_leader("u", 0, 1).is_err());
    assert!(controls.move_leader("t", 2, 1).is_err());
}
