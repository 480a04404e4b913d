//! Answers, lost answers and refusals: what a record's delivery says, and what is in the log.

use crate::mock::{Cluster, Reaction, bounded, until};
use klamm::{Delivery, DeliveryError, ErrorCode, ErrorKind, Producer, Record};
use std::time::{Duration, Instant};

/// Records that each become a batch of their own.
const ONE_EACH: (&str, &str) = ("linger.ms", "0");

async fn enqueue(producer: &Producer, value: &str) -> Delivery {
    bounded(producer.enqueue(Record::to("t").partition(0).value(value))).await.unwrap()
}

/// Batch after batch, each begun when the one before was seen by the broker.
async fn one_by_one(cluster: &Cluster, producer: &Producer, values: &[&str]) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for value in values {
        let before = cluster.seen_count();
        deliveries.push(enqueue(producer, value).await);
        until("the batch arrives", || cluster.seen_count() > before).await;
    }
    deliveries
}

async fn confirmed(settings: &[(&str, &str)]) -> (Cluster, klamm::Client, Producer) {
    let cluster = Cluster::start(1, 1).await;
    let (client, producer) = cluster.producer(settings).await;
    let first = bounded(producer.send(Record::to("t").partition(0).value("first"))).await.unwrap();
    assert_eq!(first.offset(), Some(0));
    (cluster, client, producer)
}

#[tokio::test]
async fn lost_ack_is_resent_byte_for_byte_and_delivered_once() {
    for lost in [
        Reaction::disconnect().after_append(),
        Reaction::error(ErrorCode::REQUEST_TIMED_OUT).after_append(),
        Reaction::error(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND).after_append(),
    ] {
        let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
        cluster.script([lost]);
        let delivered = bounded(enqueue(&producer, "x").await).await.unwrap();
        assert_eq!(delivered.offset(), Some(1));
        assert_eq!(cluster.values(0), ["first", "x"]);
        let seen = cluster.seen();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[1].batches[0].bytes, seen[2].batches[0].bytes);
    }
}

#[tokio::test]
async fn lost_acks_of_a_full_pipeline_leave_no_duplicate_and_keep_the_order() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    let lost = Reaction::disconnect().after_append();
    cluster.script([Reaction::ok().held(), Reaction::ok().held(), lost.held()]);
    let deliveries = one_by_one(&cluster, &producer, &["a", "b", "c", "d", "e"]).await;
    cluster.release();
    for (i, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(bounded(delivery).await.unwrap().offset(), Some(i as i64 + 1));
    }
    assert_eq!(cluster.values(0), ["first", "a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn duplicate_sequence_number_is_delivered_without_offset() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    let code = ErrorCode::DUPLICATE_SEQUENCE_NUMBER;
    cluster.script([Reaction::error(code).after_append()]);
    let delivered = bounded(enqueue(&producer, "x").await).await.unwrap();
    assert_eq!((delivered.offset(), delivered.partition()), (None, 0));
    assert_eq!(cluster.values(0), ["first", "x"]);
}

#[tokio::test]
async fn refusal_is_told_with_its_code_and_the_rest_goes_on() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    cluster.script([Reaction::error(ErrorCode::TOPIC_AUTHORIZATION_FAILED)]);
    let error = bounded(enqueue(&producer, "no").await).await.unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().contains("TOPIC_AUTHORIZATION_FAILED"), "{error}");
    assert!(error.to_string().contains("t-0"), "{error}");
    bounded(enqueue(&producer, "yes").await).await.unwrap();
    assert_eq!(cluster.values(0), ["first", "yes"]);
}

#[tokio::test]
async fn refused_batch_in_the_middle_of_a_pipeline_takes_nobody_with_it() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    let refused = Reaction::error(ErrorCode::INVALID_RECORD);
    cluster.script([Reaction::ok().held(), refused, Reaction::ok()]);
    let mut deliveries = one_by_one(&cluster, &producer, &["a", "b", "c", "d", "e"]).await;
    cluster.release();
    let error = bounded(deliveries.remove(1)).await.unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    for delivery in deliveries {
        bounded(delivery).await.unwrap();
    }
    assert_eq!(cluster.values(0), ["first", "a", "c", "d", "e"]);
}

#[tokio::test]
async fn out_of_order_at_the_head_begins_a_new_epoch_at_sequence_zero() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    cluster.script([Reaction::error(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)]);
    bounded(enqueue(&producer, "x").await).await.unwrap();
    let headers = cluster.headers(0);
    assert_eq!((headers[0].producer_epoch, headers[0].base_sequence), (0, 0));
    assert_eq!((headers[1].producer_epoch, headers[1].base_sequence), (1, 0));
    assert_eq!(cluster.values(0), ["first", "x"]);
}

#[tokio::test]
async fn unknown_producer_id_after_retention_is_no_loss() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    cluster.forget_producers();
    cluster.script([Reaction::error(ErrorCode::UNKNOWN_PRODUCER_ID)]);
    bounded(enqueue(&producer, "x").await).await.unwrap();
    assert_eq!(cluster.values(0), ["first", "x"]);
    assert_eq!(cluster.headers(0)[1].base_sequence, 0);
}

#[tokio::test]
async fn first_failure_of_a_pipeline_does_not_reorder_it() {
    for code in [ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode::NOT_ENOUGH_REPLICAS] {
        let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
        cluster.script([Reaction::error(code).held()]);
        let deliveries = one_by_one(&cluster, &producer, &["a", "b", "c"]).await;
        cluster.release();
        for delivery in deliveries {
            bounded(delivery).await.unwrap();
        }
        assert_eq!(cluster.values(0), ["first", "a", "b", "c"]);
    }
}

#[tokio::test]
async fn retries_are_limited_and_the_last_cause_is_told() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH, ("retries", "2")]).await;
    cluster.script(vec![Reaction::error(ErrorCode::NOT_ENOUGH_REPLICAS); 3]);
    let error = bounded(enqueue(&producer, "x").await).await.unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    assert!(error.to_string().contains("NOT_ENOUGH_REPLICAS"), "{error}");
    assert_eq!(cluster.seen_count(), 4);
    bounded(enqueue(&producer, "y").await).await.unwrap();
    assert_eq!(cluster.values(0), ["first", "y"]);
}

#[tokio::test]
async fn delivery_timeout_of_what_was_sent_is_unknown() {
    let (cluster, _client, producer) =
        confirmed(&[ONE_EACH, ("delivery.timeout.ms", "500"), ("request.timeout.ms", "400")]).await;
    cluster.script([Reaction::silence()]);
    let began = Instant::now();
    let sent = enqueue(&producer, "x").await;
    // The retry after the request timeout meets silence too.
    cluster.script(vec![Reaction::silence(); 5]);
    let error = bounded(sent).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unknown(_)), "{error}");
    assert!(error.to_string().contains("delivery.timeout.ms"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn delivery_timeout_of_what_was_never_sent_is_not_delivered() {
    let (cluster, _client, producer) =
        confirmed(&[ONE_EACH, ("delivery.timeout.ms", "700"), ("max.in.flight", "1")]).await;
    cluster.script([Reaction::ok().held()]);
    let sent = one_by_one(&cluster, &producer, &["sent"]).await.remove(0);
    let waits = enqueue(&producer, "waits").await;
    let error = bounded(waits).await.unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    let error = bounded(sent).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unknown(_)), "{error}");
    // What was called unknown may arrive, what was called not delivered must not.
    cluster.release();
    bounded(enqueue(&producer, "later").await).await.unwrap();
    assert_eq!(cluster.values(0), ["first", "sent", "later"]);
}

#[tokio::test]
async fn response_that_leaves_a_partition_out_is_asked_again() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    cluster.script([Reaction::leave_out(0)]);
    let delivered = bounded(enqueue(&producer, "x").await).await.unwrap();
    assert_eq!(delivered.offset(), Some(1));
    assert_eq!(cluster.values(0), ["first", "x"]);
}

#[tokio::test]
async fn throttle_time_is_obeyed() {
    let (cluster, _client, producer) = confirmed(&[ONE_EACH]).await;
    cluster.script([Reaction::ok().throttle(600)]);
    bounded(enqueue(&producer, "x").await).await.unwrap();
    bounded(enqueue(&producer, "y").await).await.unwrap();
    let seen = cluster.seen();
    let gap = seen[2].at - seen[1].at;
    assert!(gap >= Duration::from_millis(590), "{gap:?}");
    assert!(gap < Duration::from_secs(3), "{gap:?}");
}

#[tokio::test]
async fn refused_producer_id_is_told_at_once() {
    let cluster = Cluster::start(1, 1).await;
    cluster.refuse_producer_ids(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    let (_client, producer) = cluster.producer(&[]).await;
    let began = Instant::now();
    let error = bounded(enqueue(&producer, "x").await).await.unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(error.to_string().contains("CLUSTER_AUTHORIZATION_FAILED"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(cluster.seen_count(), 0);
}
