//! The client and the broker in one process, without a socket, under a clock that is paused: hours pass in an instant,
//! and every timeout is exact.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use klamm::{Client, ClientConfig, ConnectStage, Connecting, Connector, ProducerConfig, Record};
use klamm_broker::{Action, ApiKey, Broker, InProcess, RequestOutcome, Rule};
use std::time::Duration;
use tokio::time::Instant;

/// The client's way to a broker of this process.
#[derive(Debug)]
struct ToBroker(InProcess);

impl Connector for ToBroker {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move { Ok(Box::new(self.0.connect(host, port).await?) as Box<_>) })
    }
}

/// Longer than the backoffs that come before a first record is sent.
const SLACK: Duration = Duration::from_millis(500);

async fn broker(nodes: i32) -> Broker {
    Broker::builder().without_sockets().nodes(nodes).topic("t", 2).start().await.unwrap()
}

fn config(broker: &Broker) -> ClientConfig {
    ClientConfig::new(broker.bootstrap()).connector(ToBroker(broker.in_process().clone()))
}

fn produce_requests(broker: &Broker) -> Vec<RequestOutcome> {
    let produce = broker.controls().requests(|entry| entry.api == ApiKey::Produce);
    produce.into_iter().map(|entry| entry.outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn linger_a_slow_answer_a_timeout_and_a_retry_pass_in_an_instant() {
    let (real, began) = (std::time::Instant::now(), Instant::now());
    let broker = broker(1).await;
    let slow = Rule::new(Action::DelayMs(30_000)).api(ApiKey::Produce).times(1);
    broker.controls().add_fault(slow).unwrap();
    let config = config(&broker).request_timeout(Duration::from_secs(10));
    let client = Client::connect(config).await.unwrap();
    let linger = Duration::from_secs(5);
    let producer = client.producer(ProducerConfig::default().linger(linger)).unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing has waited for anything");

    let record = Record::to("t").partition(0).value("hello");
    // Not awaited yet: a delivery that somebody waits for does not sit out the linger.
    let delivery = producer.enqueue(record.clone()).await.unwrap();
    tokio::time::sleep(linger - SLACK).await;
    assert_eq!(produce_requests(&broker), [], "it lingers");
    tokio::time::sleep(2 * SLACK).await;
    assert_eq!(produce_requests(&broker), [RequestOutcome::Pending]);
    let delivered = delivery.await.unwrap();
    // Lingered, waited for the answer to the first request, and went again, which the broker saw through.
    let waited = began.elapsed();
    assert!((Duration::from_secs(15)..Duration::from_secs(17)).contains(&waited), "{waited:?}");
    assert_eq!(delivered.offset(), Some(0));
    assert_eq!(producer.send(record).await.unwrap().offset(), Some(1), "it was appended once");

    producer.close(Duration::from_secs(1)).await;
    client.close().await;
    broker.stop().await.unwrap();
    assert!(real.elapsed() < began.elapsed() / 2, "{:?} of real time", real.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_first_record_waits_for_no_backoff() {
    let broker = broker(1).await;
    let client = Client::connect(config(&broker)).await.unwrap();
    let producer = client.producer(ProducerConfig::default()).unwrap();
    let began = Instant::now();
    producer.send(Record::to("t").value("hello")).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    producer.close(Duration::from_secs(1)).await;
    client.close().await;
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nodes_without_sockets_go_down_and_come_back() {
    let broker = broker(2).await;
    assert_eq!(broker.bootstrap(), "node-1:9092,node-2:9092");
    assert!(broker.addresses().is_empty());
    let client = Client::connect(config(&broker)).await.unwrap();
    let producer = client.producer(ProducerConfig::default()).unwrap();
    let to = |partition| Record::to("t").partition(partition).value("v");
    for partition in [0, 1] {
        assert_eq!(producer.send(to(partition)).await.unwrap().offset(), Some(0));
    }
    broker.controls().set_node_up(2, false).await.unwrap();
    let refused = broker.in_process().connect("node-2", 9092).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // Nobody else has the partition: it waits for the node, which comes back after a minute.
    let controls = broker.controls().clone();
    let back = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        controls.set_node_up(2, true).await
    });
    let began = Instant::now();
    assert_eq!(producer.send(to(1)).await.unwrap().offset(), Some(1));
    assert!(began.elapsed() >= Duration::from_secs(60), "{:?}", began.elapsed());
    back.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_brokers_clock_is_the_paused_one_and_can_be_moved_beside_it() {
    let broker = broker(1).await;
    let start = broker.clock().now_ms();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(broker.clock().now_ms() - start, 3_600_000);
    broker.clock().advance(Duration::from_secs(60));
    assert_eq!(broker.clock().now_ms() - start, 3_660_000);
}

#[tokio::test(start_paused = true)]
async fn places_that_no_node_has_are_named() {
    let broker = broker(1).await;
    let elsewhere = config(&broker).bootstrap_servers("nowhere:1");
    let error = match Client::connect(elsewhere).await.unwrap_err() {
        klamm::ClientError::Connect(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!((error.address(), error.stage()), ("nowhere:1", ConnectStage::Tcp));
    assert!(error.to_string().contains("no node is nowhere:1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_paused_clock_it_is_a_transport_like_any_other() {
    let broker = broker(1).await;
    let client = Client::connect(config(&broker)).await.unwrap();
    let producer = client.producer(ProducerConfig::default()).unwrap();
    // More than the pipe holds, so that both ends have to wait for each other.
    let large = vec![7; 900_000];
    let mut deliveries = Vec::new();
    for _ in 0..8 {
        let record = Record::to("t").partition(0).value(&large[..]);
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for (expected, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset(), Some(expected));
    }
}
