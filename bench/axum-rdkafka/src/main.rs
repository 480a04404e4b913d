//! A gateway of axum and librdkafka.
//!
//! ```text
//! bench-axum-rdkafka --listen 127.0.0.1:0 --bootstrap-server H:P --topic T --way async|wait
//! ```
//!
//! `async` answers 202 once the record is in the client's memory, `wait` once Kafka has acknowledged it, with a linger of 5 ms
//! and idempotence: the settings of `gin-confluent-go`. A full queue is a 503 in both. The body is parsed and written again, as
//! a handler does that wants to know what it passes on; the key is the address of the client.

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use serde_json::{Value, json};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long what is in memory may take to be sent in the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every request needs.
#[derive(Clone)]
struct Shared {
    producer: FutureProducer,
    topic: Arc<str>,
    /// Whether Kafka has to have it before the answer.
    wait: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let servers = flag("--bootstrap-server").ok_or("--bootstrap-server is missing")?;
    let topic: Arc<str> = flag("--topic").ok_or("--topic is missing")?.into();
    let way = flag("--way").unwrap_or_else(|| "async".to_owned());
    let producer = producer(&servers, &way)?;
    let shared = Shared { producer: producer.clone(), topic, wait: way == "wait" };
    let router = Router::new().route("/{*path}", post(publish)).with_state(shared);
    let listener = TcpListener::bind(flag("--listen").as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut ended = signal(SignalKind::terminate())?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // Connections that stay open must not keep it from ending.
    tokio::select! {
        served = async { axum::serve(listener, service).await } => served?,
        _ = ended.recv() => {}
    }
    producer.flush(PATIENCE)?;
    Ok(())
}

fn producer(servers: &str, way: &str) -> Result<FutureProducer, Box<dyn Error>> {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", servers).set("acks", "all");
    settings.set("queue.buffering.max.messages", "10000");
    match way {
        "async" => settings.set("linger.ms", "100").set("retries", "10"),
        "wait" => settings.set("linger.ms", "5").set("enable.idempotence", "true"),
        _ => return Err(format!("--way {way}: async or wait").into()),
    };
    Ok(settings.create()?)
}

async fn publish(
    State(shared): State<Shared>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let Ok(value) = serde_json::to_vec(&body) else {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, "not written");
    };
    let key = client.ip().to_string();
    let record = FutureRecord::to(&shared.topic).key(&key).payload(&value);
    let Ok(delivery) = shared.producer.send_result(record) else {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "queue full");
    };
    // In memory is all that `async` promises: nobody looks at the delivery.
    let failed = shared.wait && !matches!(delivery.await, Ok(Ok(_)));
    match failed {
        true => answer(StatusCode::SERVICE_UNAVAILABLE, "not delivered"),
        false => answer(StatusCode::ACCEPTED, "accepted"),
    }
}

fn answer(status: StatusCode, text: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "status": text })))
}

/// The value behind an option of the command line.
fn flag(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}
