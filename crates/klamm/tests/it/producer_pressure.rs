//! More than the brokers take: bounded memory, waiting in turn, ends in time, cancelled calls.

use crate::mock::{Cluster, Reaction, bounded, until};
use klamm::{Delivery, DeliveryError, EnqueueError, ErrorKind, Producer, Record, SendError};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const SMALL_BUFFER: (&str, &str) = ("buffer.memory", "4194304");
const VALUE_BYTES: usize = 1000;

fn record(n: usize) -> Record<'static> {
    let mut value = n.to_string().into_bytes();
    value.resize(VALUE_BYTES, b' ');
    Record::to("t").partition(0).value(value)
}

fn numbers(cluster: &Cluster) -> Vec<usize> {
    cluster.values(0).iter().map(|v| v.trim_end().parse().unwrap()).collect()
}

/// A broker that answers nothing before it is released, and a buffer filled to the brim.
async fn stalled() -> (Cluster, klamm::Client, Producer, Vec<Delivery>) {
    let cluster = Cluster::start(1, 1).await;
    let settings = [SMALL_BUFFER, ("max.block.ms", "60000")];
    let (client, producer) = cluster.producer(&settings).await;
    bounded(producer.partitions_for("t")).await.unwrap();
    cluster.script(vec![Reaction::ok().held(); 100]);
    let mut deliveries = Vec::new();
    loop {
        match producer.try_enqueue(record(deliveries.len())) {
            Ok(delivery) => deliveries.push(delivery),
            Err(refused) => {
                assert!(refused.is_full(), "{refused}");
                let back = refused.into_record();
                assert_eq!(back, record(deliveries.len()), "the record comes back as it was");
                break;
            }
        }
    }
    (cluster, client, producer, deliveries)
}

#[tokio::test]
async fn stalled_broker_bounds_memory_and_loses_nothing_afterwards() {
    let (cluster, _client, producer, mut deliveries) = stalled().await;
    let full = deliveries.len();
    assert!((3500..=4200).contains(&full), "{full} KB in a buffer of 4 MiB");
    assert!(producer.buffered_bytes() <= 4 << 20);
    let mut waiting = tokio::task::JoinSet::new();
    for n in full..full + 20 {
        let producer = producer.clone();
        waiting.spawn(async move { producer.send(record(n)).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(waiting.try_join_next().is_none(), "admitted over the budget");
    assert!(producer.try_enqueue(record(0)).is_err_and(|e| e.is_full()));
    cluster.release();
    for delivery in deliveries.drain(..) {
        bounded(delivery).await.unwrap();
    }
    while let Some(sent) = bounded(waiting.join_next()).await {
        sent.unwrap().unwrap();
    }
    let mut accepted = numbers(&cluster);
    let mut waited = accepted.split_off(full);
    assert_eq!(accepted, (0..full).collect::<Vec<_>>(), "in the order in which they were accepted");
    // Memory is handed out in turn; which of the tasks that got theirs goes on first is the runtime's choice.
    waited.sort_unstable();
    assert_eq!(waited, (full..full + 20).collect::<Vec<_>>(), "each once");
    until("the memory is free", || producer.buffered_bytes() == 0).await;
}

#[tokio::test]
async fn full_buffer_is_an_error_after_max_block() {
    let cluster = Cluster::start(1, 1).await;
    let settings = [("buffer.memory", "65536"), ("max.block.ms", "300")];
    let (_client, producer) = cluster.producer(&settings).await;
    cluster.script(vec![Reaction::ok().held(); 100]);
    let mut kept = Vec::new();
    let began = Instant::now();
    let error = loop {
        match bounded(producer.enqueue(record(kept.len()))).await {
            Ok(delivery) => kept.push(delivery),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EnqueueError::Full), "{error}");
    assert!(began.elapsed() >= Duration::from_millis(290));
    cluster.release();
    for delivery in kept {
        bounded(delivery).await.unwrap();
    }
}

#[tokio::test]
async fn close_against_a_stalled_broker_ends_in_time_with_an_outcome_for_all() {
    let (_cluster, _client, producer, deliveries) = stalled().await;
    let other = producer.clone();
    let began = Instant::now();
    assert!(!bounded(producer.close(Duration::from_millis(300))).await);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let (mut unknown, mut not_delivered) = (0, 0);
    for delivery in deliveries {
        match bounded(delivery).await.unwrap_err() {
            error if error.kind() != ErrorKind::Closed => panic!("{error}"),
            DeliveryError::Unknown(_) => unknown += 1,
            DeliveryError::NotDelivered(_) => not_delivered += 1,
        }
    }
    assert!(unknown > 0 && not_delivered > 0, "{unknown} unknown, {not_delivered} not delivered");
    let error = bounded(other.enqueue(record(0))).await.unwrap_err();
    assert!(matches!(error, EnqueueError::Closed), "{error}");
}

#[tokio::test]
async fn close_wakes_whoever_waits_for_memory() {
    let (_cluster, _client, producer, _deliveries) = stalled().await;
    let waiter = producer.clone();
    let waiting = tokio::spawn(async move { waiter.enqueue(record(0)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    bounded(producer.close(Duration::from_millis(50))).await;
    let error = bounded(waiting).await.unwrap().unwrap_err();
    assert!(matches!(error, EnqueueError::Closed), "{error}");
}

#[tokio::test]
async fn close_waits_for_what_was_accepted() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[("linger.ms", "60000")]).await;
    let mut deliveries = Vec::new();
    for n in 0..1000 {
        deliveries.push(bounded(producer.enqueue(record(n))).await.unwrap());
    }
    assert!(bounded(producer.close(Duration::from_secs(15))).await);
    assert!(deliveries.iter().all(Delivery::is_ready));
    assert_eq!(numbers(&cluster), (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn flush_returns_when_all_have_an_outcome_good_or_bad() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[("linger.ms", "60000")]).await;
    cluster.script([Reaction::error(klamm::ErrorCode::INVALID_RECORD)]);
    let bad = bounded(producer.enqueue(record(0))).await.unwrap();
    bounded(producer.flush()).await;
    assert!(bad.is_ready());
    let good = bounded(producer.enqueue(record(1))).await.unwrap();
    bounded(producer.flush()).await;
    assert!(good.is_ready());
    assert!(bounded(bad).await.is_err() && bounded(good).await.is_ok());
}

#[tokio::test]
async fn a_batch_that_is_polled_patiently_waits_for_company_and_one_that_is_awaited_does_not() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[("linger.ms", "60000")]).await;
    let mut deliveries = Vec::new();
    for n in 0..5 {
        let mut delivery = bounded(producer.enqueue(record(n))).await.unwrap();
        for _ in 0..10 {
            assert!(poll_fn(|cx| Poll::Ready(delivery.poll_patiently(cx))).await.is_pending());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        deliveries.push(delivery);
    }
    assert_eq!(cluster.seen_count(), 0);
    bounded(deliveries.pop().unwrap()).await.unwrap();
    assert_eq!(numbers(&cluster), (0..5).collect::<Vec<_>>());
    for mut delivery in deliveries {
        bounded(poll_fn(|cx| delivery.poll_patiently(cx))).await.unwrap();
    }
    assert_eq!(cluster.seen_count(), 1);
}

#[tokio::test]
async fn dropped_producer_ends_every_delivery_as_closed() {
    let (_cluster, _client, producer, deliveries) = stalled().await;
    let began = Instant::now();
    drop(producer);
    assert!(began.elapsed() < Duration::from_millis(500), "drop must not block");
    for delivery in deliveries {
        let error = bounded(delivery).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
}

#[tokio::test]
async fn dropped_client_does_not_end_its_producer() {
    let cluster = Cluster::start(1, 1).await;
    let (client, producer) = cluster.producer(&[]).await;
    drop(client);
    bounded(producer.send(record(0))).await.unwrap();
    assert_eq!(numbers(&cluster), [0]);
}

/// Polls a future `polls` times, then drops it; its output if it was ready by then.
async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        let once = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = once {
            return Some(output);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

#[tokio::test]
async fn sends_dropped_at_every_poll_leave_the_producer_usable() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[("buffer.memory", "65536")]).await;
    let mut acknowledged = Vec::new();
    let mut n = 0;
    for polls in 0..12 {
        for _ in 0..20 {
            if let Some(outcome) = polled(polls, producer.send(record(n))).await {
                outcome.unwrap();
                acknowledged.push(n);
            }
            n += 1;
        }
    }
    bounded(producer.flush()).await;
    bounded(producer.send(record(n))).await.unwrap();
    let found = numbers(&cluster);
    assert!(found.is_sorted_by(|a, b| a < b), "reordered or duplicated");
    assert!(acknowledged.iter().all(|n| found.contains(n)));
    assert_eq!(found.last(), Some(&n));
    until("no memory leaks", || producer.buffered_bytes() == 0).await;
}

#[tokio::test]
async fn waiters_that_give_up_leave_the_queue_to_the_others() {
    let (cluster, _client, producer, deliveries) = stalled().await;
    for n in 0..100 {
        let gave_up = polled(n % 4, producer.enqueue(record(n))).await;
        assert!(gave_up.is_none());
    }
    let last = deliveries.len();
    let waiter = producer.clone();
    let waiting = tokio::spawn(async move { waiter.send(record(last)).await });
    cluster.release();
    for delivery in deliveries {
        bounded(delivery).await.unwrap();
    }
    bounded(waiting).await.unwrap().unwrap();
    assert_eq!(numbers(&cluster), (0..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn try_enqueue_of_a_topic_not_yet_known_hands_the_record_back() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[]).await;
    let refused = producer.try_enqueue(record(0)).unwrap_err();
    assert!(matches!(refused.reason(), EnqueueError::MetadataPending), "{refused}");
    assert!(!refused.is_full());
    let mut back = refused.into_record();
    let began = Instant::now();
    let delivery = loop {
        assert!(began.elapsed() < crate::mock::PATIENCE, "metadata never comes");
        match producer.try_enqueue(back) {
            Ok(delivery) => break delivery,
            Err(refused) => back = refused.into_record(),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    bounded(delivery).await.unwrap();
}

#[tokio::test]
async fn delivery_polled_by_several_tasks_in_turn_wakes_the_last() {
    let (cluster, _client, _producer, mut deliveries) = stalled().await;
    let mut delivery = deliveries.remove(0);
    let mut nobody = Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(&mut delivery).poll(&mut nobody).is_pending());
    let moved = tokio::spawn(delivery);
    tokio::time::sleep(Duration::from_millis(20)).await;
    cluster.release();
    bounded(moved).await.unwrap().unwrap();
}

#[tokio::test]
async fn callback_reports_every_batch_once_and_in_order() {
    let cluster = Cluster::start(1, 1).await;
    let (client, config) =
        crate::mock::configs(&cluster.servers(), &[("linger.ms", "0"), ("retries", "0")]);
    let (records, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, failures) = (Arc::clone(&records), Arc::clone(&failed));
    let config = config.on_batch(move |report| {
        assert_eq!((report.topic, report.partition), ("t", 0));
        count.fetch_add(report.records, Ordering::SeqCst);
        failures.fetch_add(usize::from(report.outcome.is_err()), Ordering::SeqCst);
    });
    let client = bounded(klamm::Client::connect(client)).await.unwrap();
    let producer = client.producer(config).unwrap();
    cluster.script([Reaction::ok(), Reaction::error(klamm::ErrorCode::NOT_ENOUGH_REPLICAS)]);
    bounded(producer.send(record(0))).await.unwrap();
    let error = bounded(producer.send(record(1))).await.unwrap_err();
    assert!(matches!(error, SendError::Delivery(DeliveryError::NotDelivered(_))), "{error}");
    bounded(producer.send(record(2))).await.unwrap();
    until("the reports", || records.load(Ordering::SeqCst) == 3).await;
    assert_eq!(failed.load(Ordering::SeqCst), 1);
}
