//! The cap on everything that is stored.

use crate::batch::{batch, records};
use crate::peer::{Peer, start};
use crate::restart::Scratch;
use klamm_broker::{Broker, BrokerConfig};
use std::fs;
use std::path::Path;
use std::time::Duration;

const CAP: u64 = 8 << 20;

pub(crate) fn bytes_in(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        // Removed since it was listed.
        Err(_) => 0,
    };
    entries.map(size).sum()
}

#[tokio::test]
async fn a_directory_stays_under_its_cap_and_keeps_the_newest_records() {
    let scratch = Scratch::new("cap");
    let mut config = BrokerConfig::default();
    config.set("klamm.disk.max.bytes", &CAP.to_string()).unwrap();
    let broker = start(Broker::builder().data(&scratch.0).config(config).topic("t", 2)).await;
    let mut peer = Peer::connect(broker.address()).await;
    let value = "v".repeat(200_000);
    let mut last = 0;
    for n in 0..120 {
        last = peer.produce(n % 2, batch(&[&value])).await.base_offset;
        assert!(bytes_in(&scratch.0) <= CAP, "after {n} records");
    }
    assert!(bytes_in(&scratch.0) > CAP / 2, "no more goes than has to");
    assert_eq!(records(peer.fetch(1, last).await).len(), 1);
    broker.stop().await.unwrap();
}

/// A topic with `cleanup.policy=compact` keeps the last value of a key.
#[tokio::test]
async fn old_values_of_a_compacted_topic_go() {
    use crate::batch::keyed;
    use klamm_protocol::message::CreateTopicsRequest;
    use klamm_protocol::message::create_topics_request::{CreatableTopic, CreatableTopicConfig};
    use klamm_protocol::primitives::Str;
    let broker = start(Broker::builder()).await;
    let mut peer = Peer::connect(broker.address()).await;
    let setting = |name: &str, value: &str| CreatableTopicConfig {
        name: Str::from(name),
        value: Some(Str::from(value)),
    };
    let topic = CreatableTopic {
        name: Str::from_static("t"),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![setting("cleanup.policy", "compact"), setting("segment.bytes", "1000")],
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    assert_eq!(peer.call(5, &request).await.topics[0].error_code, 0);
    for n in 0..100 {
        let answer = peer.produce(0, keyed(&format!("k{}", n % 2), &n.to_string())).await;
        assert_eq!(answer.error_code, 0);
    }
    assert_eq!(records(peer.read_all(0).await).len(), 100);
    // `log.cleaner.backoff.ms`, long before anything is looked at for its age.
    broker.clock().advance(Duration::from_secs(15));
    let compacted = async {
        loop {
            let left = records(peer.read_all(0).await);
            if left.len() < 40 {
                return left;
            }
        }
    };
    let left = tokio::time::timeout(Duration::from_secs(20), compacted).await.unwrap();
    assert_eq!(left.last(), Some(&(99, "99".to_owned())));
}
