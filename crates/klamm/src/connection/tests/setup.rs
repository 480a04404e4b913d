//! The setup of a connection: what brokers, and what is none, may do in it.

use super::*;
use klamm_protocol::message::ApiVersionsRequest;

#[tokio::test]
async fn broker_that_says_nothing_fails_within_the_setup_timeout() {
    let broker = Broker::listen().await;
    let short = ConnectionSettings { setup_timeout: SHORT, ..settings() };
    let began = Instant::now();
    let (connecting, _peer) = tokio::join!(connect(&broker, short), broker.accept());
    let error = connecting.unwrap_err();
    assert_eq!((error.stage(), error.kind()), (ConnectStage::ApiVersions, ErrorKind::Retriable));
    assert!(began.elapsed() < LONG / 2 && error.to_string().contains("setup.timeout"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_an_error_at_once() {
    let broker = Broker::listen().await;
    let port = broker.port();
    drop(broker);
    let settings = Arc::new(settings());
    let error = Connection::connect("127.0.0.1", port, &settings).await.unwrap_err();
    assert_eq!((error.stage(), error.kind()), (ConnectStage::Tcp, ErrorKind::Retriable));
    let error = Connection::connect("no such host", port, &settings).await.unwrap_err();
    assert_eq!(error.stage(), ConnectStage::Resolve);
}

#[tokio::test]
async fn older_broker_is_asked_in_versions_it_knows() {
    let broker = Broker::listen().await;
    let serving = async {
        let mut peer = broker.accept().await;
        for version in [4, 3] {
            let asked = peer.asked().await;
            assert_eq!(asked.header.api_version, version);
            peer.send(&mock::bytes::<ApiVersionsRequest>(&mock::unsupported(), 0, asked.id()))
                .await;
        }
        let asked = peer.asked().await;
        assert_eq!(asked.header.api_version, 0);
        peer.answer::<ApiVersionsRequest>(&asked, &mock::api_versions()).await;
        peer
    };
    let (connecting, _peer) = tokio::join!(connect(&broker, settings()), serving);
    assert_eq!(connecting.unwrap().version::<MetadataRequest>(1..=13).unwrap(), 13);
}

#[tokio::test]
async fn broker_that_refuses_every_version_is_given_up() {
    let broker = Broker::listen().await;
    let serving = async {
        let (mut peer, mut asked_times) = (broker.accept().await, 0);
        while let Some(asked) = peer.next().await {
            asked_times += 1;
            peer.send(&mock::bytes::<ApiVersionsRequest>(&mock::unsupported(), 0, asked.id()))
                .await;
        }
        asked_times
    };
    let (connecting, asked_times) = tokio::join!(connect(&broker, settings()), serving);
    let error = connecting.unwrap_err();
    assert_eq!((error.stage(), error.kind()), (ConnectStage::ApiVersions, ErrorKind::Fatal));
    assert_eq!(asked_times, 3);
}

#[tokio::test]
async fn version_is_the_highest_in_common_or_an_error_that_names_the_offer() {
    let broker = Broker::listen().await;
    let serving = async {
        let mut peer = broker.accept().await;
        let asked = peer.asked().await;
        let mut offer = mock::api_versions();
        let metadata = offer.api_keys.iter_mut().find(|k| k.api_key == 3).unwrap();
        (metadata.min_version, metadata.max_version) = (4, 9);
        peer.answer::<ApiVersionsRequest>(&asked, &offer).await;
        peer
    };
    let (connecting, _peer) = tokio::join!(connect(&broker, settings()), serving);
    let connection = connecting.unwrap();
    assert_eq!(connection.version::<MetadataRequest>(1..=13).unwrap(), 9);
    assert_eq!(connection.version::<MetadataRequest>(1..=7).unwrap(), 7);
    for wanted in [10..=13, 0..=3] {
        let error = connection.version::<MetadataRequest>(wanted).unwrap_err();
        assert!(error.to_string().contains("it offers 4 to 9"), "{error}");
        assert!(!error.may_have_reached_broker() && error.kind() == ErrorKind::Fatal);
    }
}

/// What a connection makes of a server whose only words are these.
async fn greeted_with(words: &[u8], settings: ConnectionSettings) -> ConnectError {
    let broker = Broker::listen().await;
    let serving = async {
        let mut peer = broker.accept().await;
        // A whole hello is on its way before an answer makes sense.
        let mut hello = [0; 8];
        bounded(tokio::io::AsyncReadExt::read_exact(&mut peer.stream, &mut hello)).await.unwrap();
        peer.send(words).await;
        bounded(tokio::io::AsyncWriteExt::shutdown(&mut peer.stream)).await.unwrap();
        peer
    };
    let began = Instant::now();
    let (connecting, _peer) = tokio::join!(connect(&broker, settings), serving);
    assert!(began.elapsed() < LONG / 2);
    connecting.unwrap_err()
}

#[tokio::test]
async fn other_protocols_are_recognised_at_once() {
    let alert = [0x15, 3, 3, 0, 2, 2, 80];
    let error = greeted_with(&alert, settings()).await;
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("wants TLS"), "{error}");
    let error = greeted_with(b"HTTP/1.1 400 Bad Request\r\n\r\n", settings()).await;
    assert!(error.to_string().contains("HTTP"), "{error}");
    // Closed without a word: a listener that wants TLS or SASL, or a broker that is being stopped.
    let error = greeted_with(b"", settings()).await;
    assert_eq!(error.kind(), ErrorKind::Retriable);
    assert!(error.to_string().contains("TLS or SASL"), "{error}");
}

#[tokio::test]
async fn tls_to_a_plain_port_is_recognised_at_once() {
    let tls = || ConnectionSettings {
        tls: Some(
            tls_client_config(
                &crate::config::TlsConfig::default().roots(crate::config::TlsRoots::Bundled),
            )
            .unwrap(),
        ),
        ..settings()
    };
    let error = greeted_with(&[0, 0, 0, 10, 0, 0, 0, 0, 0, 35, 0, 0], tls()).await;
    assert_eq!((error.stage(), error.kind()), (ConnectStage::Tls, ErrorKind::Misuse));
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    let error = greeted_with(b"", tls()).await;
    assert_eq!((error.stage(), error.kind()), (ConnectStage::Tls, ErrorKind::Retriable));
    assert!(error.to_string().contains("security.protocol"), "{error}");
    // A TLS alert that a certificate is missing.
    let error = greeted_with(&[0x15, 3, 3, 0, 2, 2, 116], tls()).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().contains("client certificate"), "{error}");
}
