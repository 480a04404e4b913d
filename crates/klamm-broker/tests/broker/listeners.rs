//! Several listeners in one broker: each asks what it asks, and tells its own addresses.

use crate::batch::batch;
use crate::peer::{Peer, broker, start};
use klamm_broker::{Broker, Builder, ListenerSettings, SaslSettings, ServerProperties, StartError};
use klamm_protocol::message::alter_user_scram_credentials_request::ScramCredentialDeletion;
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use std::net::SocketAddr;
use tokio::net::TcpStream;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A listener that asks this user for the password `secret`.
fn asking(name: &str, user: &str) -> ListenerSettings {
    ListenerSettings::new(name, LOOPBACK).sasl(SaslSettings::new().user(user, "secret"))
}

/// Plain text for everybody, and two listeners with passwords.
fn three_kinds() -> Builder {
    Broker::builder()
        .topic("t", 2)
        .listener(asking("inner", "ann"))
        .listener(asking("outer", "bob"))
}

fn address(broker: &Broker, listener: &str, node: usize) -> SocketAddr {
    broker.listener(listener).unwrap().addresses[node - 1]
}

/// A connection by a listener, and whether the user is let in there.
async fn log_in(broker: &Broker, listener: &str, user: &str) -> (Peer, bool) {
    let mut peer = Peer::connect(address(broker, listener, 1)).await;
    peer.call(1, &SaslHandshakeRequest { mechanism: Str::from_static("PLAIN") }).await;
    let auth_bytes = format!("\0{user}\0secret").into();
    let answer = peer.call(2, &SaslAuthenticateRequest { auth_bytes }).await;
    (peer, answer.error_code == 0)
}

/// What Metadata and DescribeCluster say of where the brokers are, and where the coordinator of a group is among them.
async fn told(peer: &mut Peer) -> Vec<String> {
    let metadata = peer.call(9, &MetadataRequest::default()).await.brokers;
    let metadata: Vec<_> =
        metadata.iter().map(|broker| format!("{}:{}", &*broker.host, broker.port)).collect();
    let request = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
    let described = peer.call(0, &request).await.brokers;
    let described: Vec<_> =
        described.iter().map(|broker| format!("{}:{}", &*broker.host, broker.port)).collect();
    assert_eq!(metadata, described);
    let key = Str::from_static("g");
    let found = peer.call(2, &FindCoordinatorRequest { key, ..Default::default() }).await;
    assert!(metadata.contains(&format!("{}:{}", &*found.host, found.port)), "{found:?}");
    metadata
}

#[tokio::test]
async fn each_listener_has_its_own_users_and_all_have_the_same_records() {
    let broker = start(three_kinds()).await;
    let mut plain = Peer::connect(broker.address()).await;
    assert_eq!(plain.produce(0, batch(&["a"])).await.base_offset, 0);
    for (listener, user, let_in) in [
        ("INNER", "ann", true),
        ("INNER", "bob", false),
        ("OUTER", "bob", true),
        ("OUTER", "ann", false),
    ] {
        let (mut peer, is_in) = log_in(&broker, listener, user).await;
        assert_eq!(is_in, let_in, "{user} at {listener}");
        if is_in {
            assert!(!peer.fetch(0, 0).await.is_empty());
        }
    }
    let mut silent = Peer::connect(address(&broker, "outer", 1)).await;
    silent.send(9, &MetadataRequest::default()).await;
    assert!(silent.frame().await.is_none(), "nothing before a login");
    let refused =
        plain.call(1, &SaslHandshakeRequest { mechanism: Str::from_static("PLAIN") }).await;
    assert_ne!(refused.error_code, 0, "nobody is asked here");
}

#[tokio::test]
async fn users_that_clients_administer_are_those_of_every_listener() {
    let broker = start(three_kinds()).await;
    let mut admin = Peer::connect(broker.address()).await;
    for mechanism in [1, 2] {
        let name = Str::from_static("ann");
        let gone = ScramCredentialDeletion { name, mechanism };
        let deletions = vec![gone];
        let request = AlterUserScramCredentialsRequest { deletions, ..Default::default() };
        let answer = admin.call(0, &request).await;
        assert_eq!(answer.results[0].error_code, 0, "{answer:?}");
    }
    assert!(!log_in(&broker, "INNER", "ann").await.1);
    assert!(log_in(&broker, "OUTER", "bob").await.1);
}

#[tokio::test]
async fn clients_are_told_the_addresses_of_the_listener_they_came_in_by() {
    let inner = asking("inner", "ann").advertised("inner.example", 19092);
    let broker = start(Broker::builder().nodes(3).topic("t", 2).listener(inner)).await;
    let listeners = broker.listeners();
    assert_eq!(listeners.len(), 2);
    assert_eq!((&*listeners[0].name, listeners[0].security_protocol), ("PLAINTEXT", "PLAINTEXT"));
    assert_eq!((&*listeners[1].name, listeners[1].security_protocol), ("INNER", "SASL_PLAINTEXT"));
    let bound: Vec<String> = broker.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(told(&mut Peer::connect(broker.address()).await).await, bound);
    assert_eq!(broker.bootstrap(), bound.join(","));
    let advertised = ["inner.example:19092", "inner.example:19093", "inner.example:19094"];
    assert_eq!(told(&mut log_in(&broker, "INNER", "ann").await.0).await, advertised);
    assert_eq!(listeners[1].bootstrap, advertised.join(","));
    // So are those that a leader's answer names, and those of a node with old metadata.
    broker.controls().freeze_metadata(1, true).unwrap();
    assert_eq!(told(&mut Peer::connect(broker.address()).await).await, bound);
    let (mut peer, _) = log_in(&broker, "INNER", "ann").await;
    assert_eq!(told(&mut peer).await, advertised);
    broker.controls().move_leader("t", 0, 2).unwrap();
    let elsewhere = peer.call(10, &crate::peer::produce(0, batch(&["a"]), -1)).await;
    assert_eq!(elsewhere.responses[0].partition_responses[0].error_code, 6);
    assert_eq!(elsewhere.node_endpoints[0].port, 19093, "{elsewhere:?}");
}

#[tokio::test]
async fn a_node_goes_down_and_comes_back_at_all_of_its_addresses() {
    let broker = start(three_kinds().nodes(2)).await;
    let names = ["PLAINTEXT", "INNER", "OUTER"];
    broker.controls().set_node_up(2, false).await.unwrap();
    for name in names {
        assert!(TcpStream::connect(address(&broker, name, 2)).await.is_err(), "{name}");
        assert!(TcpStream::connect(address(&broker, name, 1)).await.is_ok(), "{name}");
    }
    assert_eq!(
        broker.listener("OUTER").unwrap().bootstrap,
        address(&broker, "OUTER", 1).to_string()
    );
    broker.controls().set_node_up(2, true).await.unwrap();
    for name in names {
        assert!(TcpStream::connect(address(&broker, name, 2)).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn listeners_without_sockets_are_reached_by_what_they_advertise() {
    let broker = start(three_kinds().without_sockets()).await;
    let told = broker.listeners().into_iter().map(|listener| listener.bootstrap);
    assert_eq!(told.collect::<Vec<_>>(), ["node-1:9092", "node-1:9093", "node-1:9094"]);
    let mut plain = Peer::at(&broker, "node-1", 9092).await;
    assert!(plain.call(9, &MetadataRequest::default()).await.brokers[0].port == 9092);
    let mut inner = Peer::at(&broker, "node-1", 9093).await;
    inner.send(9, &MetadataRequest::default()).await;
    assert!(inner.frame().await.is_none(), "nothing before a login");
}

#[tokio::test]
async fn an_open_listener_stays_at_home_whatever_the_others_ask() {
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let open = ListenerSettings::new("open", everywhere);
    let refused = three_kinds().listener(open.clone()).start().await;
    assert!(matches!(refused, Err(StartError::Security(_))), "{refused:?}");
    let asking = open.clone().sasl(SaslSettings::new().user("ann", "secret"));
    assert!(three_kinds().listener(asking).start().await.is_ok());
    assert!(three_kinds().listener(open).allow_insecure_public().start().await.is_ok());
    let twice = three_kinds().listener(ListenerSettings::new("Inner", LOOPBACK)).start().await;
    assert!(twice.unwrap_err().to_string().contains("INNER"));
    let taken = broker().await;
    let again = ListenerSettings::new("again", taken.address());
    let refused = Broker::builder().listener(again).start().await;
    assert!(matches!(refused, Err(StartError::Listen { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_a_container_says_of_two_plain_listeners_comes_to_two() {
    let mut properties = ServerProperties::new();
    let variables = [
        (
            "KAFKA_LISTENERS",
            "INTERNAL://127.0.0.1:0,EXTERNAL://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
        ),
        ("KAFKA_ADVERTISED_LISTENERS", "INTERNAL://kafka:29092,EXTERNAL://localhost:9092"),
        (
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
            "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        ),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "INTERNAL"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
    ];
    let effects = properties.set_from_environment(variables);
    assert!(effects.iter().all(|(_, effect)| effect.is_ok()), "{effects:?}");
    let broker = start(properties.apply(Broker::builder()).unwrap()).await;
    for (name, advertised) in [("INTERNAL", "kafka:29092"), ("EXTERNAL", "localhost:9092")] {
        let mut peer = Peer::connect(address(&broker, name, 1)).await;
        assert_eq!(told(&mut peer).await, [advertised]);
    }
    assert_eq!(broker.listeners().len(), 2);
}

#[tokio::test]
async fn a_container_may_be_open_to_its_network_when_it_says_so() {
    let start = async |allow: &str| {
        let mut properties = ServerProperties::new();
        let variables =
            [("KAFKA_LISTENERS", "PLAINTEXT://:0"), ("ALLOW_PLAINTEXT_LISTENER", allow)];
        properties.set_from_environment(variables);
        properties.apply(Broker::builder()).unwrap().start().await
    };
    assert!(matches!(start("no").await, Err(StartError::Security(_))));
    assert!(start("yes").await.is_ok());
}
