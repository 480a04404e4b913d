//! An application that leaves no time to anybody: real sockets, threads and time.

use crate::members::{PROTOCOLS, member, settled};
use klamm::{Client, ClientConfig, GroupProtocol, ProducerConfig, Record, RunOptions};
use klamm_broker::{Broker, BrokerConfig};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a session lasts here.
const SESSION: Duration = Duration::from_secs(1);

/// A broker on a thread of its own; it ends with the sender.
fn broker() -> (String, tokio::sync::oneshot::Sender<()>) {
    let (address, started) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut config = BrokerConfig::default();
            for (name, ms) in [
                ("group.min.session.timeout.ms", "1000"),
                ("group.consumer.min.session.timeout.ms", "1000"),
                ("group.consumer.session.timeout.ms", "1000"),
                ("group.consumer.min.heartbeat.interval.ms", "100"),
                ("group.consumer.heartbeat.interval.ms", "100"),
            ] {
                config.set(name, ms).unwrap();
            }
            let listen = "127.0.0.1:0".parse().unwrap();
            let builder = Broker::builder().listen(listen).config(config);
            let broker = builder.topic("t", 1).start().await.unwrap();
            address.send(broker.bootstrap()).unwrap();
            let _ = stopped.await;
        });
    });
    (started.recv().unwrap(), stop)
}

#[tokio::test(flavor = "current_thread")]
async fn a_runtime_that_is_busy_for_three_sessions_keeps_its_partitions() {
    let (address, _stop) = broker();
    let client = Client::connect(ClientConfig::new(&address)).await.unwrap();
    let producer = client.producer(ProducerConfig::default()).unwrap();
    producer.send(Record::to("t").value("v")).await.unwrap();
    let mut members = Vec::new();
    for protocol in PROTOCOLS {
        let mut config = member(protocol).session_timeout(SESSION).auto_commit(false);
        config = config.heartbeat_interval(SESSION / 10);
        let name = format!("busy-{protocol:?}");
        klamm::config::set_consumer(
            &mut ClientConfig::new(&address),
            &mut config,
            "group.id",
            &name,
        )
        .unwrap();
        let consumer = client.consumer(config).unwrap();
        settled(&[&consumer], 1).await;
        consumer.seek(&crate::stage::p(0), 0).unwrap();
        let batch = consumer.poll().await.unwrap().unwrap();
        members.push((consumer, batch));
    }
    let began = Instant::now();
    while began.elapsed() < 3 * SESSION + SESSION / 5 {
        std::hint::spin_loop();
    }
    for (consumer, batch) in members {
        // Under the lease of before: it was a member all the time.
        consumer.commit(&batch).await.unwrap();
        consumer.close().await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_handler_that_is_busy_for_three_sessions_costs_no_membership() {
    let (address, _stop) = broker();
    let client = Client::connect(ClientConfig::new(&address)).await.unwrap();
    let producer = client.producer(ProducerConfig::default()).unwrap();
    producer.send(Record::to("t").value("v")).await.unwrap();
    let config = member(GroupProtocol::Auto).session_timeout(SESSION);
    let consumer = client.consumer(config.heartbeat_interval(SESSION / 10)).unwrap();
    let handled = Arc::new(AtomicUsize::new(0));
    let handler = {
        let handled = Arc::clone(&handled);
        move |_| {
            let handled = Arc::clone(&handled);
            async move {
                let began = Instant::now();
                while began.elapsed() < 3 * SESSION + SESSION / 5 {
                    std::hint::spin_loop();
                }
                handled.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(())
            }
        }
    };
    let stop = async {
        while handled.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(SESSION / 100).await;
        }
        consumer.stop_run();
    };
    let (summary, ()) = tokio::join!(consumer.run(RunOptions::default(), handler), stop);
    // It would have lost its partition, and the record with it.
    assert_eq!(summary.unwrap().positions, BTreeMap::from([(crate::stage::p(0), 1)]));
    let committed = consumer.committed([crate::stage::p(0)]).await.unwrap();
    assert_eq!(committed[&crate::stage::p(0)].as_ref().map(|at| at.offset), Some(1));
    assert_eq!(handled.load(Ordering::Relaxed), 1);
    consumer.close().await;
}
