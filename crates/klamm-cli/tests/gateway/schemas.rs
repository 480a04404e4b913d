//! JSON Schema on a route, from the file to the answer.

use crate::stage::{Dir, Serving, output, records};

const SCHEMA: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id", "lines"],
    "properties": {
        "id": { "type": "integer", "minimum": 1 },
        "lines": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/line" } }
    },
    "$defs": { "line": { "required": ["sku"], "properties": { "sku": { "pattern": "^[A-Z]{2}-\\d+$" } } } }
}"##;

#[test]
fn a_record_follows_the_schema_of_its_route_or_is_refused_with_the_place() {
    let dir = Dir::new();
    let broker = Serving::broker("127.0.0.1:0", &dir.path("broker"));
    let schema = dir.file("order.json", SCHEMA);
    let route =
        format!("[[route]]\npath = \"/orders\"\ntopic = \"orders\"\nschema = \"{schema}\"\n");
    let config = dir.file("gateway.toml", &route);
    let more = ["--config", &config, "-b", &broker.address];
    let gateway = Serving::gateway(&dir.path("log"), &more);
    let right = r#"{"id":1,"lines":[{"sku":"AB-1"}]}"#;
    assert_eq!(gateway.json("/orders", right).status, 202);
    let refused = gateway.json("/orders", r#"{"id":2,"lines":[{"sku":"AB-1"},{"sku":"ab"}]}"#);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let problem = refused.value();
    assert_eq!((&problem["pointer"], &problem["record"]), (&"/lines/1/sku".into(), &0.into()));

    let lines = format!("{right}\n{{\"id\":0,\"lines\":[]}}\n");
    let ndjson = ["Content-Type: application/x-ndjson"];
    let all_or_none = gateway.post("/orders", &ndjson, lines.as_bytes());
    assert_eq!((all_or_none.status, &all_or_none.value()["record"]), (422, &1.into()));
    let partial = gateway.post("/orders?partial=true", &ndjson, lines.as_bytes());
    assert_eq!(partial.status, 207, "{partial:?}");
    let told = &partial.value()["refused"][0];
    assert_eq!((&told["index"], &told["status"]), (&1.into(), &422.into()), "{partial:?}");
    let text = gateway.post("/orders", &["Content-Type: text/plain"], b"no JSON");
    assert_eq!(text.status, 422, "{text:?}");
    assert_eq!(gateway.json("/topics/others", "1").status, 202, "other paths have no schema");

    let values: Vec<_> = records(&broker.address, 2).iter().map(|r| r["value"].clone()).collect();
    assert_eq!(values, [right, right], "nothing that was refused is there");
}

#[test]
fn a_schema_that_is_not_understood_is_told_at_the_start() {
    let dir = Dir::new();
    for (schema, says) in [
        (
            "{\"items\": {\"unevaluatedItems\": false}}",
            "\"unevaluatedItems\" is not understood here (at \"/items\"",
        ),
        ("{\"$ref\": \"https://127.0.0.1:1/schema.json\"}", "$ref: expected a place in this file"),
        ("{", "EOF while parsing"),
    ] {
        let schema = dir.file("schema.json", schema);
        let route = format!("[[route]]\npath = \"/a\"\ntopic = \"a\"\nschema = \"{schema}\"\n");
        let config = dir.file("gateway.toml", &route);
        let refused = output(&["gateway", "--config", &config, "-b", "127.0.0.1:1"]);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains("line 4, column 10: schema: ") && told.contains(says), "{told}");
    }
}
