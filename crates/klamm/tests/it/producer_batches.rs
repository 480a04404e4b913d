//! What arrives is what was sent: codecs, headers, nulls, timestamps, large values, divided batches.

use crate::mock::{Cluster, Reaction, bounded, until};
use bytes::Bytes;
use klamm::{Delivery, ErrorCode, ErrorKind, Producer, Record};

/// Text that compresses, different for every record.
fn value(n: usize) -> String {
    format!("{{\"record\":{n},\"text\":\"{}\"}}", "to and fro ".repeat(n % 40))
}

async fn enqueue_all(producer: &Producer, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for n in 0..count {
        let record = Record::to("t").partition(0).value(value(n));
        deliveries.push(bounded(producer.enqueue(record)).await.unwrap());
    }
    deliveries
}

/// The outcomes in order: offsets from `base` on, and the log says the same.
async fn all_arrive(cluster: &Cluster, deliveries: Vec<Delivery>, base: usize) {
    let count = deliveries.len();
    for (n, delivery) in deliveries.into_iter().enumerate() {
        let offset = bounded(delivery).await.unwrap().offset();
        assert_eq!(offset, Some((base + n) as i64));
    }
    let values = cluster.values(0);
    assert_eq!(values.len(), base + count);
    for (n, found) in values[base..].iter().enumerate() {
        assert_eq!(*found, value(n));
    }
}

#[tokio::test]
async fn every_codec_decodes_to_what_was_sent() {
    for (bits, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let cluster = Cluster::start(1, 1).await;
        let (_client, producer) = cluster.producer(&[("compression.type", codec)]).await;
        let deliveries = enqueue_all(&producer, 3000).await;
        all_arrive(&cluster, deliveries, 0).await;
        for header in cluster.headers(0) {
            assert_eq!(header.attributes.codec().map(|c| c as usize), Some(bits), "{codec}");
        }
    }
}

#[tokio::test]
async fn compressed_batches_keep_their_order_through_failures() {
    let cluster = Cluster::start(1, 1).await;
    let settings =
        [("compression.type", "lz4"), ("batch.size", "4000"), ("batch.max.bytes", "8000")];
    let (_client, producer) = cluster.producer(&settings).await;
    cluster.script((0..30).map(|n| match n % 5 {
        1 => Reaction::error(ErrorCode::NOT_ENOUGH_REPLICAS),
        3 => Reaction::disconnect().after_append(),
        _ => Reaction::ok(),
    }));
    let deliveries = enqueue_all(&producer, 2000).await;
    all_arrive(&cluster, deliveries, 0).await;
}

#[tokio::test]
async fn batches_too_large_are_divided_with_five_in_flight() {
    for codec in ["none", "lz4"] {
        let cluster = Cluster::start(1, 1).await;
        let settings =
            [("compression.type", codec), ("batch.size", "8000"), ("batch.max.bytes", "16000")];
        let (_client, producer) = cluster.producer(&settings).await;
        bounded(producer.send(Record::to("t").partition(0).value("first"))).await.unwrap();
        cluster.script([Reaction::ok().held()]);
        let deliveries = enqueue_all(&producer, 2000).await;
        until("five are in flight", || cluster.seen_count() == 6).await;
        let limit = if codec == "none" { 3000 } else { 800 };
        cluster.set_max_message_bytes(limit);
        cluster.release();
        all_arrive(&cluster, deliveries, 1).await;
        assert!(cluster.headers(0).len() > 10, "{codec}: nothing was divided");
    }
}

#[tokio::test]
async fn one_record_too_large_for_the_topic_is_misuse() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[]).await;
    cluster.set_max_message_bytes(1000);
    let large = Record::to("t").partition(0).value(vec![7; 2000]);
    let error = bounded(bounded(producer.enqueue(large)).await.unwrap()).await.unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("MESSAGE_TOO_LARGE"), "{error}");
    bounded(producer.send(Record::to("t").partition(0).value("small"))).await.unwrap();
    assert_eq!(cluster.values(0), ["small"]);
}

#[tokio::test]
async fn one_record_too_large_among_small_ones_is_the_only_loss() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[]).await;
    cluster.set_max_message_bytes(1000);
    let mut deliveries = Vec::new();
    for n in 0..9 {
        let size = if n == 4 { 2000 } else { 50 };
        let record = Record::to("t").partition(0).value(vec![b'0' + n; size]);
        deliveries.push(bounded(producer.enqueue(record)).await.unwrap());
    }
    let mut lost = Vec::new();
    for (n, delivery) in deliveries.into_iter().enumerate() {
        lost.extend(bounded(delivery).await.err().map(|e| (n, e.kind())));
    }
    assert_eq!(lost, [(4, ErrorKind::Misuse)]);
    let firsts: String = cluster.values(0).iter().map(|v| v[..1].to_owned()).collect();
    assert_eq!(firsts, "01235678");
}

#[tokio::test]
async fn record_over_the_request_limit_is_refused_before_it_is_sent() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[("max.request.size", "100000")]).await;
    let record = Record::to("t").value(vec![0; 100_001]);
    let error = bounded(producer.enqueue(record)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("max.request.size"), "{error}");
    assert_eq!(cluster.seen_count(), 0);
}

#[tokio::test]
async fn large_values_arrive_whole_and_among_small_ones() {
    let cluster = Cluster::start(1, 1).await;
    cluster.set_max_message_bytes(8 << 20);
    let (_client, producer) = cluster.producer(&[]).await;
    let large: Vec<Bytes> = (0..6u8).map(|n| Bytes::from(vec![n; 1_000_000])).collect();
    let mut deliveries = Vec::new();
    for value in &large {
        for record in [Record::to("t").value(value.clone()), Record::to("t").value("small")] {
            deliveries.push(bounded(producer.enqueue(record.partition(0))).await.unwrap());
        }
    }
    for delivery in deliveries {
        bounded(delivery).await.unwrap();
    }
    let found = cluster.records(0);
    assert_eq!(found.len(), 12);
    for (n, pair) in found.chunks(2).enumerate() {
        assert!(pair[0].value.as_deref() == Some(&large[n][..]), "value {n}");
        assert_eq!(pair[1].value.as_deref(), Some(&b"small"[..]));
    }
    // Kept by reference while in flight, and let go of afterwards.
    until("the values are free", || large.iter().all(Bytes::is_unique)).await;
}

#[tokio::test]
async fn nulls_headers_and_timestamps_arrive_as_they_were() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) = cluster.producer(&[]).await;
    let records = [
        Record::to("t").key("").value("").timestamp_ms(1_700_000_000_000),
        Record::to("t").timestamp_ms(1),
        Record::to("t").key("k").header("a", "1").null_header("a").header("", "2").timestamp_ms(0),
        Record::to("t").value("v").header("h", "").timestamp_ms(i64::MAX / 2),
    ];
    let records = records.map(|r| r.partition(0));
    let delivered = bounded(producer.send_all(records)).await.unwrap();
    let stamps: Vec<i64> = delivered.iter().map(klamm::Delivered::timestamp_ms).collect();
    let found = cluster.records(0);
    assert_eq!(stamps, found.iter().map(|r| r.timestamp).collect::<Vec<_>>());
    assert_eq!(stamps, [1_700_000_000_000, 1, 0, i64::MAX / 2]);
    let bytes = |s: &str| Some(s.as_bytes().to_vec());
    let keys_and_values: Vec<_> = found.iter().map(|r| (r.key.clone(), r.value.clone())).collect();
    let expected = [(bytes(""), bytes("")), (None, None), (bytes("k"), None), (None, bytes("v"))];
    assert_eq!(keys_and_values, expected);
    let headers = [("a".into(), bytes("1")), ("a".into(), None), (String::new(), bytes("2"))];
    assert_eq!(found[2].headers, headers);
    assert_eq!(found[3].headers, [("h".into(), bytes(""))]);
}

#[tokio::test]
async fn acks_of_none_are_not_waited_for() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) =
        cluster.producer(&[("acks", "0"), ("enable.idempotence", "false")]).await;
    for n in 0..50 {
        let value = format!("{n}");
        let record = Record::to("t").partition(0).value(value);
        assert_eq!(bounded(producer.send(record)).await.unwrap().offset(), None);
    }
    until("all arrive", || cluster.records(0).len() == 50).await;
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(cluster.values(0), expected);
    assert!(
        cluster.seen().iter().all(|s| s.acks == 0 && s.connection == cluster.seen()[0].connection)
    );
}

#[tokio::test]
async fn acks_of_the_leader_without_idempotence_have_no_sequence() {
    let cluster = Cluster::start(1, 1).await;
    let (_client, producer) =
        cluster.producer(&[("acks", "1"), ("enable.idempotence", "false")]).await;
    cluster.script([Reaction::error(ErrorCode::NOT_ENOUGH_REPLICAS)]);
    let delivered = bounded(producer.send(Record::to("t").value("x"))).await.unwrap();
    assert_eq!(delivered.offset(), Some(0));
    assert!(cluster.seen().iter().all(|s| s.acks == 1));
    let header = cluster.headers(0)[0];
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (-1, -1, -1));
}

#[tokio::test]
async fn every_version_of_produce_is_spoken() {
    for version in 3..=13 {
        let cluster = Cluster::start(1, 1).await;
        cluster.offer_produce((version, version));
        let (_client, producer) = cluster.producer(&[]).await;
        let delivered = bounded(producer.send(Record::to("t").value("x"))).await.unwrap();
        assert_eq!(delivered.offset(), Some(0), "version {version}");
    }
}

#[tokio::test]
async fn no_common_version_of_produce_is_told() {
    let cluster = Cluster::start(1, 1).await;
    cluster.offer_produce((90, 99));
    let (_client, producer) = cluster.producer(&[("delivery.timeout.ms", "1500")]).await;
    let delivery = bounded(producer.enqueue(Record::to("t").value("x"))).await.unwrap();
    let error = bounded(delivery).await.unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    assert!(error.to_string().contains("Produce"), "{error}");
}
