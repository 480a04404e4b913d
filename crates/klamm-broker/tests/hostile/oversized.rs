//! Oversized everything: claims of gigabytes, requests as large as they may be, more connections than there are places.

use crate::alone;
use crate::steady::{PASSWORD, Steady, USER, logins};
use klamm_broker::{Broker, BrokerConfig, ConnectionLimits, SaslSettings};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Longer than an end takes to be heard of, and long enough to say that there was none.
const PATIENCE: Duration = Duration::from_secs(20);
const A_MOMENT: Duration = Duration::from_millis(200);
/// Memory that all requests share.
const REQUEST_MEMORY: usize = 16 << 20;
/// Clients with large requests, and how large: many times what there is room for.
const CLIENTS: usize = 96;
const LARGE: usize = 8 << 20;
/// What is shared, one request beyond it, the free buffers that are kept, and as much again for what the allocator does
/// not give back at once: half of what all of them together would take.
const GROWTH_MAX: u64 = (CLIENTS * LARGE / 2) as u64;

async fn connect(address: SocketAddr, first: &[Vec<u8>]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for frame in first {
        stream.write_all(frame).await.unwrap();
        let len = stream.read_u32().await.unwrap();
        stream.read_exact(&mut vec![0; usize::try_from(len).unwrap()]).await.unwrap();
    }
    stream
}

/// Whether the broker ends the connection within `limit` when it hears of a frame of this size.
async fn ends_at(address: SocketAddr, first: &[Vec<u8>], size: i32, limit: Duration) -> bool {
    let mut stream = connect(address, first).await;
    stream.write_all(&size.to_be_bytes()).await.unwrap();
    stream.write_all(&[0, 18, 0, 0]).await.unwrap();
    let mut byte = [0];
    let read = tokio::time::timeout(limit, stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_are_bounded_before_and_after_a_login() {
    let _alone = alone().await;
    let sasl = SaslSettings::new().user(USER, PASSWORD);
    let broker = Broker::builder().sasl(sasl).topic("t", 1).start().await.unwrap();
    let steady = Steady::start(&broker, true);
    let login = logins().map(|(_, frame)| frame);
    let (before, after) = (512 * 1024, 100 * 1024 * 1024);
    for size in [i32::MAX, i32::MIN, -1, before + 1, after, after + 1] {
        assert!(ends_at(broker.address(), &[], size, PATIENCE).await, "{size} before a login");
    }
    for size in [i32::MAX, i32::MIN, -1, after + 1] {
        assert!(ends_at(broker.address(), &login, size, PATIENCE).await, "{size} after a login");
    }
    // These are large, not too large: the broker waits for them.
    assert!(!ends_at(broker.address(), &[], before, A_MOMENT).await);
    assert!(!ends_at(broker.address(), &login, after, A_MOMENT).await);
    steady.check(GROWTH_MAX);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_requests_share_what_memory_there_is() {
    let _alone = alone().await;
    let mut limits = ConnectionLimits::default();
    limits.request_memory_bytes = REQUEST_MEMORY;
    let broker = Broker::builder().limits(limits).topic("t", 1).start().await.unwrap();
    let steady = Steady::start(&broker, false);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let address = broker.address();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Produce, whose content is zeros: as large as it says, and nothing in it.
            let size = u32::try_from(LARGE).unwrap();
            let head = [&size.to_be_bytes()[..], &[0, 0, 0, 9, 0, 0, 0, 1]].concat();
            stream.write_all(&head).await.unwrap();
            let piece = vec![0; 64 * 1024];
            let mut left = LARGE - 8;
            while left > 0 {
                let part = left.min(piece.len());
                if stream.write_all(&piece[..part]).await.is_err() {
                    return left;
                }
                left -= part;
            }
            // It is understood, or it is not; either way the connection is answered or ended.
            let mut byte = [0];
            drop(stream.read(&mut byte).await);
            0
        });
    }
    let mut unread = Vec::new();
    while let Some(left) = clients.join_next().await {
        unread.push(left.unwrap());
    }
    assert!(unread.iter().all(|&left| left == 0), "each gets its turn: {unread:?}");
    let seen = steady.check(GROWTH_MAX);
    println!("{seen:?}");
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_last_place_are_refused_and_the_others_stay() {
    let _alone = alone().await;
    let mut config = BrokerConfig::default();
    config.set("max.connections", "50").unwrap();
    let broker = Broker::builder().config(config).topic("t", 1).start().await.unwrap();
    let steady = Steady::start(&broker, false);
    let mut ends = JoinSet::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        ends.spawn(async move { stream.read(&mut [0]).await.unwrap_or(0) });
    }
    // One place has the client that behaves.
    for _ in 0..151 {
        let refused = tokio::time::timeout(PATIENCE, ends.join_next()).await;
        assert_eq!(refused.unwrap().unwrap().unwrap(), 0);
    }
    assert!(tokio::time::timeout(A_MOMENT, ends.join_next()).await.is_err(), "49 stay");
    steady.check(GROWTH_MAX);
    broker.stop().await.unwrap();
}
