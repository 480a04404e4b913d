//! Ten thousand frames that are not what they claim to be.

use crate::steady::{PASSWORD, Steady, USER, logins};
use crate::{alone, frames};
use klamm_broker::{Broker, SaslSettings};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Frames in all; each has a connection, since the broker reads nothing behind one that it cannot read.
const FRAMES: usize = 10_000;
/// Those of them that come behind a login, which costs both sides a slow hash.
const LOGGED_IN: usize = 1000;
const AT_A_TIME: usize = 8;

/// How long a connection may stay open after its client has said all it has to say.
const LINGER: Duration = Duration::from_secs(30);

/// Memory that answers, buffers and what requests have made may take.
const GROWTH_MAX: u64 = 256 << 20;

/// Sends a frame after `first`, and hears what comes until the broker ends the connection; whether anything came.
async fn attack(address: SocketAddr, first: Vec<Vec<u8>>, frame: Vec<u8>) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for frame in first {
        stream.write_all(&frame).await.unwrap();
        let len = stream.read_u32().await.unwrap();
        stream.read_exact(&mut vec![0; usize::try_from(len).unwrap()]).await.unwrap();
    }
    // The broker may close in the middle of it.
    drop(stream.write_all(&frame).await);
    drop(stream.shutdown().await);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LINGER, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the broker holds on to a connection whose client is done");
    !rest.is_empty()
}

/// Sends frames, each behind `first`; how many were answered.
async fn storm(broker: &Broker, frames: usize, seed: u64, first: &[Vec<u8>]) -> usize {
    let address = broker.address();
    let sound = frames::sound();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut attacks = JoinSet::new();
    let mut answered = 0;
    for _ in 0..frames {
        if attacks.len() >= AT_A_TIME {
            answered += usize::from(attacks.join_next().await.unwrap().unwrap());
        }
        let frame = frames::spoiled(&sound[random.usize(..sound.len())], &mut random);
        attacks.spawn(attack(address, first.to_vec(), frame));
    }
    while let Some(done) = attacks.join_next().await {
        answered += usize::from(done.unwrap());
    }
    answered
}

/// Frames that are all understood, or none, are no malformed ones.
fn check_answered(answered: usize, of: usize) {
    println!("{answered} of {of} frames were answered");
    assert!((of / 20..of - of / 20).contains(&answered), "{answered} of {of}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_frames_harm_nobody_else() {
    let _alone = alone().await;
    let broker = Broker::builder().topic("t", 1).topic("victim", 1).start().await.unwrap();
    let steady = Steady::start(&broker, false);
    check_answered(storm(&broker, FRAMES / 2, 0, &[]).await, FRAMES / 2);
    let seen = steady.check(GROWTH_MAX);
    println!("{seen:?}");
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_frames_before_and_after_a_login_harm_nobody_else() {
    let _alone = alone().await;
    let sasl = SaslSettings::new().user(USER, PASSWORD);
    let builder = Broker::builder().sasl(sasl).topic("t", 1).topic("victim", 1);
    let broker = builder.start().await.unwrap();
    let steady = Steady::start(&broker, true);
    let answered = storm(&broker, FRAMES / 2 - LOGGED_IN, 1, &[]).await;
    assert!(answered < FRAMES / 20, "{answered} were answered to who has not logged in");
    let login = logins().map(|(_, frame)| frame);
    check_answered(storm(&broker, LOGGED_IN, 2, &login).await, LOGGED_IN);
    let seen = steady.check(GROWTH_MAX);
    println!("{seen:?}");
    broker.stop().await.unwrap();
}
