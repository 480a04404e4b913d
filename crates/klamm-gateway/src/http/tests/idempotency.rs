//! The same request again.

use super::stage::{JSON, Stage, post};

#[tokio::test]
async fn the_same_request_is_answered_the_same_again() {
    let mut stage = Stage::new().await;
    for name in ["idempotency-key: a\r\n", "webhook-id: b\r\n"] {
        let request = post("/topics/a", &format!("{JSON}{name}"), "[1,2]");
        let first = stage.ask(&request).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (202, None));
        let again = stage.ask(&request).await;
        assert_eq!((again.status, &again.body), (202, &first.body));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(stage.values(2).await, ["[1,2]", "[1,2]"]);
    let state = stage.server.state();
    assert_eq!((state.records, state.replayed, stage.wal.state().next), (2, 2, 2));
}

#[tokio::test]
async fn another_request_of_the_same_name_is_refused() {
    let stage = Stage::new().await;
    let request = |query: &str, body: &str| {
        post(&format!("/topics/a{query}"), &format!("{JSON}idempotency-key: a\r\n"), body)
    };
    assert_eq!(stage.ask(request("", "[1,2]")).await.status, 202);
    for (query, body) in [("?split=array", "[1,2]"), ("?key=k", "[1,2]"), ("", "[1,3]")] {
        assert_eq!(stage.ask(request(query, body)).await.status, 422);
    }
    assert_eq!(stage.ask(request("", "[1,2]")).await.status, 202);
    assert_eq!(stage.wal.state().next, 1);
}

#[tokio::test]
async fn of_a_batch_of_events_only_the_new_are_taken() {
    let mut stage = Stage::new().await;
    let event = |id: &str| {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":"{id}"}}"#)
    };
    let batch = "content-type: application/cloudevents-batch+json\r\n";
    let ask = |ids: &[&str]| {
        let events: Vec<String> = ids.iter().map(|id| event(id)).collect();
        post("/topics/a", batch, format!("[{}]", events.join(",")))
    };
    assert_eq!(stage.ask(ask(&["a", "b"])).await.json()["count"], 2);
    let mixed = stage.ask(ask(&["b", "c"])).await;
    assert_eq!((mixed.status, mixed.json()["count"].clone()), (202, 1.into()));
    assert_eq!(mixed.header("idempotency-replayed"), Some("true"));
    assert_eq!(stage.ask(ask(&["c", "a"])).await.status, 202);
    assert_eq!(stage.values(3).await, ["\"a\"", "\"b\"", "\"c\""]);
    assert_eq!(stage.wal.state().next, 3);
}
