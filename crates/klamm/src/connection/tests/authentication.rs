//! SASL on the wire: refusals, rogue servers, and sessions that are renewed (KIP-368).

use super::*;
use crate::connection::settings::ScramMechanism;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};

/// In every secret of these tests, and in nothing that may be shown.
const CANARY: &str = "c4n4ry";

fn plain() -> ConnectionSettings {
    let sasl = Sasl::Plain { username: "alice".to_owned(), password: CANARY.into() };
    ConnectionSettings { sasl: Some(sasl), ..settings() }
}

async fn choose(peer: &mut Peer, code: ErrorCode) -> String {
    let asked = peer.asked().await;
    let response = SaslHandshakeResponse {
        error_code: code.0,
        mechanisms: vec!["SCRAM-SHA-256".into(), "PLAIN".into()],
    };
    peer.answer::<SaslHandshakeRequest>(&asked, &response).await;
    asked.read::<SaslHandshakeRequest>().mechanism.as_str().to_owned()
}

async fn authenticate(peer: &mut Peer, response: SaslAuthenticateResponse) -> Bytes {
    let asked = peer.asked().await;
    peer.answer::<SaslAuthenticateRequest>(&asked, &response).await;
    asked.read::<SaslAuthenticateRequest>().auth_bytes
}

fn accepted(session_lifetime_ms: i64) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse { session_lifetime_ms, ..SaslAuthenticateResponse::default() }
}

fn refused() -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        error_code: ErrorCode::SASL_AUTHENTICATION_FAILED.0,
        error_message: Some("no\u{1b}[2J way".into()),
        ..SaslAuthenticateResponse::default()
    }
}

fn says(words: &str) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        auth_bytes: words.to_owned().into(),
        ..SaslAuthenticateResponse::default()
    }
}

#[tokio::test]
async fn refused_password_fails_at_once_and_is_not_shown() {
    let broker = Broker::listen().await;
    let serving = async {
        let mut peer = broker.accept_ready().await;
        assert_eq!(choose(&mut peer, ErrorCode::NONE).await, "PLAIN");
        let sent = authenticate(&mut peer, refused()).await;
        assert_eq!(&sent[..], format!("\0alice\0{CANARY}").as_bytes());
    };
    let settings = plain();
    assert!(!format!("{settings:?}").contains(CANARY));
    let (connecting, ()) = tokio::join!(connect(&broker, settings), serving);
    let error = connecting.unwrap_err();
    assert_eq!((error.stage(), error.kind()), (ConnectStage::Sasl, ErrorKind::Unauthorized));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(CANARY) && shown.contains("way"), "{shown}");
    assert!(!error.to_string().contains('\u{1b}'), "a broker's words must not steer a terminal");
}

#[tokio::test]
async fn mechanism_that_is_not_offered_is_named_with_those_that_are() {
    let broker = Broker::listen().await;
    let serving = async {
        let mut peer = broker.accept_ready().await;
        choose(&mut peer, ErrorCode::UNSUPPORTED_SASL_MECHANISM).await;
        // No other mechanism is tried in its place.
        assert!(peer.is_closed_by_client().await);
    };
    let (connecting, ()) = tokio::join!(connect(&broker, plain()), serving);
    let error = connecting.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("SCRAM-SHA-256, PLAIN"), "{error}");
}

#[tokio::test]
async fn rogue_scram_server_never_sees_a_proof_it_must_not_see() {
    let weak = "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1";
    let greedy = "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000";
    for rest in [weak, greedy, "s=,i=", "nonsense", ""] {
        let broker = Broker::listen().await;
        let serving = async {
            let mut peer = broker.accept_ready().await;
            assert_eq!(choose(&mut peer, ErrorCode::NONE).await, "SCRAM-SHA-512");
            let asked = peer.asked().await;
            let id = asked.header.clone();
            let first = asked.read::<SaslAuthenticateRequest>().auth_bytes;
            let first = std::str::from_utf8(&first).unwrap();
            let nonce = first.rsplit_once("r=").unwrap().1;
            let answer = says(&format!("r={nonce}more,{rest}"));
            let frame =
                mock::bytes::<SaslAuthenticateRequest>(&answer, id.api_version, id.correlation_id);
            peer.send(&frame).await;
            assert!(peer.is_closed_by_client().await, "{rest}");
        };
        let sasl = Sasl::Scram {
            mechanism: ScramMechanism::Sha512,
            username: "alice".to_owned(),
            password: CANARY.into(),
        };
        let scram = ConnectionSettings { sasl: Some(sasl), ..settings() };
        let (connecting, ()) = tokio::join!(connect(&broker, scram), serving);
        let error = connecting.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{rest}: {error}");
        assert!(!format!("{error:?}").contains(CANARY));
    }
}

/// A connection whose session lasts a second and a half.
async fn short_session(setup_timeout: Duration) -> (Connection, Peer) {
    let broker = Broker::listen().await;
    let serving = async {
        let mut peer = broker.accept_ready().await;
        choose(&mut peer, ErrorCode::NONE).await;
        authenticate(&mut peer, accepted(1_500)).await;
        peer
    };
    let settings = ConnectionSettings { setup_timeout, ..plain() };
    let (connecting, peer) = tokio::join!(connect(&broker, settings), serving);
    (connecting.unwrap(), peer)
}

#[tokio::test]
async fn session_is_renewed_on_the_same_connection_after_a_drain() {
    let (connection, mut peer) = short_session(LONG).await;
    let began = Instant::now();
    let before = submit(&connection, LONG);
    let asked_before = peer.asked().await;
    // The session is due now, but an answer is missing: what comes meanwhile has to wait.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let meanwhile = submit(&connection, LONG);
    peer.answer_metadata(&asked_before, 1).await;
    assert_eq!(choose(&mut peer, ErrorCode::NONE).await, "PLAIN", "not the waiting request");
    assert!(began.elapsed() >= Duration::from_millis(1_500));
    authenticate(&mut peer, accepted(0)).await;
    let asked = peer.asked().await;
    peer.answer_metadata(&asked, 2).await;
    assert_eq!((mark(bounded(before).await), mark(bounded(meanwhile).await)), (1, 2));
}

#[tokio::test]
async fn idle_session_is_renewed_too() {
    let (connection, mut peer) = short_session(LONG).await;
    for _ in 0..3 {
        choose(&mut peer, ErrorCode::NONE).await;
        authenticate(&mut peer, accepted(300)).await;
    }
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn refused_renewal_ends_the_connection_and_sends_nothing_more() {
    let (connection, mut peer) = short_session(LONG).await;
    choose(&mut peer, ErrorCode::NONE).await;
    let waiting = submit(&connection, LONG);
    authenticate(&mut peer, refused()).await;
    let error = bounded(waiting).await.unwrap_err();
    assert!(!error.may_have_reached_broker(), "{error}");
    assert!(error.to_string().contains("re-authentication failed"), "{error}");
    assert!(!format!("{error} {error:?}").contains(CANARY));
    assert!(peer.is_closed_by_client().await);
}

#[tokio::test]
async fn renewal_that_stalls_ends_within_the_setup_timeout() {
    let (connection, mut peer) = short_session(Duration::from_secs(2)).await;
    choose(&mut peer, ErrorCode::NONE).await;
    peer.asked().await;
    let began = Instant::now();
    bounded(connection.closed()).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
