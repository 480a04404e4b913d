//! The description of what can be asked, against what is answered.

use super::stage::{JSON, Stage, post};
use serde_json::Value;

#[tokio::test]
async fn what_is_answered_is_described() {
    let stage = Stage::new().await;
    let reply = stage.ask("GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let document: Value = reply.json();
    let topic = "/topics/{topic}";
    let named = format!("{JSON}idempotency-key: a\r\n");
    for (path, request) in [
        (topic, post("/topics/a", &named, "1")),
        (topic, post("/topics/a", &named, "2")),
        (topic, post("/topics/a", JSON, "{")),
        (topic, post("/topics/a", "content-encoding: br\r\n", "1")),
        (topic, post("/topics/a", JSON, "x".repeat(9 << 20))),
        (topic, post("/topics/a?partial", "content-type: application/x-ndjson\r\n", "1\n{")),
        ("/topics/{topic}/partitions/{partition}", post("/topics/a/partitions/1", JSON, "1")),
        (
            "/v3/clusters/{cluster}/topics/{topic}/records:batch",
            post("/v3/clusters/c/topics/a/records:batch", JSON, "{\"entries\":[]}"),
        ),
    ] {
        let mut wire = stage.connect().await;
        let _ = wire.try_send(&request).await;
        let reply = wire.reply().await;
        let described = &document["paths"][path]["post"]["responses"][reply.status.to_string()];
        let content = reply.header("content-type").unwrap();
        assert!(described["content"][content].is_object(), "{path}: {reply:?}");
        let schema = &described["content"][content]["schema"]["$ref"];
        let Some(pointer) = schema.as_str().and_then(|schema| schema.strip_prefix('#')) else {
            continue;
        };
        let required = document.pointer(pointer).unwrap()["required"].as_array().unwrap();
        for field in required {
            assert!(!reply.json()[field.as_str().unwrap()].is_null(), "{field} in {reply:?}");
        }
    }
    let reply =
        stage.ask("POST /openapi.json HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET")));
}
