//! The routes of a configuration file.

use super::asking;
use super::error::Wrong;
use super::given::{Given, Value};
use super::key::{self, Key, Takes};
use super::quota;
use super::settings::GatewayConfig;
use super::signature;
use crate::ack::Ack;
use crate::cors::{Cors, Handshake};
use crate::guard::{Access, Quota, RouteConfig};
use crate::route::{HeaderRule, Pattern, Pointer, Route, Routes, Rules, Source};
use crate::schema::Schema;
use ::http::{HeaderName, Method};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// What an `ack` takes.
pub(super) const ACKS: &str = "wal, kafka or memory";
/// What a list of headers takes.
pub(super) const HEADERS: &str = "a list of names, or of { from = name, to = name }";
const SOURCE: &str = "one of { header = name }, { query = name }, { path = name }, { json = pointer }, \
{ client = \"address\" }, { text = text }";
const TIME: &str = "one of { header = name }, { query = name }, { json = pointer }";

const NO_QUOTA: &str = "route: a quota is for a route that is signed or open to everyone; on others accounts have theirs: \
give it to an [[account]], or to each of them by the quota in [auth]";

/// No schema has more bytes.
const SCHEMA_MAX: u64 = 4 << 20;

/// A route that is being read.
#[derive(Debug)]
pub(super) struct Draft {
    name: Option<String>,
    pattern: Option<Pattern>,
    topic: Option<String>,
    methods: Vec<Method>,
    rules: Rules,
    access: Option<Access>,
    quota: Option<Quota>,
    cors: Option<Cors>,
    handshake: Option<Handshake>,
}

/// The keys of a route.
pub(super) const KEYS: &[Key<Draft>] = &[
    Key {
        name: "path",
        default: "-",
        takes: Takes::Checked(
            "a path, with names in braces for parts that vary",
            |draft, given| {
                let text = text(given).ok_or("expected a path")?;
                draft.pattern = Some(Pattern::parse(text).map_err(|wrong| wrong.to_string())?);
                Ok(())
            },
        ),
        doc: "Which paths it is for, as `/shops/{shop}/orders`. The more a path says from its beginning on, the earlier it \
              is tried; all of them come before those that are always there.",
    },
    Key {
        name: "name",
        default: "its path",
        takes: Takes::Other("a text", |draft, given| {
            draft.name = Some(text(given).filter(|name| !name.is_empty())?.to_owned());
            Some(())
        }),
        doc: "What metrics and messages call it.",
    },
    Key {
        name: "topic",
        default: "-",
        takes: Takes::Other("a topic, with names of the path in braces", |draft, given| {
            draft.topic = Some(text(given)?.to_owned());
            Some(())
        }),
        doc: "Where its records go, as `orders` or `orders-{shop}`.",
    },
    Key {
        name: "methods",
        default: "[\"POST\"]",
        takes: Takes::Other("a list of methods", |draft, given| {
            let Value::List(items) = &given.value else { return None };
            let method = |item| Method::from_bytes(text(item)?.as_bytes()).ok();
            draft.methods = items.iter().map(method).collect::<Option<_>>()?;
            (!draft.methods.is_empty()).then_some(())
        }),
        doc: "Which methods it is for; others get 405.",
    },
    Key {
        name: "key",
        default: "-",
        takes: Takes::Checked(SOURCE, |draft, given| {
            draft.rules.key = Some(source(given, SOURCE)?);
            Ok(())
        }),
        doc: "Where records get their key. Without it: from `?key=`, or from what the records say themselves.",
    },
    Key {
        name: "key_required",
        default: "false",
        takes: Takes::Flag(|draft, required| draft.rules.key_required = required),
        doc: "Whether a request without what `key` reads is refused with 400; else the key is null.",
    },
    Key {
        name: "timestamp",
        default: "-",
        takes: Takes::Checked(TIME, |draft, given| {
            draft.rules.timestamp = Some(source(given, TIME)?);
            Ok(())
        }),
        doc: "Where records get their timestamp: milliseconds since 1970, or a time as RFC 3339 has it. Without it: when \
              the request came.",
    },
    Key {
        name: "partition",
        default: "-",
        takes: Takes::Count(0, 1_000_000, |draft, count| {
            draft.rules.partition = i32::try_from(count).ok();
        }),
        doc: "The partition of all records. Without it: the partitioner's choice.",
    },
    Key {
        name: "headers",
        default: "[]",
        takes: Takes::Checked(HEADERS, |draft, given| {
            draft.rules.headers = headers(given)?;
            Ok(())
        }),
        doc: "Headers of requests that their records get; those that prove who sends cannot be among them.",
    },
    Key {
        name: "validate",
        default: "true",
        takes: Takes::Flag(|draft, checked| draft.rules.checked = checked),
        doc: "Whether a body that calls itself JSON or text has to be that.",
    },
    Key {
        name: "schema",
        default: "-",
        takes: Takes::Checked("a file", |draft, given| {
            let path = text(given).filter(|path| !path.is_empty()).ok_or("expected a file")?;
            draft.rules.schema = Some(schema(path).map_err(|reason| format!("{path}: {reason}"))?);
            Ok(())
        }),
        doc: "A JSON Schema (2020-12, or draft 7) that the value of every record has to follow; others are refused with 422. \
              What it says beyond what is checked here is refused at the start; nothing is fetched. Read at the start.",
    },
    Key {
        name: "ack",
        default: "\"wal\"",
        takes: Takes::Other(ACKS, |draft, given| {
            draft.rules.ack = ack(given)?;
            Some(())
        }),
        doc: "As in `[topics]`.",
    },
    Key {
        name: "body_limit",
        default: "\"8 MiB\"",
        takes: Takes::Bytes(1, 1 << 30, |draft, bytes| draft.rules.body_limit = size(bytes)),
        doc: "As in `[topics]`.",
    },
    Key {
        name: "access",
        default: "\"known\"",
        takes: Takes::Other(signature::ACCESS, |draft, given| {
            draft.access = Some(signature::access(given)?);
            Some(())
        }),
        doc: "Whether those who send have to say who they are, if there is a way to.",
    },
    Key {
        name: "signature",
        default: "-",
        takes: Takes::Nested(signature::SIGNATURE, |draft, given| {
            draft.access = Some(signature::signature(given)?);
            Ok(())
        }),
        doc: "How bodies are signed. Who signs need not say otherwise who they are.",
    },
    Key {
        name: "quota",
        default: "-",
        takes: Takes::Nested(quota::QUOTA, |draft, given| {
            draft.quota = Some(quota::quota("quota", given)?);
            Ok(())
        }),
        doc: "What all may send together on a route that is signed or open to everyone; elsewhere accounts have quotas. \
              Without it: that of `[auth]`.",
    },
    Key {
        name: "cors",
        default: "-",
        takes: Takes::Nested(asking::TABLE, |draft, given| {
            draft.cors = Some(asking::cors(given)?);
            Ok(())
        }),
        doc: "As in `[topics]`.",
    },
    Key {
        name: "handshake",
        default: "-",
        takes: Takes::Nested(asking::TABLE, |draft, given| {
            draft.handshake = Some(asking::handshake(given)?);
            Ok(())
        }),
        doc: "As in `[topics]`.",
    },
    Key {
        name: "ignore_query",
        default: "false",
        takes: Takes::Flag(|draft, ignore| draft.rules.ignore_query = ignore),
        doc: "Whether parameters of a query that nobody knows are passed over; else they are refused with 400.",
    },
];

/// Reads the list of routes, and checks that they go together.
pub(super) fn set_all(config: &mut GatewayConfig, given: &Given) -> Result<(), Wrong> {
    let Value::List(items) = &given.value else {
        return Err(Wrong::new(given.at, "routes are a list: [[route]]"));
    };
    (config.routes, config.guard.routes) = (Vec::new(), Vec::new());
    for item in items {
        route(config, item)?;
    }
    match Routes::new(config.routes.clone(), None) {
        Ok(_) => Ok(()),
        Err((index, error)) => {
            let at = items.get(index).map_or(given.at, |item| item.at);
            Err(Wrong::new(at, format!("route: {error}")))
        }
    }
}

fn route(config: &mut GatewayConfig, given: &Given) -> Result<(), Wrong> {
    let wrong = |reason: String| Wrong::new(given.at, reason);
    let Value::Table(table) = &given.value else {
        return Err(wrong("routes are a list of tables: [[route]]".to_owned()));
    };
    let mut draft = Draft {
        name: None,
        pattern: None,
        topic: None,
        methods: Vec::new(),
        rules: Rules::new(""),
        access: None,
        quota: None,
        cors: None,
        handshake: None,
    };
    key::set_all(KEYS, &mut draft, table)?;
    let pattern = draft.pattern.ok_or_else(|| wrong("a route has a path".to_owned()))?;
    let topic = draft.topic.ok_or_else(|| wrong("a route has a topic".to_owned()))?;
    let name = draft.name.unwrap_or_else(|| pattern.text().to_string());
    let mut access = draft.access;
    if let Some(quota) = draft.quota {
        let own = access.as_mut().and_then(Access::allowance_mut);
        own.ok_or_else(|| wrong(NO_QUOTA.to_owned()))?.quota = quota;
    }
    let access = access.map(|access| RouteConfig { route: name.clone(), access });
    let name: Arc<str> = name.into();
    let asking = &mut config.asking;
    asking.cors.extend(draft.cors.map(|cors| (name.clone(), cors)));
    asking.handshakes.extend(draft.handshake.map(|handshake| (name.clone(), handshake)));
    let rules = Rules { name, ..draft.rules };
    let route = Route::new(&draft.methods, pattern, &topic, rules);
    config.routes.push(route.map_err(|error| wrong(format!("route: {error}")))?);
    config.guard.routes.extend(access);
    Ok(())
}

fn schema(path: &str) -> Result<Schema, String> {
    let mut json = Vec::new();
    let opened = File::open(path).map_err(|error| error.to_string())?;
    opened.take(SCHEMA_MAX + 1).read_to_end(&mut json).map_err(|error| error.to_string())?;
    if json.len() as u64 > SCHEMA_MAX {
        return Err("no schema is larger than 4 MiB".to_owned());
    }
    Schema::parse(&json).map_err(|wrong| wrong.to_string())
}

fn text(given: &Given) -> Option<&str> {
    match &given.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Where something in a request is read.
fn source(given: &Given, expected: &str) -> Result<Source, String> {
    let wrong = || format!("expected {expected}");
    let Value::Table(table) = &given.value else { return Err(wrong()) };
    let [(kind, value)] = &table[..] else { return Err(wrong()) };
    let value = text(value).ok_or_else(wrong)?;
    match &*kind.name {
        "header" => {
            let name = HeaderName::from_bytes(value.as_bytes());
            name.map(Source::Header).map_err(|_| format!("{value:?} is not the name of a header"))
        }
        "query" => Ok(Source::Query(value.into())),
        "path" => Ok(Source::Path(value.into())),
        "json" => Pointer::parse(value).map(Source::Json).map_err(|wrong| wrong.to_string()),
        "client" if value == "address" => Ok(Source::Client),
        "text" => Ok(Source::Text(value.to_owned().into())),
        _ => Err(wrong()),
    }
}

/// A list of headers that are copied.
pub(super) fn headers(given: &Given) -> Result<Vec<HeaderRule>, String> {
    let wrong = || format!("expected {HEADERS}");
    let Value::List(items) = &given.value else { return Err(wrong()) };
    let rule = |item: &Given| match &item.value {
        Value::Text(name) => HeaderRule::same(name).map_err(|wrong| wrong.to_string()),
        Value::Table(table) => {
            // In alphabetical order.
            let [(from, a), (to, b)] = &table[..] else { return Err(wrong()) };
            match (&*from.name, &*to.name, text(a), text(b)) {
                ("from", "to", Some(from), Some(to)) => {
                    HeaderRule::new(from, to).map_err(|wrong| wrong.to_string())
                }
                _ => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    };
    items.iter().map(rule).collect()
}

pub(super) fn ack(given: &Given) -> Option<Ack> {
    text(given)?.parse().ok()
}

/// A size for memory; what this machine cannot address is as good as all of it.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
