//! A broker, and a gateway in front of it that is made of its parts, with its log in memory.

use crate::events::Events;
use crate::impatient;
use crate::wire::{PATIENCE, Reply, Wire};
use klamm::{Client, ProducerConfig, Record};
use klamm_broker::{Broker, Builder};
use klamm_gateway::events::{EventsConfig, Readers};
use klamm_gateway::forward::{ForwardConfig, Forwarder};
use klamm_gateway::http::{HttpState, Server, ServerHandle, Service};
use klamm_gateway::wal::{Wal, WalConfig};
use klamm_log::storage::MemoryStorage;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) server: ServerHandle,
    pub(crate) wal: Wal,
    pub(crate) forwarder: Forwarder,
}

impl Stage {
    pub(crate) async fn new(broker: Builder) -> Self {
        Self::with(broker, |_, _| {}).await
    }

    pub(crate) async fn with(
        broker: Builder,
        change: impl FnOnce(&mut Service, &mut EventsConfig),
    ) -> Self {
        let broker = broker.start().await.unwrap();
        let (client, producer) = impatient::client(&broker.bootstrap());
        let mut forward = ForwardConfig::new(client.clone());
        (forward.producer, forward.unlogged_bytes) = (producer, 64 << 10);
        let storage = Arc::new(MemoryStorage::new());
        let (wal, reader, _) = Wal::open(storage, WalConfig::default()).unwrap();
        let forwarder = Forwarder::start(wal.clone(), reader, forward);
        let mut service = Service::new(wal.clone(), forwarder.outcomes());
        let mut events = EventsConfig::default();
        service.unlogged = Some(forwarder.unlogged());
        service.partitions = Some(forwarder.partitions());
        change(&mut service, &mut events);
        service.readers = Some(Readers::new(client, events));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start(listener, service).unwrap();
        Self { broker, server, wal, forwarder }
    }

    pub(crate) fn state(&self) -> HttpState {
        self.server.state()
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.server.address()).await
    }

    /// What a request on a connection of its own is answered with.
    pub(crate) async fn ask(&self, request: &str) -> Reply {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.reply().await
    }

    pub(crate) async fn post(&self, path: &str, headers: &str, body: &str) -> Reply {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}");
        self.ask(&format!("{head}\r\n\r\n{body}")).await
    }

    /// Puts records into a topic, and waits until they are there.
    pub(crate) async fn put(&self, topic: &str, query: &str, lines: &str) {
        let headers = "content-type: application/x-ndjson\r\nprefer: wait=30\r\n";
        let reply = self.post(&format!("/topics/{topic}?{query}"), headers, lines).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// A client that has heard of everything there is.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(impatient::client(&self.broker.bootstrap()).0).await.unwrap()
    }

    /// Puts a record into a topic by the side of the gateway, which may not have heard of it.
    pub(crate) async fn put_elsewhere(&self, topic: &str, partition: i32, value: &str) {
        let producer = self.client().await.producer(ProducerConfig::default()).unwrap();
        let record = Record::to(topic).partition(partition).value(value.to_owned());
        producer.send(record).await.unwrap();
    }

    /// Numbers as records, with keys that go over the partitions.
    pub(crate) async fn put_numbers(&self, topic: &str, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.put(topic, &format!("key=k{}", number % 7), &number.to_string()).await;
        }
    }

    /// A stream of records, and the reports on them.
    pub(crate) async fn stream(&self, path: &str, body: &str) -> Vec<Value> {
        let mut wire = self.connect().await;
        let (length, content) = (body.len(), "content-type: application/json");
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\n{content}\r\ncontent-length: {length}");
        wire.send(&format!("{head}\r\n\r\n{body}")).await;
        let reply = wire.head().await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        let text = wire.chunks().await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What is at a path.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await
    }

    /// A poll of a topic: values and the next cursor.
    pub(crate) async fn poll(&self, topic: &str, query: &str) -> (Vec<Value>, String) {
        let reply = self.get(&format!("/topics/{topic}/events?{query}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.json();
        let values = body["records"].as_array().unwrap().iter().map(|r| r["value"].clone());
        (values.collect(), body["next"].as_str().unwrap().to_owned())
    }

    /// Begins to read a topic.
    pub(crate) async fn listen(&self, topic: &str, query: &str, last: Option<&str>) -> Events {
        let mut wire = self.connect().await;
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let head = format!("GET /topics/{topic}/events?{query} HTTP/1.1\r\nhost: x\r\n");
        wire.send(&format!("{head}accept: text/event-stream\r\n{last}\r\n")).await;
        let reply = wire.head().await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/event-stream")));
        let mut events = Events::new(wire);
        // The place where it begins comes at once.
        assert_eq!(events.block().await, Some(None));
        assert!(!events.id.is_empty());
        events
    }
}

/// Waits until `is_so`.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
