//! Long poll, and what both ways to read are refused for.

use crate::stage::{Stage, until};
use klamm_broker::Broker;
use klamm_gateway::events::Cursor;
use klamm_gateway::guard::{Allowance, Guard, GuardConfig, Topics};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn polls_go_on_where_the_last_one_ended() {
    let stage = Stage::new(Broker::builder().topic("t", 3)).await;
    assert_eq!(stage.poll("t", "from=earliest").await.0, [] as [Value; 0]);
    stage.put_numbers("t", 0..30).await;
    let (mut seen, mut next) = (Vec::new(), "earliest".to_owned());
    for _ in 0..4 {
        let (values, cursor) = stage.poll("t", &format!("from={next}&limit=7")).await;
        assert_eq!(values.len(), 7);
        seen.extend(values);
        next = cursor;
    }
    let (values, next) = stage.poll("t", &format!("from={next}")).await;
    seen.extend(values);
    let mut seen: Vec<u64> = seen.iter().map(|value| value.as_u64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
    assert_eq!(stage.poll("t", &format!("from={next}")).await, (vec![], next));
    assert_eq!(stage.state().readers.records, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_waits_for_the_first_record_and_no_longer() {
    let stage = Stage::new(Broker::builder().topic("t", 2)).await;
    let began = Instant::now();
    let polls = stage.poll("t", "wait=30");
    let puts = async {
        until("somebody reads", || stage.state().readers.readers == 1).await;
        // Where it begins may not be known yet: what comes before that is not told.
        loop {
            stage.put("t", "", "1").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (values, _) = tokio::select! {
        polled = polls => polled,
        () = puts => unreachable!("it goes on"),
    };
    assert!(!values.is_empty() && values.iter().all(|value| *value == json!(1)), "{values:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(stage.poll("t", "wait=1&key=nobody").await.0, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_to_begin_and_what_to_read_can_be_said() {
    let stage = Stage::new(Broker::builder().topic("t", 2)).await;
    for (number, partition) in [(1, 0), (2, 1), (3, 0)] {
        let query = format!("partition={partition}&timestamp={number}000&key={partition}");
        stage.put("t", &query, &number.to_string()).await;
    }
    let table: [(&str, &[u64]); 8] = [
        ("from=earliest", &[1, 2, 3]),
        ("from=latest", &[]),
        ("", &[]),
        ("from=2000", &[2, 3]),
        ("from=1970-01-01T00:00:02.5Z", &[3]),
        ("from=earliest&partition=1", &[2]),
        ("from=earliest&partition=0,1", &[1, 2, 3]),
        ("from=earliest&key=0", &[1, 3]),
    ];
    for (query, expected) in table {
        let (values, _) = stage.poll("t", query).await;
        let mut values: Vec<u64> = values.iter().map(|value| value.as_u64().unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_came_since_are_read_from_their_beginning() {
    let stage = Stage::new(Broker::builder().topic("t", 1)).await;
    let (_, whole) = stage.poll("t", "").await;
    let (_, one) = stage.poll("t", "partition=0").await;
    stage.client().await.admin().add_partitions("t", 2).await.unwrap();
    stage.put_elsewhere("t", 1, "5").await;
    assert_eq!(stage.poll("t", &format!("from={whole}")).await.0, [json!(5)]);
    assert_eq!(stage.poll("t", &format!("from={one}")).await.0, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_said_to_be_gone() {
    let settings = [("retention.ms".to_owned(), "1000".to_owned())];
    let stage = Stage::new(Broker::builder().topic_with("t", 1, settings)).await;
    stage.put("t", "", "1\n2\n3").await;
    let (_, old) = stage.poll("t", "from=earliest&limit=1").await;
    // Less than the five minutes after which the broker would remove them by itself, at the same time as the line below.
    stage.broker.controls().advance_clock(Duration::from_secs(60));
    assert!(stage.broker.controls().retain() > 0);
    let beyond = Cursor::new(true, [(0, 99)].into()).encode("t");
    for cursor in [old, beyond] {
        for accept in ["", "accept: text/event-stream\r\n"] {
            let path = format!("/topics/t/events?from={cursor}");
            let reply = stage.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n{accept}\r\n")).await;
            assert_eq!(reply.status, 410);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            let earliest = reply.json()["earliest"].as_str().unwrap().to_owned();
            assert_eq!(stage.poll("t", &format!("from={earliest}")).await.0, [] as [Value; 0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused() {
    let stage = Stage::with(Broker::builder().topic("a", 1).topic("b", 1), |service, events| {
        let mut guard = GuardConfig::default();
        let read = Topics::parse(&["a", "missing"]).unwrap();
        guard.anonymous = Some(Allowance { read, ..Allowance::default() });
        service.guard = Guard::start(guard).unwrap();
        events.readers = 2;
    })
    .await;
    let status = async |path: &str| stage.get(path).await.status;
    assert_eq!(status("/topics/a/events").await, 200);
    assert_eq!(status("/topics/b/events").await, 403);
    assert_eq!(status("/topics/missing/events").await, 404);
    assert_eq!(status("/topics/a/events?partition=1").await, 404);
    assert_eq!(status("/topics/a/events?form=latest").await, 400);
    assert_eq!(status("/topics/..%2F/events").await, 400);
    let other = Cursor::new(false, [(0, 0)].into()).encode("b");
    assert_eq!(status(&format!("/topics/a/events?from={other}")).await, 400);
    let reply = stage.post("/topics/a/events", "", "").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET")));
    let (first, second) = (stage.listen("a", "", None).await, stage.listen("a", "", None).await);
    let reply = stage.get("/topics/a/events").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
    let state = stage.state().readers;
    assert_eq!((state.readers, state.readers_max), (2, 2));
    drop(first);
    until("a place is free", || stage.state().readers.readers == 1).await;
    assert_eq!(status("/topics/a/events").await, 200);
    drop(second);
    let answers = stage.state().answers;
    let route = answers.iter().find(|answers| &*answers.route == "topics/events");
    assert!(route.is_some(), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_nothing_is_read_and_it_is_said() {
    let stage = Stage::new(Broker::builder().topic("t", 1)).await;
    stage.broker.controls().set_node_up(1, false).await.unwrap();
    let reply = stage.get("/topics/t/events").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")), "{reply:?}");
    stage.broker.controls().set_node_up(1, true).await.unwrap();
    assert_eq!(stage.get("/topics/t/events").await.status, 200);
}
