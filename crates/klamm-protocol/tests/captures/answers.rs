//! What Kafka answered, read by klamm.

use super::files::{Captured, Client, all, answer, of};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::header::decode_response;
use klamm_protocol::message::{
    ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest,
};

#[test]
fn versions_that_were_used_had_been_offered() {
    for client in Client::ALL {
        let offered = answer::<ApiVersionsRequest>(client);
        assert_eq!(offered.error_code, 0);
        for c in of(client).iter().filter(|c| c.api != ApiKey::ApiVersions) {
            let range = offered.api_keys.iter().find(|a| a.api_key == c.api as i16).unwrap();
            assert!((range.min_version..=range.max_version).contains(&c.version), "{c}");
        }
    }
}

#[test]
fn a_version_too_new_is_refused_in_version_0_with_the_range_there_is() {
    let refused = |c: &Captured| c.is_response() && c.response_version() != c.version;
    let answers: Vec<_> = all().into_iter().filter(refused).collect();
    // librdkafka starts with version 3, which the broker knows.
    assert_eq!(
        answers.iter().map(|c| c.client).collect::<Vec<_>>(),
        [Client::Java, Client::FranzGo]
    );
    for c in answers {
        let (_, body) = decode_response::<ApiVersionsRequest>(c.frame.clone(), 0).unwrap();
        let [range] = &body.api_keys[..] else { panic!("{c}: {:?}", body.api_keys) };
        assert_eq!((range.api_key, range.max_version), (ApiKey::ApiVersions as i16, 4), "{c}");
        assert!(c.version > range.max_version, "{c}");
    }
}

#[test]
fn the_topic_has_one_partition_led_by_the_broker_behind_the_proxy() {
    for client in Client::ALL {
        let metadata = answer::<MetadataRequest>(client);
        let [broker] = &metadata.brokers[..] else { panic!("{:?}", metadata.brokers) };
        assert_eq!(broker.host, "127.0.0.1");
        let [topic] = &metadata.topics[..] else { panic!("{:?}", metadata.topics) };
        assert_eq!((topic.error_code, topic.name.as_deref()), (0, Some("capture")));
        assert!(!topic.topic_id.is_zero());
        let [partition] = &topic.partitions[..] else { panic!("{:?}", topic.partitions) };
        assert_eq!((partition.error_code, partition.leader_id), (0, broker.node_id));
        assert_eq!(partition.replica_nodes, [broker.node_id]);
    }
}

#[test]
fn kafka_took_every_batch() {
    // Each client wrote five batches of eleven records, and the first of them without a codec.
    for (client, first) in Client::ALL.into_iter().zip([0, 55, 110]) {
        let producer = answer::<InitProducerIdRequest>(client);
        assert_eq!((producer.error_code, producer.producer_epoch), (0, 0));
        let produced = answer::<ProduceRequest>(client);
        let [topic] = &produced.responses[..] else { panic!("{:?}", produced.responses) };
        let [partition] = &topic.partition_responses[..] else { panic!("{topic:?}") };
        assert_eq!((partition.index, partition.error_code), (0, 0));
        assert_eq!((partition.base_offset, partition.log_append_time_ms), (first, -1));
    }
}
