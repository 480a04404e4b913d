//! Futures that are dropped at every point where they wait: nothing is lost, and nothing is left behind.

use crate::stage::{PATIENCE, Stage, number, p, read};
use klamm::{Consumer, ConsumerConfig, Start};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Polls a future at most so often and drops it.
async fn at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// The values of one record, or of a batch; `None` if the future was dropped.
async fn some(consumer: &Consumer, polls: usize, one: bool) -> Option<Vec<i64>> {
    if one {
        let record = at_most(polls, consumer.recv()).await?.unwrap().unwrap();
        return Some(vec![number(record.value().unwrap())]);
    }
    let batch = at_most(polls, consumer.poll()).await?.unwrap().unwrap();
    Some(batch.iter().map(|record| number(record.value().unwrap())).collect())
}

#[tokio::test(start_paused = true)]
async fn polls_and_records_survive_any_number_of_dropped_futures() {
    for polls in 1..=6 {
        let stage = Stage::new(1).await;
        let consumer = stage.consumer(ConsumerConfig::default().max_poll_records(4));
        consumer.assign([("t", 0, Start::Earliest)]);
        let (mut next, mut dropped, mut turn) = (0i64, 0, 0);
        for written in (0..300).step_by(30) {
            let reading = async {
                while next < written + 30 {
                    turn += 1;
                    // One record and whole batches by turns.
                    let Some(found) = some(&consumer, polls, turn % 3 == 0).await else {
                        dropped += 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    };
                    let last = next + i64::try_from(found.len()).unwrap();
                    assert_eq!(found, (next..last).collect::<Vec<_>>());
                    next = last;
                }
            };
            tokio::join!(reading, stage.produce(0, written..written + 30));
        }
        assert!(dropped > 0 || polls > 1, "{polls}");
        consumer.close().await;
        assert_eq!(consumer.memory_used(), 0);
    }
}

/// Else the other would sleep while there is something for it.
#[tokio::test(start_paused = true)]
async fn a_poll_that_is_dropped_after_it_was_woken_wakes_another() {
    let stage = Stage::new(1).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    consumer.assign([("t", 0, Start::Earliest)]);
    for round in 0..50 {
        let began = tokio::time::Instant::now();
        let abandoned = async {
            let mut poll = pin!(consumer.poll());
            let first = poll_fn(|cx| Poll::Ready(poll.as_mut().poll(cx).is_ready())).await;
            assert!(!first, "there is nothing yet");
            tokio::time::sleep(Duration::from_millis(3)).await;
        };
        let other = async {
            // Behind the first in line.
            tokio::time::sleep(Duration::from_millis(1)).await;
            read(&consumer, 10).await
        };
        let writing = async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            stage.produce(0, round * 10..round * 10 + 10).await;
        };
        let ((), read, ()) = tokio::join!(abandoned, other, writing);
        assert_eq!(read, (round * 10..round * 10 + 10).collect::<Vec<_>>());
        assert!(began.elapsed() < Duration::from_secs(1), "round {round}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn lookups_leave_nothing_behind() {
    let stage = Stage::new(1).await;
    stage.produce(0, 0..10).await;
    let consumer = stage.consumer(ConsumerConfig::default());
    for polls in 1..=40 {
        for round in 0..5 {
            let all = || [p(0)];
            match round {
                0 => drop(at_most(polls, consumer.end_offsets(all())).await),
                1 => drop(at_most(polls, consumer.beginning_offsets(all())).await),
                _ => drop(at_most(polls, consumer.offsets_for_times([(p(0), 0)])).await),
            }
        }
    }
    assert_eq!(consumer.end_offsets([p(0)]).await.unwrap()[&p(0)], 10);
    let requests = stage.broker.controls().requests(|_| true);
    let connections: std::collections::BTreeSet<u64> =
        requests.iter().map(|entry| entry.connection).collect();
    assert!(connections.len() <= 4, "{connections:?}");
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_dropped_is_a_close() {
    for polls in 1..=4 {
        let stage = Stage::new(1).await;
        stage.produce(0, 0..100).await;
        let consumer = stage.consumer(ConsumerConfig::default().max_poll_records(10));
        consumer.assign([("t", 0, Start::Earliest)]);
        assert_eq!(read(&consumer, 10).await.len(), 10);
        let _ = at_most(polls, consumer.close()).await;
        assert!(consumer.poll().await.unwrap().is_none());
        assert!(consumer.recv().await.unwrap().is_none());
        tokio::time::sleep(PATIENCE).await;
        assert_eq!(consumer.memory_used(), 0);
        let quiet = stage.wire.take_fetches().len();
        tokio::time::sleep(PATIENCE).await;
        assert_eq!(stage.wire.take_fetches().len(), 0, "after {quiet} nothing is asked for");
        stage.client.clone().close().await;
    }
}
