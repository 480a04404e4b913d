//! The ledger of `cargo xtask chaos gateway` on a gateway whose disk loses at each power loss what was not synced: nothing is
//! missing with a disk that syncs, and what is answered before it is synced is found to be missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod life;
mod reading;

use crate::disk::Disk;
use crate::life::{Life, NOWHERE};
use gateway_testing::{Clients, TOPICS, Tally, Verdict, Window};
use klamm_broker::Broker;
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// As many as the longer form has.
const CLIENTS: u32 = 16;
/// Between an answer and the next request of a client.
const PAUSE: Duration = Duration::from_millis(2);
/// How many times the power is lost.
const LIVES: u64 = 12;
/// Requests that are answered in each life.
const ANSWERS: u64 = 120;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until so many requests more are answered with a promise.
fn answered(tally: &Tally, more: u64) {
    let promised = || tally.promised.load(Ordering::Relaxed);
    let (enough, began) = (promised() + more, Instant::now());
    while promised() < enough {
        assert!(began.elapsed() < PATIENCE, "{} of {enough} answers came", promised());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Loses the power of a gateway over and over, mostly while Kafka is away; what came of what it promised.
fn storm(bootstrap: &str, disk: Disk) -> Verdict {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let mut life = Life::begin(address, NOWHERE, disk);
    let clients = Clients::start(&address.to_string(), CLIENTS, PAUSE);
    let mut kills = Vec::new();
    for seed in 0..LIVES {
        answered(clients.tally(), ANSWERS);
        let disk = life.power_loss(seed);
        let last = seed + 1 == LIVES;
        let kafka = if last || seed % 3 == 1 { bootstrap } else { NOWHERE };
        life = Life::begin(address, kafka, disk);
        kills.push(Window { released: life.opened.released, next: life.opened.next });
    }
    answered(clients.tally(), ANSWERS);
    let ledger = clients.stop();
    life.drain(PATIENCE);
    Verdict::judge(&ledger, &reading::all(bootstrap), &kills)
}

/// On a broker of its own.
async fn verdict(disk: Disk) -> Verdict {
    let builder = TOPICS.iter().fold(Broker::builder(), |builder, (topic, partitions)| {
        builder.topic(topic, i32::from(*partitions))
    });
    let broker = builder.start().await.unwrap();
    let bootstrap = broker.bootstrap();
    let verdict = tokio::task::spawn_blocking(move || storm(&bootstrap, disk)).await.unwrap();
    println!("{verdict}");
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_outlives_every_power_loss() {
    let verdict = verdict(Disk::honest()).await;
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.promised as u64 > LIVES * ANSWERS && verdict.maybe.0 > 0, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_sync_is_found() {
    let verdict = verdict(Disk::late()).await;
    assert!(!verdict.holds() && !verdict.missing.is_empty(), "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_left_out_is_found() {
    let verdict = verdict(Disk::careless()).await;
    assert!(!verdict.holds() && !verdict.missing.is_empty(), "{verdict}");
}
