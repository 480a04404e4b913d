//! The cap under the load it is made for: one producer of large messages, five consumers that keep up, minutes on end.
//!
//! The clock is simulated, the directory is real. Less than a minute is enough to fill the cap and go on; the environment
//! may ask for more with `KLAMM_CAP_SECONDS`.

use crate::batch::{batch, records};
use crate::cap::bytes_in;
use crate::peer::{Peer, fetch, start};
use crate::restart::Scratch;
use klamm_broker::{Broker, BrokerConfig};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CAP: u64 = 200_000_000;
const MESSAGE_BYTES: usize = 200_000;
const PER_SECOND: u64 = 30;
const PARTITIONS: i32 = 2;
const CONSUMERS: i32 = 5;

/// How long the load lasts, unless the environment says otherwise.
const SECONDS: u64 = 45;
const SECONDS_VARIABLE: &str = "KLAMM_CAP_SECONDS";

fn seconds() -> u64 {
    let given = std::env::var(SECONDS_VARIABLE).ok().and_then(|n| n.parse().ok());
    given.unwrap_or(SECONDS)
}

/// Message `n`: its number, and what makes it large.
fn message(n: u64, filling: &str) -> String {
    format!("{n:010}{filling}")
}

/// Reads a partition from its start on, with long polls, until it has `count` messages: each once, none left out.
async fn consume(mut peer: Peer, partition: i32, count: u64) {
    let (mut offset, mut next) = (0, u64::try_from(partition).unwrap());
    for _ in 0..count {
        let response = peer.call(11, &fetch(partition, offset, 500)).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!(
            data.error_code, 0,
            "at offset {offset}, where the log begins at {}",
            data.log_start_offset
        );
        let bytes = data.records.as_ref().map(|records| records.to_bytes().to_vec());
        for (at, value) in records(bytes.unwrap_or_default()) {
            assert_eq!((at, value[..10].parse()), (offset, Ok(next)));
            (offset, next) = (offset + 1, next + u64::try_from(PARTITIONS).unwrap());
        }
        if u64::try_from(offset).unwrap() == count {
            return;
        }
    }
    panic!("partition {partition} ends at {offset} of {count}");
}

#[tokio::test(start_paused = true)]
async fn a_directory_under_load_stays_under_its_cap_and_who_keeps_up_loses_nothing() {
    let scratch = Scratch::new("cap-load");
    let mut config = BrokerConfig::default();
    config.set("klamm.disk.max.bytes", &CAP.to_string()).unwrap();
    let builder = Broker::builder().without_sockets().data(&scratch.0).config(config);
    let broker = start(builder.topic("t", PARTITIONS)).await;
    let count = seconds() * PER_SECOND;
    let mut consumers = JoinSet::new();
    for n in 0..CONSUMERS * PARTITIONS {
        let peer = Peer::in_process(&broker).await;
        consumers.spawn(consume(peer, n % PARTITIONS, count / u64::try_from(PARTITIONS).unwrap()));
    }
    let mut producer = Peer::in_process(&broker).await;
    let filling = "v".repeat(MESSAGE_BYTES - 10);
    let began = Instant::now();
    let (mut written, mut most) = (0, 0);
    for n in 0..count {
        tokio::time::sleep_until(began + Duration::from_millis(n * 1000 / PER_SECOND)).await;
        let partition = i32::try_from(n % u64::try_from(PARTITIONS).unwrap()).unwrap();
        let message = message(n, &filling);
        let answer = producer.produce(partition, batch(&[&message])).await;
        assert_eq!(answer.error_code, 0);
        written += message.len() as u64;
        let stored = bytes_in(&scratch.0);
        assert!(stored <= CAP, "{stored} bytes after {n} messages");
        most = most.max(stored);
    }
    while let Some(done) = consumers.join_next().await {
        done.unwrap();
    }
    assert!(
        written > CAP && most > CAP / 4 * 3,
        "{most} of {written} bytes, no more gone than has to"
    );
    assert!(began.elapsed() >= Duration::from_secs(seconds() - 1), "{:?}", began.elapsed());
    println!("{written} bytes in {:?}; at most {most} stored", began.elapsed());
    broker.stop().await.unwrap();
}
