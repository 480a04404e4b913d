//! Connections against scripted brokers.

mod authentication;
mod pipeline;
mod setup;

use super::settings::{ConnectionSettings, Sasl};
use super::*;
use crate::error::ErrorKind;
use crate::mock::{self, Broker, Peer, bounded};
use klamm_protocol::message::{MetadataRequest, MetadataResponse};

/// Long enough for a busy machine, where the test is not about time.
const LONG: Duration = Duration::from_secs(20);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);
const VERSION: i16 = 12;

fn settings() -> ConnectionSettings {
    ConnectionSettings {
        client_id: "test".to_owned(),
        setup_timeout: LONG,
        max_idle: LONG,
        receive_max_bytes: 1024 * 1024,
        send_buffer_bytes: None,
        receive_buffer_bytes: None,
        tls: None,
        sasl: None,
        connector: None,
    }
}

async fn connect(
    broker: &Broker,
    settings: ConnectionSettings,
) -> Result<Connection, ConnectError> {
    Connection::connect("127.0.0.1", broker.port(), &Arc::new(settings)).await
}

/// Both ends of a connection that has been set up.
async fn pair(settings: ConnectionSettings) -> (Connection, Peer) {
    let broker = Broker::listen().await;
    let (connection, peer) = tokio::join!(connect(&broker, settings), broker.accept_ready());
    (connection.unwrap(), peer)
}

fn submit(connection: &Connection, timeout: Duration) -> Reply<MetadataRequest> {
    connection.submit(&MetadataRequest::default(), VERSION, timeout, true).unwrap()
}

/// The mark of an answer that [`mock::marked`] made.
fn mark(answer: Result<Option<MetadataResponse>, RequestError>) -> i32 {
    answer.unwrap().unwrap().throttle_time_ms
}
