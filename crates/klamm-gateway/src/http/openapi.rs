//! Pure: what can be asked of the gateway, as OpenAPI 3.1 has it.

use serde_json::{Map, Value, json};

/// Where the document is.
pub(super) const PATH: &str = "/openapi.json";

/// What a request to a topic can be answered with.
const TOPIC: [(u16, &str); 14] = [
    (
        200,
        "Kafka has the records: the client asked to wait for it, or speaks Confluent's version 2",
    ),
    (
        202,
        "The records are in the gateway's log, synced; they reach Kafka, whatever happens. Without an id and with durable=false: \
         they are in memory, as the operator wants it, and may be lost",
    ),
    (207, "Some of the records were taken; the answer says which"),
    (400, "The request cannot be read; the answer says where"),
    (401, "Who asks is not known, or the signature over the body is wrong"),
    (403, "Who asks may not write to this topic"),
    (408, "The body came too slowly"),
    (409, "The request with this name is being taken"),
    (413, "The body, what it decompresses to, or a record is too large"),
    (415, "The body is in a format or an encoding that is not read here"),
    (422, "Another request had this name, there is no record, or Kafka will never take them"),
    (429, "Who asks has asked for too much; Retry-After says when to come back"),
    (431, "The head of the request is too large"),
    (503, "There is no room; Retry-After says when to come back"),
];
/// What of it a batch or a stream of version 3 cannot be answered with.
const NOT_IN_V3: [u16; 3] = [202, 207, 409];

/// The document of the gateway of this version, written out.
pub(super) fn document(version: &str) -> String {
    let error = json!({ "$ref": "#/components/schemas/Problem" });
    let confluent = json!({ "$ref": "#/components/schemas/ConfluentError" });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "klamm gateway",
            "version": version,
            "description": "HTTP in front of Kafka: what is accepted is written down first, and reaches Kafka.",
        },
        "paths": {
            "/topics/{topic}": { "post": topic(&error, &[parameter("topic", "string")]) },
            "/topics/{topic}/events": { "get": events(&error) },
            "/topics/{topic}/partitions/{partition}": {
                "post": topic(&error, &[parameter("topic", "string"), parameter("partition", "integer")]),
            },
            "/v3/clusters/{cluster}/topics/{topic}/records": { "post": v3(&confluent, 200, STREAM) },
            "/v3/clusters/{cluster}/topics/{topic}/records:batch": { "post": v3(&confluent, 207, BATCH) },
        },
        "components": { "schemas": schemas() },
    })
    .to_string()
}

const STREAM: &str =
    "Produces records, one JSON object after the other, and reports on each while they come";
const BATCH: &str = "Produces up to ten records, each with an id and a report";

fn parameter(name: &str, kind: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
}

fn query(name: &str, schema: &Value, description: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": schema, "description": description })
}

fn header(name: &str, description: &str) -> Value {
    let schema = json!({ "type": "string" });
    json!({ "name": name, "in": "header", "schema": schema, "description": description })
}

fn topic(error: &Value, path: &[Value]) -> Value {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let split = json!({ "enum": ["array", "lines"] });
    let mut parameters = path.to_vec();
    parameters.extend([
        query("key", &text, "The key of every record"),
        query("partition", &number, "Where in the topic"),
        query("timestamp", &number, "Milliseconds since 1970"),
        query("split", &split, "What of the body is a record; all of it is otherwise"),
        query("partial", &json!({ "type": "boolean" }), "Lines that are wrong keep no others out"),
        header("Idempotency-Key", "Names the request: it is taken once"),
        header("Prefer", "respond-async, or wait=N for Kafka, in seconds"),
        header("Content-Encoding", "gzip, deflate or zstd"),
    ]);
    let any = json!({ "schema": {} });
    let content = json!({
        "application/json": any,
        "application/x-ndjson": any,
        "text/plain": any,
        "application/octet-stream": any,
        "application/cloudevents+json": any,
        "application/cloudevents-batch+json": any,
        "application/vnd.kafka.json.v2+json": any,
        "application/vnd.kafka.binary.v2+json": any,
    });
    json!({
        "summary": "Produces records to a topic",
        "parameters": parameters,
        "requestBody": { "required": true, "content": content },
        "responses": responses(TOPIC.iter(), error, "application/problem+json"),
    })
}

/// What a request to read a topic can be answered with.
const EVENTS: [(u16, &str); 9] = [
    (200, "Records: as a stream of events, or those of one poll and where to go on"),
    (400, "The query or the cursor cannot be read"),
    (401, "Who asks is not known"),
    (403, "Who asks may not read this topic"),
    (404, "There is no such topic or partition"),
    (
        410,
        "What comes at the cursor is not in Kafka any more; the answer has the cursor of what is",
    ),
    (429, "Who asks has asked for too much; Retry-After says when to come back"),
    (502, "What Kafka has there cannot be read"),
    (503, "There is no room, or no Kafka; Retry-After says when to come back"),
];

fn events(error: &Value) -> Value {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 10_000, "default": 500 });
    let from = "earliest, latest (else), a cursor, or a time: milliseconds since 1970 or RFC 3339";
    let parameters = [
        parameter("topic", "string"),
        query("from", &text, from),
        query("partition", &text, "Which partitions, with commas between them; all of them else"),
        query("key", &text, "Only records with this key"),
        query("wait", &number, "Polls: seconds to wait for the first record"),
        query("limit", &limit, "Polls: how many records at most"),
        header("Accept", "text/event-stream for a stream; a poll else"),
        header("Last-Event-ID", "The id of the last event of a stream: goes on behind it"),
    ];
    let mut responses = responses(EVENTS.iter(), error, "application/problem+json");
    responses["200"]["content"] = json!({
        "application/json": { "schema": { "$ref": "#/components/schemas/Page" } },
        "text/event-stream": { "schema": { "$ref": "#/components/schemas/Record" } },
    });
    json!({ "summary": "Reads a topic", "parameters": parameters, "responses": responses })
}

fn v3(error: &Value, success: u16, summary: &str) -> Value {
    let rows = TOPIC.iter().filter(|(status, _)| {
        *status == success || (*status != 200 && !NOT_IN_V3.contains(status))
    });
    json!({
        "summary": summary,
        "parameters": [parameter("cluster", "string"), parameter("topic", "string")],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {} } } },
        "responses": responses(rows, error, "application/json"),
    })
}

fn responses<'a>(
    rows: impl Iterator<Item = &'a (u16, &'a str)>,
    error: &Value,
    kind: &str,
) -> Value {
    let mut responses = Map::new();
    for (status, description) in rows {
        let content = match status {
            200 | 207 => json!({ "application/json": { "schema": {} } }),
            202 => {
                json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Accepted" } } })
            }
            _ => json!({ kind: { "schema": error } }),
        };
        let response = json!({ "description": description, "content": content });
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

fn schemas() -> Value {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    json!({
        "Accepted": {
            "type": "object",
            "required": ["count"],
            "properties": { "id": text, "count": number, "durable": { "const": false } },
        },
        "Record": record(),
        "Page": {
            "type": "object",
            "required": ["records", "next"],
            "properties": {
                "records": { "type": "array", "items": { "$ref": "#/components/schemas/Record" } },
                "next": text,
            },
        },
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": text, "title": text, "status": number, "detail": text,
                "offset": number, "line": number, "column": number, "earliest": text,
            },
        },
        "ConfluentError": {
            "type": "object",
            "required": ["error_code", "message"],
            "properties": { "error_code": number, "message": text },
        },
    })
}

/// Events have it as their data; their id is the cursor behind it.
fn record() -> Value {
    let number = json!({ "type": "integer" });
    let maybe = json!({ "type": ["string", "null"] });
    let encoding = |names: Value| json!({ "enum": names });
    let text = encoding(json!(["text", "base64", null]));
    let header = json!({
        "type": "object",
        "required": ["name", "value", "encoding"],
        "properties": { "name": { "type": "string" }, "value": maybe, "encoding": text },
    });
    json!({
        "type": "object",
        "required": [
            "topic", "partition", "offset", "timestamp", "key", "key_encoding", "headers", "value",
            "value_encoding",
        ],
        "properties": {
            "topic": { "type": "string" },
            "partition": number, "offset": number, "timestamp": number,
            "key": maybe, "key_encoding": text,
            "headers": { "type": "array", "items": header },
            "value": {}, "value_encoding": encoding(json!(["json", "text", "base64", null])),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Path;
    use crate::route::{Routes, Target};
    use http::Method;

    fn parsed() -> Value {
        serde_json::from_str(&document("1.2.3")).unwrap()
    }

    #[test]
    fn every_path_of_the_document_is_there_and_every_path_is_in_the_document() {
        let routes = Routes::default().with_events();
        let mut kinds = Vec::new();
        for (path, methods) in parsed()["paths"].as_object().unwrap() {
            let asked = path.replace("{topic}", "t").replace("{cluster}", "c");
            let asked = asked.replace("{partition}", "7");
            for method in methods.as_object().unwrap().keys() {
                let method: Method = method.to_uppercase().parse().unwrap();
                let matched = routes.find(&method, &asked).unwrap();
                assert_eq!(matched.partition, path.contains("{partition}").then_some(7));
                kinds.push(std::mem::discriminant(&matched.target));
            }
            assert!(Path::parse(&asked).is_ok());
        }
        let cluster = String::new;
        for target in [
            Target::Topic,
            Target::Events,
            Target::Stream { cluster: cluster() },
            Target::Batch { cluster: cluster() },
        ] {
            assert!(kinds.contains(&std::mem::discriminant(&target)), "{target:?}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn follow(value: &Value, document: &Value) {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            match value {
                Value::Object(fields) => fields.values().for_each(|field| follow(field, document)),
                Value::Array(items) => items.iter().for_each(|item| follow(item, document)),
                _ => {}
            }
        }
        follow(&parsed(), &parsed());
    }
}
