//! Sending on what the log of another gateway has.

use super::error::GatewayError;
use super::running::forwarding;
use crate::forward::ForwardConfig;
use crate::wal::{Opened, WalConfig};
use klamm::{ClientConfig, ProducerConfig};
use std::path::PathBuf;
use std::time::Duration;

/// What came of taking over a log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Adopted {
    /// The id of the log, which its records keep in their header `klamm-id`.
    pub instance: String,
    /// What was found in it.
    pub opened: Opened,
    /// Everything that could be read is in Kafka or with the dead letters.
    pub done: bool,
    /// Records that are still in it.
    pub left: u64,
}

/// Sends everything that the log of a gateway's directory has to Kafka, for a gateway that will not start again.
///
/// Each record is sent at least once, under the id it had: one that the other gateway had sent already, without noting that
/// Kafka has it, comes twice with the same `klamm-id`. Records of a topic and key come in the order of that log; between them
/// and what other gateways send there is no order. The directory is locked meanwhile, so that the gateway it belongs to
/// cannot run. What is not done at the `deadline` stays in the log, and another try goes on from there. Nothing of the
/// directory is removed.
///
/// # Errors
/// There is no Kafka, or the directory is in use or cannot be read.
pub async fn adopt(
    data: PathBuf,
    client: ClientConfig,
    producer: ProducerConfig,
    deadline: Duration,
) -> Result<Adopted, GatewayError> {
    if !client.has_bootstrap_servers() {
        return Err(GatewayError::NoKafka);
    }
    if !data.join("wal").is_dir() {
        return Err(GatewayError::NoLog(data));
    }
    let mut forward = ForwardConfig::new(client);
    forward.producer = producer;
    let (wal, forwarder, opened) = forwarding(data, WalConfig::default(), forward).await?;
    let done = forwarder.drain(deadline).await;
    forwarder.close().await;
    wal.close().await;
    let left = if done { 0 } else { wal.state().records };
    Ok(Adopted { instance: wal.instance().to_owned(), opened, done, left })
}
