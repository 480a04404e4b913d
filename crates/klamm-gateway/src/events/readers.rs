//! How many may read at once, and what they share: one client of Kafka.

use super::asked::Asked;
use super::not_read::NotRead;
use super::reader::Reader;
use super::start::{self, Begin};
use klamm::{Client, ClientConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

/// How long it may take to find out where a reader begins.
const LOOK_UP: Duration = Duration::from_secs(10);

/// How topics are read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventsConfig {
    /// How many read at once, streams and polls; others get 503. Default 256.
    pub readers: usize,
    /// Bytes that are fetched ahead for each of them; as many again may be on their way to a poll. A batch of Kafka that is
    /// larger than this, up to 32 MiB, is taken alone. Default 1 MiB.
    pub buffer_bytes: usize,
    /// After so long without a record a stream says that it is there. Default 15 s.
    pub heartbeat: Duration,
    /// A stream ends after this long, and whoever reads it comes back and says again who they are. Default 1 h.
    pub max_time: Duration,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            readers: 256,
            buffer_bytes: 1 << 20,
            heartbeat: Duration::from_secs(15),
            max_time: Duration::from_secs(3600),
        }
    }
}

/// How reading goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadersState {
    /// Those that read now.
    pub readers: usize,
    /// As many as may.
    pub readers_max: usize,
    /// Records that were told.
    pub records: u64,
    /// Bytes that were told.
    pub bytes: u64,
}

/// Everybody who reads; clones are the same.
#[derive(Debug, Clone)]
pub struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: EventsConfig,
    kafka: ClientConfig,
    /// Made when somebody first reads.
    client: OnceCell<Client>,
    room: Arc<Semaphore>,
    records: AtomicU64,
    bytes: AtomicU64,
}

impl Readers {
    /// From this Kafka, which is asked for nothing before somebody reads.
    pub fn new(kafka: ClientConfig, config: EventsConfig) -> Self {
        let kafka = kafka.allow_auto_create_topics(false);
        let room = Arc::new(Semaphore::new(config.readers.min(Semaphore::MAX_PERMITS)));
        let (records, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { config, kafka, client: OnceCell::new(), room, records, bytes }))
    }

    /// How reading goes.
    pub fn state(&self) -> ReadersState {
        let readers_max = self.0.config.readers;
        ReadersState {
            readers: readers_max.saturating_sub(self.0.room.available_permits()),
            readers_max,
            records: self.0.records.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn config(&self) -> &EventsConfig {
        &self.0.config
    }

    /// So much was told.
    pub(super) fn told(&self, records: u64, bytes: usize) {
        self.0.records.fetch_add(records, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Begins to read.
    ///
    /// # Errors
    /// [`NotRead`]; nothing is kept then.
    pub(crate) async fn open(&self, topic: &str, asked: &Asked) -> Result<Reader, NotRead> {
        let full = |_| NotRead::Full(self.0.config.readers);
        let place = self.0.room.clone().try_acquire_owned().map_err(full)?;
        let begin = async {
            let connect = || Client::connect(self.0.kafka.clone());
            let client = self.0.client.get_or_try_init(connect).await;
            let client = client.map_err(|error| NotRead::Away(error.to_string()))?;
            Ok((client.clone(), start::begin(client, topic, asked).await?))
        };
        let begun: Result<(Client, Begin), NotRead> = in_time(begin).await;
        let (client, begin) = begun?;
        Reader::new(self.clone(), client, topic, asked.key.clone(), begin, place)
    }
}

/// Kafka is not waited for longer than this.
pub(super) async fn in_time<T>(
    asking: impl Future<Output = Result<T, NotRead>>,
) -> Result<T, NotRead> {
    let late = |_| Err(NotRead::Away(format!("no answer within {} s", LOOK_UP.as_secs())));
    timeout(LOOK_UP, asking).await.unwrap_or_else(late)
}
