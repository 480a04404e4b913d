//! Reads that wait.

use crate::batch::{batch, records};
use crate::peer::{Peer, broker, fetch, produce};
use klamm_protocol::message::FetchRequest;
use std::time::Instant;

#[tokio::test]
async fn a_fetch_ends_when_its_time_is_over() {
    let broker = broker().await;
    let mut peer = Peer::connect(broker.address()).await;
    let began = Instant::now();
    let response = peer.call(11, &fetch(0, 0, 200)).await;
    assert!(began.elapsed().as_millis() >= 200);
    assert_eq!(response.responses[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn every_reader_of_a_partition_is_woken_by_one_append() {
    let broker = broker().await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = Peer::connect(broker.address()).await;
        reader.send(11, &fetch(1, 0, 10_000)).await;
        readers.push(reader);
    }
    let mut writer = Peer::connect(broker.address()).await;
    writer.call(9, &produce(1, batch(&["x"]), -1)).await;
    for mut reader in readers {
        let (_, response) = reader.receive::<FetchRequest>(11).await;
        let bytes = response.responses[0].partitions[0].records.clone().unwrap().to_bytes();
        assert_eq!(records(bytes.to_vec()), [(0, "x".to_owned())]);
    }
}

#[tokio::test]
async fn a_deleted_topic_ends_the_reads_that_wait_for_it() {
    use klamm_protocol::message::DeleteTopicsRequest;
    use klamm_protocol::primitives::Str;
    let broker = broker().await;
    let mut reader = Peer::connect(broker.address()).await;
    reader.send(11, &fetch(0, 0, 10_000)).await;
    let mut admin = Peer::connect(broker.address()).await;
    let request =
        DeleteTopicsRequest { topic_names: vec![Str::from_static("t")], ..Default::default() };
    // The read has to be under way before the topic goes.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(admin.call(4, &request).await.responses[0].error_code, 0);
    let (_, response) = reader.receive::<FetchRequest>(11).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 3);
}
