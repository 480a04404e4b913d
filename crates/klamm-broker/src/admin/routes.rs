//! What each path does.
//!
//! - `GET /live`, `GET /ready`, `GET /metrics`
//! - `GET /faults`, `POST /faults` (a rule; answers `{"id": N}`), `DELETE /faults`, `DELETE /faults/{id}`,
//!   `POST /faults/{id}/release`
//! - `GET /requests?api=&client=&topic=&since=N`; with `wait=1&timeout_ms=N` it answers with the first that fits, or 408
//! - `PUT /nodes/{id}` with `{"up": false}`, `POST /nodes/{id}/disconnect`
//! - `GET /topics/{topic}/{partition}/leader`, `PUT` with `{"node": N}`, `POST` for a new epoch
//! - `PUT /nodes/{id}/metadata` with `{"frozen": true}`: Metadata tells what is now until it is false again
//! - `GET /coordinators`, `PUT` with `{"type": "group", "key": "g", "node": N, "loading_ms": N}` - `transaction` is the
//!   other type, without a key all are moved - and `DELETE`, which puts all back
//! - `GET /clock`, `POST /clock` with `{"advance_ms": N}`, `POST /retention`, `POST /compaction`, `POST /restart`

use super::metrics;
use super::reply::{Problem, Reply, json, nothing, text};
use crate::controls::Controls;
use crate::coordinators::CoordinatorType;
use crate::fault::{Rule, name};
use crate::request_log::RequestEntry;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use klamm_protocol::api_key::ApiKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json as object;
use std::time::Duration;

/// The longest body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest wait for a request, and the usual one.
const MAX_WAIT: Duration = Duration::from_secs(600);
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// The furthest that one step moves the clock, in milliseconds: ten years.
const MAX_ADVANCE_MS: u64 = 10 * 366 * 86_400_000;

type Answered = Result<Reply, Problem>;

pub(super) async fn answer(request: Request<Incoming>, controls: &Controls) -> Answered {
    let (head, body) = request.into_parts();
    let path = head.uri.path().trim_matches('/').to_owned();
    let path: Vec<&str> = path.split('/').collect();
    let query = head.uri.query().unwrap_or_default();
    match (&head.method, path.as_slice()) {
        (&Method::GET, ["live"]) => Ok(text("live\n")),
        (&Method::GET, ["ready"]) => ready(controls),
        (&Method::GET, ["metrics"]) => page(controls).await,
        (method, ["faults", rest @ ..]) => faults(method, rest, body, controls).await,
        (&Method::GET, ["requests"]) => requests(query, controls).await,
        (method, ["nodes", id, rest @ ..]) => nodes(method, id, rest, body, controls).await,
        (method, ["topics", topic, partition, "leader"]) => {
            leader(method, topic, number(partition)?, body, controls).await
        }
        (&Method::GET, ["clock"]) => clock(controls),
        (&Method::POST, ["clock"]) => {
            let Advance { advance_ms } = read(body).await?;
            let by = Some(advance_ms).filter(|&by| by <= MAX_ADVANCE_MS);
            let by = by.ok_or_else(|| Problem::bad("advance_ms is longer than ten years"))?;
            controls.advance_clock(Duration::from_millis(by));
            clock(controls)
        }
        (method, ["coordinators"]) => coordinators(method, body, controls).await,
        (&Method::POST, ["restart"]) => {
            controls.restart().await?;
            Ok(nothing())
        }
        (&Method::POST, ["compaction"]) => {
            json(StatusCode::OK, &object!({"removed_records": controls.compact()?}))
        }
        (&Method::POST, ["retention"]) => {
            json(StatusCode::OK, &object!({"removed_bytes": controls.retain()}))
        }
        _ => Err(nowhere(&head.method, head.uri.path())),
    }
}

fn nowhere(method: &Method, path: &str) -> Problem {
    Problem::not_found(format!("there is no {method} {path}"))
}

fn ready(controls: &Controls) -> Answered {
    let unready = |why: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    if controls.cluster().nodes.controller() == -1 {
        return Err(unready("no node is up"));
    }
    match controls.storage_trouble() {
        Some(why) => Err(unready(&format!("records cannot be written: {why}"))),
        None => Ok(text("ready\n")),
    }
}

/// Off the runtime's threads: it waits for locks that others may hold while they write to a disk.
async fn page(controls: &Controls) -> Answered {
    let cluster = controls.cluster().clone();
    let page = tokio::task::spawn_blocking(move || metrics::text(&cluster)).await;
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page was not written");
    page.map(text).map_err(failed)
}

fn clock(controls: &Controls) -> Answered {
    json(StatusCode::OK, &object!({"now_ms": controls.now_ms()}))
}

async fn faults(method: &Method, path: &[&str], body: Incoming, controls: &Controls) -> Answered {
    match (method, path) {
        (&Method::GET, []) => json(StatusCode::OK, &controls.faults()),
        (&Method::POST, []) => {
            let id = controls.add_fault(read::<Rule>(body).await?)?;
            json(StatusCode::CREATED, &object!({"id": id}))
        }
        (&Method::DELETE, []) => {
            controls.clear_faults();
            Ok(nothing())
        }
        (&Method::DELETE, [id]) => found(controls.remove_fault(number(id)?), id),
        (&Method::POST, [id, "release"]) => found(controls.release_fault(number(id)?), id),
        _ => Err(nowhere(method, &format!("/faults/{}", path.join("/")))),
    }
}

fn found(found: bool, id: &str) -> Answered {
    match found {
        true => Ok(nothing()),
        false => Err(Problem::not_found(format!("there is no rule {id}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeState {
    up: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leader {
    node: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeMetadata {
    frozen: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    #[serde(rename = "type")]
    kind: CoordinatorType,
    key: Option<String>,
    node: i32,
    #[serde(default)]
    loading_ms: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn nodes(
    method: &Method,
    id: &str,
    path: &[&str],
    body: Incoming,
    controls: &Controls,
) -> Answered {
    let node = number(id)?;
    match (method, path) {
        (&Method::PUT, []) => {
            let NodeState { up } = read(body).await?;
            controls.set_node_up(node, up).await?;
        }
        (&Method::POST, ["disconnect"]) => controls.disconnect(node).await?,
        (&Method::PUT, ["metadata"]) => {
            let NodeMetadata { frozen } = read(body).await?;
            controls.freeze_metadata(node, frozen)?;
        }
        _ => return Err(nowhere(method, &format!("/nodes/{id}/{}", path.join("/")))),
    }
    Ok(nothing())
}

async fn coordinators(method: &Method, body: Incoming, controls: &Controls) -> Answered {
    match *method {
        Method::GET => json(StatusCode::OK, &controls.moved_coordinators()),
        Method::PUT => {
            let Move { kind, key, node, loading_ms } = read(body).await?;
            let loading = Duration::from_millis(loading_ms.into());
            controls.move_coordinator(kind, key.as_deref(), node, loading)?;
            Ok(nothing())
        }
        Method::DELETE => {
            controls.reset_coordinators();
            Ok(nothing())
        }
        _ => Err(nowhere(method, "/coordinators")),
    }
}

async fn leader(
    method: &Method,
    topic: &str,
    partition: i32,
    body: Incoming,
    controls: &Controls,
) -> Answered {
    match *method {
        Method::GET => {}
        Method::PUT => {
            let Leader { node } = read(body).await?;
            controls.move_leader(topic, partition, node)?;
        }
        Method::POST => {
            controls.bump_leader_epoch(topic, partition)?;
        }
        _ => return Err(nowhere(method, "/topics/{topic}/{partition}/leader")),
    }
    let (node, epoch) = controls.leader(topic, partition)?;
    json(StatusCode::OK, &object!({"node": node, "epoch": epoch}))
}

/// What a query asks of the log of requests.
#[derive(Debug, Default)]
struct Wanted {
    api: Option<ApiKey>,
    client: Option<String>,
    topic: Option<String>,
    /// Only requests with a larger number.
    since: u64,
    wait: bool,
    timeout: Option<Duration>,
}

impl Wanted {
    /// Names are those of Kafka, which need no percent-encoding but for clients; `+` and `%XX` are not decoded.
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut wanted = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "api" => {
                    let unknown = || Problem::bad(format!("api {value:?} is none of Kafka's"));
                    wanted.api = Some(name::api(value).ok_or_else(unknown)?);
                }
                "client" => wanted.client = Some(value.to_owned()),
                "topic" => wanted.topic = Some(value.to_owned()),
                "since" => wanted.since = number(value)?,
                "wait" => wanted.wait = !matches!(value, "0" | "false"),
                "timeout_ms" => wanted.timeout = Some(Duration::from_millis(number(value)?)),
                _ => {
                    return Err(Problem::bad(format!(
                        "{key:?} is none of api, client, topic, since, wait, timeout_ms"
                    )));
                }
            }
        }
        Ok(wanted)
    }

    fn fits(&self, entry: &RequestEntry) -> bool {
        entry.number > self.since
            && self.api.is_none_or(|api| api == entry.api)
            && self.client.as_ref().is_none_or(|client| *client == entry.client_id)
            && self.topic.as_ref().is_none_or(|topic| entry.topics.contains(topic))
    }
}

async fn requests(query: &str, controls: &Controls) -> Answered {
    let wanted = Wanted::parse(query)?;
    if !wanted.wait {
        return json(StatusCode::OK, &controls.requests(|entry| wanted.fits(entry)));
    }
    let limit = wanted.timeout.unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
    match controls.wait_for_request(|entry| wanted.fits(entry), limit).await {
        Some(entry) => json(StatusCode::OK, &[entry]),
        None => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "no such request came in time")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::bad(format!("{text:?} is not a number that fits here")))
}

/// The body as JSON.
async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Problem> {
    let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect());
    let slow = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    let large = |_| {
        let detail = format!("a body of more than {MAX_BODY_BYTES} bytes, or part of one");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let body = body.await.map_err(slow)?.map_err(large)?.to_bytes();
    serde_json::from_slice(&body).map_err(|e| Problem::bad(e.to_string()))
}
