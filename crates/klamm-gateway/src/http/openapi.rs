//! Pure: what can be asked of the gateway, as OpenAPI 3.1 has it.

use crate::route::{Route, Routes, Source};
use http::Method;
use serde_json::{Map, Value, json};

/// Where the document is.
pub(super) const PATH: &str = "/openapi.json";

/// What a request to a topic can be answered with.
const TOPIC: [(u16, &str); 15] = [
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
    (404, "The topic does not have the partition that a record names, as Kafka says"),
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

/// A path that is always there, and one that is of it.
struct BuiltIn {
    method: Method,
    path: &'static str,
    example: &'static str,
    operation: fn(&Value, &Value) -> Value,
}

const BUILT_IN: [BuiltIn; 5] = [
    BuiltIn {
        method: Method::POST,
        path: "/topics/{topic}",
        example: "/topics/-",
        operation: |error, _| topic(error, &[parameter("topic", "string")]),
    },
    BuiltIn {
        method: Method::GET,
        path: "/topics/{topic}/events",
        example: "/topics/-/events",
        operation: |error, _| events(error),
    },
    BuiltIn {
        method: Method::POST,
        path: "/topics/{topic}/partitions/{partition}",
        example: "/topics/-/partitions/0",
        operation: |error, _| {
            topic(error, &[parameter("topic", "string"), parameter("partition", "integer")])
        },
    },
    BuiltIn {
        method: Method::POST,
        path: "/v3/clusters/{cluster}/topics/{topic}/records",
        example: "/v3/clusters/-/topics/-/records",
        operation: |_, confluent| v3(confluent, 200, STREAM),
    },
    BuiltIn {
        method: Method::POST,
        path: "/v3/clusters/{cluster}/topics/{topic}/records:batch",
        example: "/v3/clusters/-/topics/-/records:batch",
        operation: |_, confluent| v3(confluent, 207, BATCH),
    },
];

/// Methods that OpenAPI knows.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
    Method::HEAD,
    Method::PATCH,
    Method::TRACE,
];

/// The document of a gateway of this version with these routes, written out.
pub(super) fn document(version: &str, routes: &Routes) -> String {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "klamm gateway",
            "version": version,
            "description": "HTTP in front of Kafka: what is accepted is written down first, and reaches Kafka.",
        },
        "paths": paths(routes),
        "components": { "schemas": schemas() },
    })
    .to_string()
}

fn paths(routes: &Routes) -> Value {
    let error = json!({ "$ref": "#/components/schemas/Problem" });
    let confluent = json!({ "$ref": "#/components/schemas/ConfluentError" });
    let this = json!({
        "summary": "This document",
        "responses": { "200": {
            "description": "What can be asked of this gateway",
            "content": { "application/json": { "schema": { "type": "object" } } },
        } },
    });
    let mut paths = json!({ PATH: { "get": this } });
    for route in routes.configured() {
        for method in route.methods().iter().filter(|method| METHODS.contains(method)) {
            let name = method.as_str().to_ascii_lowercase();
            paths[route.pattern().text().as_ref()][name] = configured(&error, route);
        }
    }
    for BuiltIn { method, path, example, operation } in BUILT_IN {
        // A route of the configuration may stand before it.
        let found = routes.find(&method, example);
        if found
            .is_ok_and(|found| !routes.configured().any(|r| std::ptr::eq(r.rules(), found.rules)))
        {
            let name = method.as_str().to_ascii_lowercase();
            paths[path][name] = operation(&error, &confluent);
        }
    }
    paths
}

fn configured(error: &Value, route: &Route) -> Value {
    let rules = route.rules();
    let mut parameters: Vec<Value> =
        route.pattern().names().map(|name| parameter(name, "string")).collect();
    let sources = [
        (&rules.key, "The key of every record", rules.key_required),
        (&rules.timestamp, "The timestamp of every record", false),
    ];
    for (source, description, required) in sources {
        let mut parameter = match source {
            Some(Source::Header(name)) => header(name.as_str(), description),
            Some(Source::Query(name)) => query(name, &json!({ "type": "string" }), description),
            _ => continue,
        };
        parameter["required"] = required.into();
        parameters.push(parameter);
    }
    let mut operation = topic(error, &parameters);
    let set = [
        (rules.key.is_some(), "key"),
        (rules.partition.is_some(), "partition"),
        (rules.timestamp.is_some(), "timestamp"),
    ];
    if let Some(all) = operation["parameters"].as_array_mut() {
        let (mut at, own) = (0, parameters.len());
        // What the route says itself cannot be said in the query.
        all.retain(|one| {
            at += 1;
            let refused =
                |(set, name): (bool, &str)| set && one["name"] == name && one["in"] == "query";
            at <= own || !set.into_iter().any(refused)
        });
    }
    operation["summary"] = format!("Produces records by the route {}", rules.name).into();
    operation
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
    use crate::route::{Pattern, Rules};
    use std::collections::BTreeSet;

    fn routes() -> Routes {
        let route = |methods: &[Method], path: &str, topic: &str, key: Option<Source>| {
            let mut rules = Rules::new(path);
            (rules.key, rules.key_required) = (key, true);
            Route::new(methods, Pattern::parse(path).unwrap(), topic, rules).unwrap()
        };
        let header = Source::Header("x-customer".parse().unwrap());
        let routes = vec![
            route(&[], "/shops/{shop}/orders", "orders-{shop}", Some(header)),
            route(
                &[Method::PUT, Method::PATCH],
                "/hooks",
                "hooks",
                Some(Source::Query("id".into())),
            ),
            route(&[Method::PUT], "/topics/{any}/partitions/{n}", "t", None),
        ];
        Routes::new(routes, Some(Routes::usual())).unwrap().with_events()
    }

    fn parsed() -> Value {
        serde_json::from_str(&document("1.2.3", &routes())).unwrap()
    }

    #[test]
    fn every_path_of_the_document_is_there_and_every_path_is_in_the_document() {
        let (routes, document) = (routes(), parsed());
        let mut reached = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let asked = path.replace("{partition}", "7").replace(['{', '}'], "");
            for (method, operation) in methods.as_object().unwrap() {
                let named = operation["parameters"].as_array().into_iter().flatten();
                let named = named.filter(|one| one["in"] == "path").count();
                assert_eq!(named, path.matches('{').count(), "{path}");
                if path == PATH {
                    continue;
                }
                let method: Method = method.to_uppercase().parse().unwrap();
                let matched = routes.find(&method, &asked).unwrap();
                let target = std::mem::discriminant(&matched.target);
                reached
                    .insert(format!("{} {target:?} {:?}", matched.rules.name, matched.partition));
            }
        }
        // Three routes; of the paths that are always there, one is behind the third route.
        assert_eq!(reached.len(), 3 + 4, "{reached:?}");
        let rules: Vec<_> = routes.rules().map(|rules| &*rules.name).collect();
        for name in rules {
            assert!(reached.iter().any(|one| one.starts_with(name)), "{name}");
        }
        assert!(document["paths"]["/topics/{topic}/partitions/{partition}"].is_null());
    }

    #[test]
    fn what_a_route_reads_is_a_parameter_and_what_it_says_is_none() {
        let document = parsed();
        let names = |path: &str, method: &str| -> Vec<String> {
            let all = document["paths"][path][method]["parameters"].as_array().unwrap();
            all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        let orders = names("/shops/{shop}/orders", "post");
        assert_eq!(orders[..3], ["shop", "x-customer", "partition"]);
        assert_eq!(names("/hooks", "put")[..2], ["id", "partition"]);
        assert_eq!(names("/hooks", "patch"), names("/hooks", "put"));
        assert_eq!(document["paths"]["/hooks"]["put"]["parameters"][0]["required"], true);
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
