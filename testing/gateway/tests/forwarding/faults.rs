//! One fault each, and everything arrives all the same.

use crate::stage::{Stage, record, until};
use klamm_broker::{Action, ApiKey, Broker, ErrorCode, Rule};
use std::time::{Duration, Instant};

fn produce(action: Action) -> Rule {
    Rule::new(action).api(ApiKey::Produce)
}

fn three_topics() -> klamm_broker::Builder {
    Broker::builder().topic("a", 1).topic("b", 4).topic("c", 12)
}

async fn append_to_all(stage: &mut Stage, count: usize) {
    for topic in ["a", "b", "c"] {
        stage.append_some(topic, count, 7).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_as_it_was_accepted() {
    let mut stage = Stage::new(three_topics()).await;
    append_to_all(&mut stage, 500).await;
    let mut special = record("b", None, "");
    (special.partition, special.value, special.timestamp) = (Some(3), None, 1);
    stage.append(vec![special]).await;
    stage.ends_well().await;
    let state = stage.state();
    assert_eq!((state.delivered, state.in_flight, state.retried), (1_501, 0, 0), "{state:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_does_not_exist_is_made() {
    let mut stage = Stage::new(Broker::builder()).await;
    stage.append_some("new", 300, 5).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_a_leader_holds_up_nobody_else() {
    let mut stage = Stage::new(three_topics()).await;
    let away = Action::Error(ErrorCode::LEADER_NOT_AVAILABLE);
    stage.controls().add_fault(produce(away).topic("a").partition(0)).unwrap();
    for _ in 0..5 {
        append_to_all(&mut stage, 200).await;
    }
    until("all others are there", || stage.state().delivered == 2_000).await;
    stage.nothing_is_released_early("a").await;
    // Long enough for attempts to end: the records are on their way again from the log, and still nowhere.
    until("an attempt ends", || stage.state().retried > 0).await;
    until("it is named", || stage.state().stuck.contains(&("a".into(), Some(0)))).await;
    stage.controls().clear_faults();
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_get_lost_leave_no_gap_and_no_disorder() {
    let mut stage = Stage::new(three_topics()).await;
    let mut rule = produce(Action::ApplyThenDisconnect);
    rule.every = Some(3);
    rule.times = Some(20);
    stage.controls().add_fault(rule).unwrap();
    for _ in 0..10 {
        append_to_all(&mut stage, 100).await;
    }
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_never_come_end_the_attempt_and_not_the_record() {
    let mut stage = Stage::new(three_topics()).await;
    stage.controls().add_fault(produce(Action::NoAnswer).times(3)).unwrap();
    append_to_all(&mut stage, 200).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_for_longer_than_any_attempt_gets_everything_when_it_is_back() {
    let mut stage = Stage::new(three_topics()).await;
    append_to_all(&mut stage, 50).await;
    // Before it knows the topics there are no attempts that could end, only a connection that is waited for.
    until("the first are there", || stage.state().delivered == 150).await;
    stage.controls().set_node_up(1, false).await.unwrap();
    append_to_all(&mut stage, 400).await;
    until("attempts end", || stage.state().retried > 0).await;
    append_to_all(&mut stage, 100).await;
    stage.controls().set_node_up(1, true).await.unwrap();
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_at_the_start_is_waited_for() {
    let broker = three_topics().start().await.unwrap();
    let address = broker.address();
    broker.stop().await.unwrap();
    let mut stage = Stage::with(Broker::builder(), |config| {
        config.client = config.client.clone().bootstrap_servers(address.to_string());
    })
    .await;
    append_to_all(&mut stage, 100).await;
    until("it says why", || !stage.state().last_errors.is_empty()).await;
    assert!(!stage.state().connected);
    stage.broker = three_topics().listen(address).start().await.unwrap();
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_move_lose_nothing() {
    let mut stage = Stage::new(three_topics().nodes(3)).await;
    for round in 0..15_i32 {
        append_to_all(&mut stage, 60).await;
        for partition in 0..4 {
            stage.controls().move_leader("b", partition, 1 + (round + partition) % 3).unwrap();
        }
        stage.controls().move_leader("a", 0, 1 + round % 3).unwrap();
    }
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_arrive_damaged_are_sent_again() {
    let mut stage = Stage::new(three_topics()).await;
    let damaged = produce(Action::Error(ErrorCode::CORRUPT_MESSAGE)).times(10);
    stage.controls().add_fault(damaged).unwrap();
    append_to_all(&mut stage, 300).await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_batch_is_tried_record_by_record_and_nothing_passes_it() {
    let mut stage = Stage::new(three_topics()).await;
    // One partition, for which a request has one batch: three refusals are at most three letters.
    let refused =
        produce(Action::Error(ErrorCode::INVALID_RECORD)).topic("a").partition(0).times(3);
    // What is in flight when the broker goes is what is sent in one batch when it is back.
    append_to_all(&mut stage, 10).await;
    until("the first are there", || stage.state().delivered == 30).await;
    stage.controls().set_node_up(1, false).await.unwrap();
    append_to_all(&mut stage, 300).await;
    stage.controls().add_fault(refused).unwrap();
    stage.controls().set_node_up(1, true).await.unwrap();
    stage.drained().await;
    let letters: u64 = stage.state().dead_letters.values().sum();
    let retried = stage.state().retried;
    assert!(letters <= 3 && retried > 10, "{letters} letters, {retried} again");
    let mut elsewhere = std::collections::BTreeSet::new();
    for letter in stage.read("a.dlq").await {
        let id = letter.header("klamm-id").unwrap();
        elsewhere.insert(id.rsplit('/').next().unwrap().parse().unwrap());
    }
    assert_eq!(elsewhere.len() as u64, letters);
    stage.check(&elsewhere).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_for_a_while_is_there_in_the_end_in_order() {
    let mut stage = Stage::new(three_topics()).await;
    let denied = produce(Action::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED)).topic("b");
    append_to_all(&mut stage, 20).await;
    stage.controls().add_fault(denied).unwrap();
    append_to_all(&mut stage, 300).await;
    until("it is refused", || stage.state().retried > 0).await;
    append_to_all(&mut stage, 100).await;
    stage.nothing_is_released_early("b").await;
    stage.controls().clear_faults();
    stage.ends_well().await;
    assert!(stage.state().dead_letters.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_is_of_no_use_any_more_is_replaced() {
    let mut stage = Stage::new(three_topics()).await;
    append_to_all(&mut stage, 20).await;
    stage.drained().await;
    let fenced = Action::Error(ErrorCode::PRODUCER_FENCED);
    stage.controls().add_fault(produce(fenced).times(2)).unwrap();
    append_to_all(&mut stage, 200).await;
    stage.ends_well().await;
    assert!(stage.state().rebuilt > 0, "{:#?}", stage.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_has_goes_on_after_a_restart() {
    let mut stage = Stage::new(three_topics()).await;
    append_to_all(&mut stage, 100).await;
    stage.controls().set_node_up(1, false).await.unwrap();
    append_to_all(&mut stage, 100).await;
    let stage = stage.restart().await;
    stage.controls().set_node_up(1, true).await.unwrap();
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_much_smaller_than_the_backlog_is_enough() {
    let mut stage = Stage::with(three_topics(), |config| {
        (config.window_bytes, config.window_records) = (20_000, 2_000);
    })
    .await;
    let away = Action::Error(ErrorCode::LEADER_NOT_AVAILABLE);
    stage.controls().add_fault(produce(away).topic("b").partition(1)).unwrap();
    for _ in 0..5 {
        append_to_all(&mut stage, 100).await;
    }
    until("an attempt ends", || stage.state().retried > 0).await;
    stage.nothing_is_released_early("b").await;
    stage.controls().clear_faults();
    stage.ends_well().await;
}

/// Operators are promised to be told within ten seconds; a busy machine gets some more.
const TOLD_WITHIN: Duration = Duration::from_secs(10 + 5);

async fn is_told(stage: &Stage, connected: bool, what: &str) {
    let began = Instant::now();
    until(what, || stage.state().connected == connected).await;
    assert!(began.elapsed() < TOLD_WITHIN, "{what}: only after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_kafka_is_there_is_known_without_traffic() {
    let stage = Stage::new(three_topics()).await;
    is_told(&stage, true, "it is there at first").await;
    stage.controls().set_node_up(1, false).await.unwrap();
    is_told(&stage, false, "it is gone").await;
    let why = || stage.state().last_errors.pop().unwrap().1;
    assert!(why().starts_with("Kafka is not reached: "), "{}", why());
    stage.controls().set_node_up(1, true).await.unwrap();
    is_told(&stage, true, "it is back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_takes_connections_and_answers_nothing_is_not_there() {
    let stage = Stage::new(three_topics()).await;
    is_told(&stage, true, "it is there at first").await;
    stage.controls().add_fault(Rule::new(Action::NoAnswer)).unwrap();
    is_told(&stage, false, "it answers nothing").await;
    let (_, why) = stage.state().last_errors.pop().unwrap();
    assert!(why.starts_with("Kafka is not reached: ") && why.contains("no answer"), "{why}");
    stage.controls().clear_faults();
    is_told(&stage, true, "it answers again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_kafka_is_there_is_known_with_traffic() {
    let mut stage = Stage::new(three_topics()).await;
    append_to_all(&mut stage, 50).await;
    is_told(&stage, true, "it is there at first").await;
    stage.controls().set_node_up(1, false).await.unwrap();
    append_to_all(&mut stage, 50).await;
    is_told(&stage, false, "it is gone").await;
    append_to_all(&mut stage, 50).await;
    stage.controls().set_node_up(1, true).await.unwrap();
    is_told(&stage, true, "it is back").await;
    stage.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_takes_records_is_there_whatever_else_it_answers() {
    let mut stage = Stage::new(three_topics()).await;
    append_to_all(&mut stage, 50).await;
    until("topics are known", || stage.state().delivered == 150).await;
    stage.controls().add_fault(Rule::new(Action::NoAnswer).api(ApiKey::Metadata)).unwrap();
    let began = Instant::now();
    while began.elapsed() < TOLD_WITHIN {
        append_to_all(&mut stage, 5).await;
        assert!(stage.state().connected);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stage.controls().clear_faults();
    stage.ends_well().await;
}
