//! A producer that keeps what the log promises, tried for until there is one.

use super::config::ForwardConfig;
use klamm::{Client, Producer};
use std::time::Duration;

/// The wait after the first failed try; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Memory of the producer beside what the window lets in: open batches are made of chunks of 16 KiB.
const OPEN_BATCHES_BYTES: u64 = 96 << 20;
/// A record is no larger than an append of the log may be.
const RECORD_MAX: usize = 32 << 20;

/// Both ends of a connection to Kafka.
#[derive(Debug, Clone)]
pub(super) struct Connected {
    /// For the records of the log, in order.
    pub(super) producer: Producer,
    /// For dead letters and what was not logged: one that fails stops nobody.
    pub(super) aside: Producer,
    /// What both are made from; asked whether Kafka is there.
    pub(super) client: Client,
}

/// Connects; tries for ever, and tells of every failure.
pub(super) async fn connect(config: &ForwardConfig, failed: impl Fn(String)) -> Connected {
    let mut wait = BACKOFF;
    loop {
        match try_connect(config).await {
            Ok(connected) => return connected,
            Err(error) => failed(error),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF_MAX);
    }
}

async fn try_connect(config: &ForwardConfig) -> Result<Connected, String> {
    let client = config.client.clone().allow_auto_create_topics(true);
    let client = Client::connect(client).await.map_err(|e| e.to_string())?;
    let memory = usize::try_from(config.window_bytes.saturating_add(OPEN_BATCHES_BYTES));
    let settings = config
        .producer
        .clone()
        .acks(klamm::Acks::All)
        .idempotence(true)
        .delivery_timeout(config.attempt_timeout)
        .max_block(config.attempt_timeout)
        .max_request_size(RECORD_MAX);
    let producer = settings
        .clone()
        .gapless(true)
        .retries(u32::MAX)
        .buffer_memory(memory.unwrap_or(usize::MAX));
    let producer = client.producer(producer).map_err(|e| e.to_string())?;
    let aside = settings.buffer_memory(config.unlogged_bytes.max(RECORD_MAX) * 2);
    let aside = client.producer(aside).map_err(|e| e.to_string())?;
    Ok(Connected { producer, aside, client })
}
