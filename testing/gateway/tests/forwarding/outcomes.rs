//! Who waits for Kafka is told where its records are.

use crate::stage::{PATIENCE, Stage, record, until};
use klamm::ErrorCode;
use klamm_broker::Broker;
use klamm_gateway::forward::{NoOutcome, Outcome, UnloggedRefused};

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_come_in_the_order_of_the_records() {
    let settings = [("max.message.bytes".to_owned(), "3000".to_owned())];
    let mut stage = Stage::new(Broker::builder().topic_with("t", 2, settings)).await;
    let ticket = stage.forwarder.outcomes().ticket();
    let large = record("t", Some("k"), vec![b'x'; 5_000]);
    let records = vec![record("t", Some("k"), "1"), large, record("t", Some("k"), "2")];
    let receipt = stage.append(records).await;
    let outcomes = tokio::time::timeout(PATIENCE, ticket.of(receipt)).await.unwrap().unwrap();
    let place = |outcome: &Outcome| match outcome {
        Outcome::Delivered { partition, offset, timestamp } => (*partition, *offset, *timestamp),
        Outcome::DeadLetter { .. } => panic!("{outcome:?}"),
    };
    let (first, second) = (place(&outcomes[0]), place(&outcomes[2]));
    assert_eq!((first.1, second.1, second.2), (Some(0), Some(1), 1_700_000_000_000));
    assert_eq!(first.0, second.0);
    let refused = matches!(&outcomes[1], Outcome::DeadLetter { error, .. } if *error == ErrorCode::MESSAGE_TOO_LARGE);
    assert!(refused, "{:?}", outcomes[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_when_it_ends_is_told_so() {
    let mut stage = Stage::new(Broker::builder().topic("t", 1)).await;
    stage.controls().set_node_up(1, false).await.unwrap();
    let ticket = stage.forwarder.outcomes().ticket();
    let receipt = stage.append(vec![record("t", None, "1")]).await;
    let waits = tokio::spawn(ticket.of(receipt));
    stage.forwarder.close().await;
    assert_eq!(waits.await.unwrap(), Err(NoOutcome::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_a_log_are_sent_once_and_refused_when_there_are_too_many() {
    let stage = Stage::with(Broker::builder().topic("t", 3), |config| {
        config.unlogged_bytes = 10_000;
        config.attempt_timeout = std::time::Duration::from_secs(10);
    })
    .await;
    let some = || vec![record("t", Some("k"), vec![b'x'; 100]); 10];
    stage.forwarder.unlogged().send(some()).unwrap();
    until("they are there", || stage.state().unlogged_delivered == 10).await;
    stage.controls().set_node_up(1, false).await.unwrap();
    let mut taken = 0;
    let refused = loop {
        match stage.forwarder.unlogged().send(some()) {
            Ok(()) => taken += 10,
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused, taken), (UnloggedRefused::Full, 20));
    until("they are given up", || stage.state().unlogged_lost == 20).await;
    stage.controls().set_node_up(1, true).await.unwrap();
    stage.forwarder.unlogged().send(some()).unwrap();
    until("they are there", || stage.state().unlogged_delivered == 20).await;
    assert_eq!(stage.read("t").await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_which_nothing_waits_is_drained_at_once() {
    let mut stage = Stage::new(Broker::builder().topic("t", 1)).await;
    stage.drained().await;
    stage.append_some("t", 20, 3).await;
    stage.drained().await;
    let stage = stage.restart().await;
    stage.drained().await;
    stage.restart().await.drained().await;
}
