//! `ack=memory`: nothing is written down, nothing is waited for, and there is an end to what is taken.

use crate::stage::{Stage, until};
use klamm_broker::Broker;
use klamm_gateway::Ack;
use klamm_gateway::route::Routes;
use serde_json::json;
use std::time::{Duration, Instant};

const JSON: &str = "content-type: application/json\r\n";

async fn stage() -> Stage {
    Stage::with(Broker::builder().topic("t", 1), |service, _| {
        let mut rules = Routes::usual();
        rules.ack = Ack::Memory;
        service.routes = Routes::new(Vec::new(), Some(rules)).unwrap();
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_says_that_it_may_be_lost_and_the_log_stays_empty() {
    let stage = stage().await;
    let reply = stage.post("/topics/t?split=array", JSON, "[1,2,3]").await;
    assert_eq!((reply.status, reply.json()), (202, json!({ "count": 3, "durable": false })));
    let (values, _) = stage.poll("t", "from=earliest&wait=30").await;
    assert_eq!(values, [json!(1), json!(2), json!(3)]);
    assert_eq!(stage.wal.state().next, 0, "nothing was written down");
    assert_eq!((stage.state().unlogged, stage.state().records), (3, 0));
    until("it is counted", || stage.forwarder.state().unlogged_delivered == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_more_gets_the_log() {
    let stage = stage().await;
    let named = format!("{JSON}idempotency-key: a\r\n");
    assert!(stage.post("/topics/t", &named, "1").await.json()["id"].is_string());
    let again = stage.post("/topics/t", &named, "1").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, Some("true")));
    let waits = format!("{JSON}prefer: wait=30\r\n");
    assert_eq!(stage.post("/topics/t", &waits, "2").await.status, 200);
    let confluent = "content-type: application/vnd.kafka.json.v2+json\r\n";
    let reply = stage.post("/topics/t", confluent, "{\"records\":[{\"value\":3}]}").await;
    assert_eq!((reply.status, &reply.json()["offsets"][0]["partition"]), (200, &json!(0)));
    assert_eq!((stage.wal.state().next, stage.state().unlogged), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_memory_is_full_soon_and_nobody_waits() {
    let stage = stage().await;
    assert_eq!(stage.post("/topics/t", JSON, "0").await.status, 202);
    stage.broker.controls().set_node_up(1, false).await.unwrap();
    let body = format!("\"{}\"", "x".repeat(8 << 10));
    let (began, mut taken) = (Instant::now(), 0);
    let refused = loop {
        let reply = stage.post("/topics/t", JSON, &body).await;
        if reply.status != 202 {
            break reply;
        }
        taken += 1;
        assert!(taken <= 8, "64 KiB is all there is");
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(taken > 0 && began.elapsed() < Duration::from_secs(20));
    assert!(stage.state().refusals.contains(&("memory_full", 1)));
    stage.broker.controls().set_node_up(1, true).await.unwrap();
    until("there is room", || stage.forwarder.state().unlogged_delivered == 1 + taken).await;
    assert_eq!(stage.post("/topics/t", JSON, "1").await.status, 202);
}
