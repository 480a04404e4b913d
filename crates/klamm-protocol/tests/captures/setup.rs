//! The requests before the first record: klamm, told the same, writes the client's bytes.

use super::files::{Captured, Client, all, answer, same, without_length};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::header::encode_request;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::{
    ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, Request,
};

/// From here on the request says which broker it takes the other side for.
const FIRST_WITH_A_CLUSTER: i16 = 5;

fn api_versions(c: &Captured) -> ApiVersionsRequest {
    let (name, version) = match c.client {
        Client::Java => ("apache-kafka-java", "4.4.0"),
        Client::Librdkafka => ("confluent-kafka-python", "2.16.1-rdkafka-2.16.0"),
        Client::FranzGo => ("kgo", "v1.22.2"),
    };
    let mut request = ApiVersionsRequest {
        client_software_name: name.into(),
        client_software_version: version.into(),
        ..Default::default()
    };
    if c.version >= FIRST_WITH_A_CLUSTER {
        let cluster = answer::<MetadataRequest>(c.client);
        request.cluster_id = cluster.cluster_id;
        request.node_id = cluster.brokers[0].node_id;
    }
    request
}

fn metadata(c: &Captured) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some("capture".into()), ..Default::default() };
    MetadataRequest {
        topics: Some(vec![topic]),
        // Producers of Java and librdkafka always ask for it, franz-go's only when it is told to.
        allow_auto_topic_creation: c.client != Client::FranzGo,
        ..Default::default()
    }
}

fn init_producer_id(c: &Captured) -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: None,
        // Without a transactional id no broker looks at it, and each client has a filler of its own.
        transaction_timeout_ms: match c.client {
            Client::Java => i32::MAX,
            Client::Librdkafka => -1,
            Client::FranzGo => 0,
        },
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }
}

fn written<R: Request>(c: &Captured, request: &R) -> Result<(), String> {
    // Counts what the connection has been used for.
    let correlation_id = i32::from_be_bytes(*c.frame[4..].first_chunk().unwrap());
    let frame = encode_request(request, c.version, correlation_id, "capture");
    same(&c.to_string(), &c.frame, &without_length(&frame.map_err(|e| e.to_string())?))
}

fn check(c: &Captured) -> Result<(), String> {
    match c.api {
        ApiKey::ApiVersions => written(c, &api_versions(c)),
        ApiKey::Metadata => written(c, &metadata(c)),
        _ => written(c, &init_producer_id(c)),
    }
}

fn requests() -> impl Iterator<Item = Captured> {
    all().into_iter().filter(|c| c.api != ApiKey::Produce && !c.is_response())
}

#[test]
fn klamm_writes_the_first_requests_of_other_clients_byte_for_byte() {
    let mut checked = 0;
    for c in requests() {
        check(&c).unwrap_or_else(|difference| panic!("{difference}"));
        checked += 1;
    }
    assert!(checked >= 9, "three clients, three requests: {checked}");
}

#[test]
fn no_changed_byte_of_a_request_goes_unnoticed() {
    for c in requests() {
        assert_eq!(check(&c), Ok(()));
        for at in (0..c.frame.len()).filter(|at| !(4..8).contains(at)) {
            assert!(check(&c.flipped(at)).is_err(), "{c}: byte {at}");
        }
    }
}
