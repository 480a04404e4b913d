//! The same request again.

use super::wire::{JSON, Stage, post};

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
    let request = |query: &str| {
        post(&format!("/topics/a{query}"), &format!("{JSON}idempotency-key: a\r\n"), "[1,2]")
    };
    assert_eq!(stage.ask(request("")).await.status, 202);
    assert_eq!(stage.ask(request("?split=array")).await.status, 422);
    assert_eq!(stage.wal.state().next, 1);
}
