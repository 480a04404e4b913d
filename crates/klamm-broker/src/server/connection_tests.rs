//! A connection against clients that are slow, greedy, unknown or impatient. Time is the runtime's, and paused.

use super::*;
use crate::cluster::Cluster;
use crate::metrics::{Place, Stage};
use crate::nodes::{Endpoint, Nodes};
use crate::release::Release;
use crate::security::{
    AclSettings, Principal, SaslSettings, Security, SecurityProtocol, SecuritySettings,
};
use crate::server::ConnectionLimits;
use klamm_log::Durability;
use klamm_log::storage::MemoryStorage;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::header::{decode_response, encode_request};
use klamm_protocol::message::*;
use klamm_protocol::primitives::Str;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;

fn cluster(settings: &SecuritySettings) -> Arc<Cluster> {
    cluster_of(settings, &SecurityProtocol::default())
}

fn cluster_of(settings: &SecuritySettings, protocol: &SecurityProtocol) -> Arc<Cluster> {
    let security = Security::new(settings, [protocol]).unwrap();
    let storage = Arc::new(MemoryStorage::new());
    let (config, release, memory) = (Default::default(), Release::default(), Durability::Memory);
    let log = crate::request_log::RequestLog::new(8);
    let (nodes, place) = (Nodes::default(), "memory".to_owned());
    let cluster = Cluster::open(config, release, storage, memory, place, nodes, log, security);
    Arc::new(cluster.unwrap())
}

fn sasl() -> SecurityProtocol {
    let sasl = SaslSettings::new().user("alice", "secret").max_reauth(Duration::from_secs(60));
    SecurityProtocol { tls: None, sasl: Some(sasl) }
}

struct Client {
    stream: DuplexStream,
    served: JoinHandle<Result<(), Ended>>,
    next: i32,
}

impl Client {
    fn connect(cluster: &Arc<Cluster>) -> Self {
        let (stream, theirs) = duplex(1 << 20);
        let entrance = cluster.security.entrances[0].clone();
        let login = entrance.login(Principal::anonymous());
        let place = Place::accept(cluster.metrics.connections.of_node(1), Stage::Open);
        let counters = cluster.metrics.requests.counters(1);
        let session = Session {
            id: 1,
            node_id: 1,
            entrance,
            peer: None,
            login,
            coming: Default::default(),
            place,
            counters,
        };
        let session = Arc::new(session);
        let login_by = Instant::now() + cluster.security.limits.login_timeout;
        let connection = Connection::new(theirs, cluster.clone(), session, login_by);
        Self { stream, served: tokio::spawn(connection.serve()), next: 0 }
    }

    async fn send<R: Request>(&mut self, request: &R, version: i16) {
        self.next += 1;
        let frame = encode_request(request, version, self.next, "test").unwrap();
        for part in frame.into_parts() {
            self.stream.write_all(&part).await.unwrap();
        }
    }

    async fn ask<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        self.send(request, version).await;
        let len = self.stream.read_i32().await?;
        let mut frame = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut frame).await?;
        let (_, response) = decode_response::<R>(frame.into(), version).unwrap();
        Ok(response)
    }

    async fn handshake(&mut self, mechanism: &str) -> i16 {
        let request = SaslHandshakeRequest { mechanism: Str::from(mechanism) };
        self.ask(&request, 1).await.unwrap().error_code
    }

    async fn token(&mut self, token: &str) -> SaslAuthenticateResponse {
        let auth_bytes = Bytes::from(token.to_owned());
        self.ask(&SaslAuthenticateRequest { auth_bytes }, 2).await.unwrap()
    }

    async fn plain(&mut self, user: &str, password: &str) -> SaslAuthenticateResponse {
        assert_eq!(self.handshake("PLAIN").await, 0);
        self.token(&format!("\0{user}\0{password}")).await
    }

    async fn metadata(&mut self) -> io::Result<MetadataResponse> {
        self.ask(&MetadataRequest { topics: None, ..Default::default() }, 9).await
    }

    async fn ended(self) -> String {
        self.served.await.unwrap().unwrap_err().to_string()
    }
}

#[tokio::test]
async fn before_login_only_the_login_is_answered() {
    let cluster = cluster_of(&SecuritySettings::default(), &sasl());
    let mut client = Client::connect(&cluster);
    let versions = client.ask(&ApiVersionsRequest::default(), 0).await.unwrap();
    assert!(versions.api_keys.iter().any(|api| api.api_key == ApiKey::SaslAuthenticate as i16));
    client.send(&MetadataRequest::default(), 9).await;
    assert!(client.ended().await.contains("before authentication"));

    let mut client = Client::connect(&cluster);
    let answer = client.plain("alice", "secret").await;
    assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 60_000));
    assert!(client.metadata().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_and_an_unknown_user_get_one_answer_and_no_more() {
    let cluster = cluster_of(&SecuritySettings::default(), &sasl());
    let mut answers = Vec::new();
    for (user, password) in [("alice", "wrong"), ("mallory", "secret"), ("alice", "secret\0")] {
        let mut client = Client::connect(&cluster);
        let answer = client.plain(user, password).await;
        assert_eq!(answer.error_code, ErrorCode::SASL_AUTHENTICATION_FAILED.0);
        assert!(client.ended().await.contains("login failed"));
        answers.push(answer);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_nobody_offers_is_answered_with_those_there_are() {
    let cluster = cluster_of(&SecuritySettings::default(), &sasl());
    let mut client = Client::connect(&cluster);
    let request = SaslHandshakeRequest { mechanism: Str::from_static("GSSAPI") };
    let answer = client.ask(&request, 1).await.unwrap();
    assert_eq!(answer.error_code, ErrorCode::UNSUPPORTED_SASL_MECHANISM.0);
    assert_eq!(answer.mechanisms, ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]);
    assert!(client.ended().await.contains("login failed"));
}

#[tokio::test]
async fn without_sasl_there_is_no_login() {
    let cluster = cluster(&SecuritySettings::default());
    let mut client = Client::connect(&cluster);
    assert_eq!(client.handshake("PLAIN").await, ErrorCode::ILLEGAL_SASL_STATE.0);
    assert_eq!(client.token("x").await.error_code, ErrorCode::ILLEGAL_SASL_STATE.0);
    assert!(client.metadata().await.is_ok());
}

#[tokio::test]
async fn a_session_that_ran_out_is_renewed_or_ended() {
    let cluster = cluster_of(&SecuritySettings::default(), &sasl());
    let (mut renewed, mut ended) = (Client::connect(&cluster), Client::connect(&cluster));
    for client in [&mut renewed, &mut ended] {
        assert_eq!(client.plain("alice", "secret").await.error_code, 0);
    }
    cluster.clock.advance(Duration::from_secs(61));
    assert_eq!(renewed.plain("alice", "secret").await.error_code, 0);
    assert!(renewed.metadata().await.is_ok());
    ended.send(&MetadataRequest::default(), 9).await;
    assert!(ended.ended().await.contains("connections.max.reauth.ms"));
}

#[tokio::test(start_paused = true)]
async fn frames_before_login_are_small() {
    let cluster = cluster_of(&SecuritySettings::default(), &sasl());
    let mut client = Client::connect(&cluster);
    client.stream.write_i32(MAX_LOGIN_FRAME_BYTES + 1).await.unwrap();
    assert!(client.ended().await.contains("socket.request.max.bytes"));
}

#[tokio::test(start_paused = true)]
async fn two_thousand_slow_clients_are_turned_away_and_hurt_nobody() {
    let open = SecuritySettings::default();
    let cluster = cluster(&open);
    let started = Instant::now();
    let mut slow = Vec::new();
    for i in 0..2_000 {
        let mut client = Client::connect(&cluster);
        // Each claims the largest request there is.
        client.stream.write_i32(100 << 20).await.unwrap();
        if i % 10 == 0 {
            client.stream.write_all(&vec![0; 128 * 1024]).await.unwrap();
        }
        slow.push(client);
    }
    let mut healthy = Client::connect(&cluster);
    assert!(healthy.metadata().await.is_ok());
    assert_eq!(started.elapsed(), Duration::ZERO, "nobody waited");
    for client in slow {
        assert!(client.ended().await.contains("too slowly"));
    }
    assert!(started.elapsed() <= Duration::from_secs(15), "{:?}", started.elapsed());
    assert!(healthy.metadata().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_trickle_does_not_keep_a_connection() {
    let cluster = cluster(&SecuritySettings::default());
    let started = Instant::now();
    let mut client = Client::connect(&cluster);
    client.stream.write_i32(1000).await.unwrap();
    while !client.served.is_finished() {
        let _ = client.stream.write_all(&[0]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(client.ended().await.contains("too slowly"));
    assert!(started.elapsed() <= Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn a_login_has_its_time() {
    let cluster = cluster_of(&SecuritySettings::default(), &sasl());
    let started = Instant::now();
    let mut client = Client::connect(&cluster);
    assert_eq!(client.handshake("SCRAM-SHA-256").await, 0);
    assert!(client.ended().await.contains("no login"));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_memory_wait_for_each_other_and_all_are_answered() {
    let limits = ConnectionLimits { request_memory_bytes: 1 << 20, ..ConnectionLimits::default() };
    let cluster = cluster(&SecuritySettings { limits, ..SecuritySettings::default() });
    // A request of 600,000 bytes, most of them a name that no topic can have.
    let request = CreateTopicsRequest {
        topics: (0..20)
            .map(|_| create_topics_request::CreatableTopic {
                name: Str::from("x".repeat(30_000)),
                ..Default::default()
            })
            .collect(),
        ..CreateTopicsRequest::default()
    };
    let asking = (0..8).map(|_| {
        let (cluster, request) = (cluster.clone(), request.clone());
        tokio::spawn(async move { Client::connect(&cluster).ask(&request, 4).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap().unwrap().topics.len(), 20);
    }
    let mut all = Reserved::default();
    assert!(cluster.memory.try_reserve(&mut all, 1 << 20), "all of it is free again");
}

#[tokio::test]
async fn acls_decide_what_is_seen_and_done() {
    let sasl = SaslSettings::new().user("root", "r").user("alice", "a").user("bob", "b");
    let settings = SecuritySettings {
        acls: Some(AclSettings::new().super_user("User:root")),
        ..SecuritySettings::default()
    };
    let cluster = cluster_of(&settings, &SecurityProtocol { tls: None, sasl: Some(sasl) });
    for topic in ["orders-eu", "payments"] {
        let endpoint = Endpoint { host: Str::from_static("localhost"), port: 1 };
        cluster.nodes.add(1, vec![endpoint]);
        cluster.create_topic(topic, Default::default(), false).unwrap();
    }
    let (mut root, mut alice) = (Client::connect(&cluster), Client::connect(&cluster));
    assert_eq!(root.plain("root", "r").await.error_code, 0);
    assert_eq!(alice.plain("alice", "a").await.error_code, 0);
    assert_eq!(alice.metadata().await.unwrap().topics.len(), 0);
    let denied = alice.ask(&acl_on("orders-", 4), 3).await.unwrap().results;
    assert_eq!(denied[0].error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED.0);
    let made = root.ask(&acl_on("orders-", 4), 3).await.unwrap().results;
    assert_eq!(made[0].error_code, 0);
    let seen = alice.metadata().await.unwrap().topics;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].name.as_deref(), Some("orders-eu"));
    let delete = DeleteTopicsRequest {
        topic_names: vec![Str::from_static("orders-eu"), Str::from_static("no-such")],
        ..DeleteTopicsRequest::default()
    };
    for result in alice.ask(&delete, 4).await.unwrap().responses {
        assert_eq!(result.error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED.0, "{:?}", result.name);
    }
    let heartbeat = HeartbeatRequest { group_id: Str::from_static("g"), ..Default::default() };
    let refused = alice.ask(&heartbeat, 3).await.unwrap();
    assert_eq!(refused.error_code, ErrorCode::GROUP_AUTHORIZATION_FAILED.0);
    for (key_type, code) in [
        (0, ErrorCode::GROUP_AUTHORIZATION_FAILED),
        (1, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
    ] {
        let key = Str::from_static("g");
        let find = FindCoordinatorRequest { key, key_type, ..Default::default() };
        assert_eq!(alice.ask(&find, 2).await.unwrap().error_code, code.0);
        assert_eq!(root.ask(&find, 2).await.unwrap().error_code, 0);
    }
    let described = root.ask(&all_acls(), 3).await.unwrap();
    assert_eq!((described.error_code, described.resources.len()), (0, 1));
    let refused = alice.ask(&all_acls(), 3).await.unwrap();
    assert_eq!(refused.error_code, ErrorCode::CLUSTER_AUTHORIZATION_FAILED.0);
}

/// Alice may read what begins with `name`.
fn acl_on(name: &str, pattern: i8) -> CreateAclsRequest {
    CreateAclsRequest {
        creations: vec![create_acls_request::AclCreation {
            resource_type: 2,
            resource_name: Str::from(name),
            resource_pattern_type: pattern,
            principal: Str::from_static("User:alice"),
            host: Str::from_static("*"),
            operation: 3,
            permission_type: 3,
        }],
    }
}

fn all_acls() -> DescribeAclsRequest {
    DescribeAclsRequest {
        resource_type_filter: 1,
        resource_name_filter: None,
        pattern_type_filter: 1,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
    }
}
