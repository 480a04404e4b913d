//! A gapless producer: what is behind a record without an acknowledgement fails, too, and can be sent again in order.

use crate::mock::{Cluster, Reaction, bounded, configs, until};
use klamm::producer::Cause;
use klamm::{Client, Delivery, DeliveryError, ErrorCode, Producer, Record};

async fn enqueue(producer: &Producer, value: &str) -> Delivery {
    bounded(producer.enqueue(Record::to("t").partition(0).value(value))).await.unwrap()
}

async fn gapless(settings: &[(&str, &str)]) -> (Cluster, Client, Producer) {
    let cluster = Cluster::start(1, 2).await;
    let (client, producer) = configs(&cluster.servers(), settings);
    let client = Client::connect(client).await.unwrap();
    let producer = client.producer(producer.gapless(true)).unwrap();
    bounded(producer.send(Record::to("t").partition(0).value("first"))).await.unwrap();
    (cluster, client, producer)
}

async fn error_of(delivery: Delivery) -> DeliveryError {
    bounded(delivery).await.unwrap_err()
}

fn is_behind(error: &DeliveryError) -> bool {
    error.is_not_delivered() && matches!(error.failure().cause(), Cause::Behind)
}

#[tokio::test]
async fn nothing_passes_a_refused_record_until_the_partition_is_resumed() {
    let (cluster, _client, producer) = gapless(&[("linger.ms", "0")]).await;
    let refusal = Reaction::error(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    cluster.script([Reaction::ok().held(), refusal.held(), Reaction::ok().held()]);
    let mut sent = Vec::new();
    for value in ["a", "b", "c"] {
        let before = cluster.seen_count();
        sent.push(enqueue(&producer, value).await);
        until("the batch arrives", || cluster.seen_count() > before).await;
    }
    cluster.release();
    let mut sent = sent.into_iter();
    assert_eq!(bounded(sent.next().unwrap()).await.unwrap().offset(), Some(1));
    let refused = error_of(sent.next().unwrap()).await;
    assert!(matches!(refused.failure().cause(), Cause::Broker { .. }), "{refused}");
    let behind = error_of(sent.next().unwrap()).await;
    assert!(behind.is_not_delivered(), "{behind}");
    let later = error_of(enqueue(&producer, "d").await).await;
    assert!(is_behind(&later), "{later}");
    let other = bounded(producer.send(Record::to("t").partition(1).value("other"))).await;
    assert_eq!(other.unwrap().partition(), 1, "other partitions go on");

    assert!(producer.resume("t", 0));
    for value in ["b", "c", "d"] {
        bounded(enqueue(&producer, value).await).await.unwrap();
    }
    assert_eq!(cluster.values(0), ["first", "a", "b", "c", "d"]);
}

#[tokio::test]
async fn what_waits_in_memory_behind_a_refused_record_fails_at_once() {
    let (cluster, _client, producer) = gapless(&[("linger.ms", "60000")]).await;
    cluster.script([Reaction::error(ErrorCode::INVALID_RECORD).held()]);
    let before = cluster.seen_count();
    let refused = producer.send(Record::to("t").partition(0).value("refused"));
    let behind = async {
        until("it arrives", || cluster.seen_count() > before).await;
        let behind = enqueue(&producer, "behind").await;
        assert!(!behind.is_ready());
        cluster.release();
        (behind,)
    };
    let (refused, (behind,)) = tokio::join!(bounded(refused), behind);
    assert!(refused.is_err());
    let behind = error_of(behind).await;
    assert!(is_behind(&behind), "{behind}");
    assert_eq!(cluster.values(0), ["first"]);
}

#[tokio::test]
async fn a_partition_that_takes_records_has_nothing_to_resume() {
    let (cluster, _client, producer) = gapless(&[]).await;
    assert!(producer.resume("t", 0) && producer.resume("t", 99) && producer.resume("never", 0));
    bounded(producer.send(Record::to("t").partition(0).value("x"))).await.unwrap();
    assert_eq!(cluster.values(0), ["first", "x"]);
}
