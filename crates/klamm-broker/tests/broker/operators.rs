//! What people ask a broker with Kafka's own tools.

use crate::peer::{Peer, broker, start};
use klamm_broker::Broker;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::alter_client_quotas_request::{EntityData, EntryData, OpData};
use klamm_protocol::message::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use klamm_protocol::message::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use klamm_protocol::message::{
    AlterClientQuotasRequest, AlterPartitionReassignmentsRequest, AlterUserScramCredentialsRequest,
    DescribeClientQuotasRequest, DescribeLogDirsRequest, DescribeUserScramCredentialsRequest,
};
use std::path::{Component, Path, PathBuf};

fn quota(kind: &str, name: &str, key: &str, value: Option<f64>) -> AlterClientQuotasRequest {
    let entity = EntityData { entity_type: kind.into(), entity_name: Some(name.into()) };
    let op = OpData { key: key.into(), value: value.unwrap_or(0.0), remove: value.is_none() };
    let entries = vec![EntryData { entity: vec![entity], ops: vec![op] }];
    AlterClientQuotasRequest { entries, validate_only: false }
}

/// All quotas, as entity, key and value.
async fn quotas(peer: &mut Peer) -> Vec<String> {
    let answer = peer.call(1, &DescribeClientQuotasRequest::default()).await;
    assert_eq!(answer.error_code, 0);
    let shown = answer.entries.unwrap().into_iter().map(|entry| {
        let (part, value) = (&entry.entity[0], &entry.values[0]);
        format!("{} {:?} {} {}", part.entity_type, part.entity_name, value.key, value.value)
    });
    shown.collect()
}

#[tokio::test]
async fn quotas_are_kept() {
    let dir = std::env::temp_dir().join(format!("klamm-quotas-{}", std::process::id()));
    let broker = start(Broker::builder().data(&dir)).await;
    let mut peer = Peer::connect(broker.address()).await;
    assert_eq!(quotas(&mut peer).await, Vec::<String>::new());
    for (request, code) in [
        (quota("user", "u", "producer_byte_rate", Some(5000.0)), ErrorCode::NONE),
        (quota("user", "v", "request_percentage", Some(0.5)), ErrorCode::NONE),
        (quota("user", "v", "connection_creation_rate", Some(1.0)), ErrorCode::INVALID_REQUEST),
        (quota("group", "g", "request_percentage", Some(1.0)), ErrorCode::INVALID_REQUEST),
    ] {
        for version in 0..=1 {
            assert_eq!(peer.call(version, &request).await.entries[0].error_code, code.0);
        }
    }
    let only_asked = quota("user", "w", "request_percentage", Some(0.5));
    let only_asked = AlterClientQuotasRequest { validate_only: true, ..only_asked };
    assert_eq!(peer.call(1, &only_asked).await.entries[0].error_code, 0);
    let both =
        [r#"user Some("u") producer_byte_rate 5000"#, r#"user Some("v") request_percentage 0.5"#];
    assert_eq!(quotas(&mut peer).await, both);
    broker.stop().await.unwrap();

    let broker = start(Broker::builder().data(&dir)).await;
    let mut peer = Peer::connect(broker.address()).await;
    assert_eq!(quotas(&mut peer).await, both);
    peer.call(1, &quota("user", "u", "producer_byte_rate", None)).await;
    assert_eq!(quotas(&mut peer).await, both[1..]);
    broker.stop().await.unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}

/// The same place, as seen from the working directory.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap();
    let normal = |path: &Path| {
        let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
        parts.map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    normal(&here).iter().map(|_| "..".into()).chain(normal(path)).collect()
}

#[tokio::test]
async fn a_log_directory_is_told_so_that_others_find_it() {
    let dir = std::env::temp_dir().join(format!("klamm-operators-{}", std::process::id()));
    let given = relative(&dir);
    assert!(given.is_relative());
    let broker = start(Broker::builder().data(given)).await;
    let mut peer = Peer::connect(broker.address()).await;
    let answer = peer.call(1, &DescribeLogDirsRequest { topics: None }).await;
    let told = PathBuf::from(answer.results[0].log_dir.as_str());
    assert!(told.is_absolute(), "{}", told.display());
    assert_eq!(told.canonicalize().unwrap(), dir.canonicalize().unwrap());
    broker.stop().await.unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn users_are_kept_where_nobody_logs_in() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    // A key of any length is taken, as Kafka does.
    for (salted, code) in [
        (&[][..], ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (&[7; 2_000], ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (&[7; 64], ErrorCode::NONE),
        (b"password", ErrorCode::NONE),
    ] {
        let upsertion = ScramCredentialUpsertion {
            name: "alice".into(),
            mechanism: 2,
            iterations: 4096,
            salt: b"salt"[..].into(),
            salted_password: salted.to_vec().into(),
        };
        let upsertions = vec![upsertion];
        let request = AlterUserScramCredentialsRequest { upsertions, ..Default::default() };
        assert_eq!(peer.call(0, &request).await.results[0].error_code, code.0);
    }
    let answer = peer.call(0, &DescribeUserScramCredentialsRequest { users: None }).await;
    assert_eq!((answer.results.len(), answer.results[0].user.as_str()), (1, "alice"));
    assert_eq!(answer.results[0].credential_infos[0].iterations, 4096);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn partitions_stay_and_whoever_wants_that_is_served() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    for (name, index, replicas, code) in [
        ("t", 1, Some(vec![1]), ErrorCode::NONE),
        ("t", 1, Some(vec![1, 2]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        ("t", 1, None, ErrorCode::NO_REASSIGNMENT_IN_PROGRESS),
        ("t", 2, Some(vec![1]), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("u", 0, Some(vec![1]), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ] {
        let partitions = vec![ReassignablePartition { partition_index: index, replicas }];
        let topics = vec![ReassignableTopic { name: name.into(), partitions }];
        let request = AlterPartitionReassignmentsRequest { topics, ..Default::default() };
        for version in 0..=1 {
            let answer = peer.call(version, &request).await;
            assert_eq!(answer.error_code, 0);
            assert_eq!(answer.responses[0].partitions[0].error_code, code.0, "{name} {index}");
        }
    }
    broker.stop().await.unwrap();
}
