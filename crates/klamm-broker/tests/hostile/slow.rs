//! Two thousand sockets that say little, and say it slowly.

use crate::alone;
use crate::steady::Steady;
use klamm_broker::{Broker, ConnectionLimits};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const SOCKETS: usize = 2000;

/// Files that the process needs for other things.
const OTHER_FILES: u64 = 200;

/// 64 KiB for each socket, as every connection may buffer so much, and as much again for all the rest.
const GROWTH_MAX: u64 = 2 * (SOCKETS as u64) * 64 * 1024;

/// Longer than the broker may wait for a request that does not get on.
const PATIENCE: Duration = Duration::from_secs(60);

/// The half of requests.
const HALVES: [&[u8]; 4] = [
    // Half a size; a size and nothing; a size of 90 MB and a little; a header that breaks off.
    &[0, 0],
    &[0, 0, 0, 40],
    &[5, 93, 74, 128, 0, 3, 0, 9, 0, 0],
    &[0, 0, 0, 40, 0, 18, 0, 3, 0, 0, 0, 1, 0, 200, b'c', b'l'],
];

/// As many sockets as may be open, both ends of each being in this process.
fn sockets() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        limit.current = limit.maximum;
        // What could not be raised is seen below.
        let _ = setrlimit(Resource::Nofile, limit);
        limit = getrlimit(Resource::Nofile);
    }
    let files = limit.current.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES);
    let sockets = SOCKETS.min(usize::try_from(files / 2).unwrap_or(SOCKETS));
    if sockets < SOCKETS {
        println!("{sockets} sockets instead of {SOCKETS}: the limit of open files is too low");
    }
    sockets
}

/// Whether the other side ends the connection without a word.
async fn is_ended(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await;
    // An end with bytes unread is a reset.
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_sockets_hold_nobody_up_and_are_ended() {
    let _alone = alone().await;
    let mut limits = ConnectionLimits::default();
    limits.progress_timeout = Duration::from_secs(2);
    let broker = Broker::builder().limits(limits).topic("t", 1).start().await.unwrap();
    let steady = Steady::start(&broker, false);
    let mut silent = Vec::new();
    let mut halves = Vec::new();
    for n in 0..sockets() {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        match HALVES.get(n % (HALVES.len() + 1)) {
            Some(half) => {
                stream.write_all(half).await.unwrap();
                halves.push(stream);
            }
            None => silent.push(stream),
        }
    }
    let mut ends = JoinSet::new();
    for mut stream in halves {
        ends.spawn(async move { is_ended(&mut stream).await });
    }
    while let Some(ended) = ends.join_next().await {
        assert!(ended.unwrap(), "half a request keeps a connection for ever");
    }
    // Who has said nothing yet is only idle.
    for stream in &silent {
        let nothing = stream.try_read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    }
    let seen = steady.check(GROWTH_MAX);
    println!("{seen:?}");
    broker.stop().await.unwrap();
}

/// A byte a second is no progress: ten seconds after the first the connection ends, whatever it sends.
#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_no_progress() {
    let _alone = alone().await;
    let broker = Broker::builder().without_sockets().start().await.unwrap();
    let mut trickles = JoinSet::new();
    for n in 0..SOCKETS {
        let mut stream = broker.connect().await.unwrap();
        trickles.spawn(async move {
            let began = tokio::time::Instant::now();
            let request = [HALVES[n % HALVES.len()], &[1; 100]].concat();
            for byte in request {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert!(is_ended(&mut stream).await);
            began.elapsed()
        });
    }
    while let Some(lasted) = trickles.join_next().await {
        let lasted = lasted.unwrap();
        assert!((10..=12).contains(&lasted.as_secs()), "{lasted:?}");
    }
    broker.stop().await.unwrap();
}
