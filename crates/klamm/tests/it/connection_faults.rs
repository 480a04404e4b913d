//! Connections that lie, stall or break: what the producer makes of them.

use crate::mock::{Cluster, PATIENCE, Reaction, bounded, configs, until};
use klamm::{Client, Producer, Record};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn send(producer: &Producer, value: &str) -> klamm::Delivered {
    bounded(producer.send(Record::to("t").partition(0).value(value))).await.unwrap()
}

async fn started(settings: &[(&str, &str)]) -> (Cluster, Client, Producer) {
    let cluster = Cluster::start(1, 1).await;
    let (client, producer) = cluster.producer(settings).await;
    send(&producer, "first").await;
    (cluster, client, producer)
}

/// The one bad answer ends its connection, and the record is delivered once over the next.
async fn survives(reaction: Reaction) {
    let (cluster, _client, producer) = started(&[]).await;
    cluster.script([reaction.clone()]);
    let delivered = send(&producer, "x").await;
    assert_eq!(delivered.offset(), Some(1), "{reaction:?}");
    let seen = cluster.seen();
    assert_eq!(seen.len(), 3, "{reaction:?}");
    assert_ne!(seen[1].connection, seen[2].connection, "{reaction:?}");
    assert_eq!(seen[1].batches[0].bytes, seen[2].batches[0].bytes);
    until("the connection ends", || cluster.has_ended(seen[1].connection)).await;
    assert_eq!(cluster.values(0), ["first", "x"]);
}

#[tokio::test]
async fn unknown_correlation_id_ends_the_connection() {
    survives(Reaction::other_id(1000)).await;
    survives(Reaction::other_id(-1)).await;
}

#[tokio::test]
async fn answer_to_another_request_in_flight_is_not_taken_for_its_own() {
    let (cluster, _client, producer) = started(&[("linger.ms", "0")]).await;
    // The first two answers come under each other's ids.
    cluster.script([Reaction::other_id(1).held(), Reaction::other_id(-1)]);
    let mut deliveries = Vec::new();
    for (n, value) in ["a", "b", "c"].into_iter().enumerate() {
        let record = Record::to("t").partition(0).value(value);
        deliveries.push(bounded(producer.enqueue(record)).await.unwrap());
        until("the batch arrives", || cluster.seen_count() == n + 2).await;
    }
    cluster.release();
    for (n, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(bounded(delivery).await.unwrap().offset(), Some(n as i64 + 1));
    }
    assert_eq!(cluster.values(0), ["first", "a", "b", "c"]);
}

#[tokio::test]
async fn frame_that_claims_two_gibibytes_ends_the_connection() {
    survives(Reaction::raw(i32::MAX.to_be_bytes().to_vec())).await;
    survives(Reaction::raw((-1i32).to_be_bytes().to_vec())).await;
    survives(Reaction::raw(&[0; 4][..])).await;
}

#[tokio::test]
async fn malformed_answer_ends_the_connection() {
    survives(Reaction::raw(&[0, 0, 0, 3, 1, 2, 3][..])).await;
}

#[tokio::test]
async fn late_answer_after_the_request_timeout_is_never_used() {
    let (cluster, _client, producer) = started(&[("request.timeout.ms", "300")]).await;
    cluster.script([Reaction::ok().late(Duration::from_millis(900))]);
    assert_eq!(send(&producer, "x").await.offset(), Some(1));
    let seen = cluster.seen();
    assert_ne!(seen[1].connection, seen[2].connection);
    until("the connection ends", || cluster.has_ended(seen[1].connection)).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(send(&producer, "y").await.offset(), Some(2));
    assert_eq!(cluster.values(0), ["first", "x", "y"]);
}

#[tokio::test]
async fn connection_lost_again_and_again_loses_nothing() {
    let (cluster, _client, producer) = started(&[("linger.ms", "1")]).await;
    cluster.script((0..60).map(|n| match n % 3 {
        0 => Reaction::disconnect().after_append(),
        1 => Reaction::disconnect(),
        _ => Reaction::ok(),
    }));
    let mut deliveries = Vec::new();
    for n in 0..400 {
        let record = Record::to("t").partition(0).value(format!("{n}"));
        deliveries.push(bounded(producer.enqueue(record)).await.unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for (n, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(bounded(delivery).await.unwrap().offset(), Some(n as i64 + 1));
    }
    let expected: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    assert_eq!(cluster.values(0)[1..], expected);
}

#[tokio::test]
async fn broker_that_accepts_and_says_nothing_costs_the_setup_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let (client, _) = configs(&address, &[("socket.connection.setup.timeout.ms", "500")]);
    let began = Instant::now();
    let error = bounded(Client::connect(client)).await.unwrap_err();
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(error.to_string().contains(&address), "{error}");
    silent.abort();
}

/// A broker that reads requests and answers each with the frame that `answer` makes for its header.
fn answering(
    listener: TcpListener,
    answer: impl Fn(usize, [u8; 4]) -> Vec<u8> + Clone + Send + 'static,
) -> (tokio::task::JoinHandle<()>, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let serving = tokio::spawn(async move {
        let mut peers = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, count) = (answer.clone(), std::sync::Arc::clone(&count));
            peers.spawn(async move {
                while let Ok(size) = stream.read_u32().await {
                    let mut frame = vec![0; size as usize];
                    if stream.read_exact(&mut frame).await.is_err() {
                        return;
                    }
                    let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    let id = [frame[4], frame[5], frame[6], frame[7]];
                    if stream.write_all(&answer(n, id)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (serving, asked)
}

#[tokio::test]
async fn versions_that_are_unsupported_for_ever_are_not_asked_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Version 0 of the answer: the code, and no versions.
    let (serving, asked) =
        answering(listener, |_, id| [&[0, 0, 0, 10][..], &id, &[0, 35], &[0; 4]].concat());
    let (client, _) = configs(&address, &[]);
    let error = bounded(Client::connect(client)).await.unwrap_err();
    let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!(asked <= 4, "asked {asked} times");
    assert!(error.to_string().contains("ersion"), "{error}");
    serving.abort();
}

#[tokio::test]
async fn ten_thousand_malformed_frames_are_ten_thousand_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (serving, asked) = answering(listener, |n, id| malformed(n as u64, id));
    let (client, _) = configs(&address, &[("socket.connection.setup.timeout.ms", "2000")]);
    let runtime = tokio::runtime::Handle::current();
    let before = resident_kib();
    let began = Instant::now();
    while asked.load(std::sync::atomic::Ordering::SeqCst) < 10_000 {
        assert!(began.elapsed() < 6 * PATIENCE, "{asked:?} of 10,000");
        let client = client.clone().runtime(runtime.clone());
        let error = bounded(Client::connect(client)).await.unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more");
    serving.abort();
}

/// A frame with a true size and id, or not quite, and chance for a body.
fn malformed(seed: u64, id: [u8; 4]) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut body: Vec<u8> = (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect();
    if rng.bool() {
        // No error code, so that what follows is read as versions.
        body.splice(0..0, [0, 0]);
    }
    if rng.u8(..4) > 0 {
        body.splice(0..0, id);
    }
    let size = match rng.u8(..8) {
        0 => rng.u32(..),
        _ => body.len() as u32,
    };
    // Short of what it claims, it would be waited for: the rest never comes.
    if size as usize > body.len() && size < 100 << 20 {
        body.resize(size as usize % 4096, 0);
        return [&(body.len() as u32).to_be_bytes()[..], &body].concat();
    }
    [&size.to_be_bytes()[..], &body].concat()
}

/// Resident memory of this process, in KiB.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn cluster_that_is_down_is_not_stormed_by_a_producer() {
    let (cluster, _client, producer) = started(&[("reconnect.backoff.ms", "50")]).await;
    let ports = cluster.servers();
    drop(cluster);
    // Another listener in its place that hangs up at once, and counts.
    let began = Instant::now();
    let listener = loop {
        assert!(began.elapsed() < PATIENCE, "the port is never free");
        match TcpListener::bind(&ports).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let attempts = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&attempts);
    let hanging_up = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let waiting = bounded(producer.enqueue(Record::to("t").value("x"))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let attempts = attempts.load(std::sync::atomic::Ordering::SeqCst);
    // Backoffs double from 50 ms to a second, for a produce and a metadata connection each.
    assert!((2..=30).contains(&attempts), "{attempts} attempts in 4 s");
    hanging_up.abort();
    drop(producer);
    assert!(bounded(waiting).await.is_err());
}
