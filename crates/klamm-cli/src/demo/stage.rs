//! Where it takes place: a broker in this process or a real cluster, and topics of its own.

use super::args::DemoArgs;
use super::readings::Readings;
use crate::args::Global;
use crate::connect::{Settings, connect, settings_over};
use crate::embedded::Embedded;
use crate::failure::{FAILED, Failure, USAGE};
use crate::perf::content::{Content, Stamped};
use crate::perf::load::Load;
use crate::perf::measure::Meter;
use crate::perf::payload;
use klamm::admin::NewTopic;
use klamm::{Admin, AdminError, Client, ConsumerConfig, ErrorCode, Producer};
use klamm_broker::{Broker, BrokerConfig, Durability};
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Replicas of the topics, where there are so many brokers.
const REPLICAS: i16 = 3;
/// How long a new topic may take until every broker knows it.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(10);
/// What the log takes beside values, per record, and with room to spare.
const RECORD_OVERHEAD: u64 = 64;
/// Between automatic commits: what a killed member leaves to be read again.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Between heartbeats, at most.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long the embedded broker waits for all members, so that the first does not get everything.
const JOIN_TOGETHER_MS: i32 = 200;
/// What the embedded broker keeps in memory at least.
const LOG_BYTES_MIN: u64 = 1 << 30;

/// A cluster, clients' settings for it, and the topics that were made.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) settings: Settings,
    pub(super) client: Client,
    /// Of the stamps in all records, and in the names of topics.
    pub(super) run: u32,
    admin: Admin,
    made: Mutex<Made>,
    kind: Kind,
}

/// What has to be taken away in the end.
#[derive(Debug, Default)]
struct Made {
    topics: Vec<String>,
    groups: Vec<String>,
    producers: Vec<Producer>,
}

/// Whose broker it is.
#[derive(Debug)]
enum Kind {
    Embedded {
        durability: Durability,
        /// Stopped before its directory goes.
        _broker: Embedded,
        _dir: Option<Directory>,
    },
    Cluster {
        bootstrap: String,
    },
}

impl Stage {
    /// Starts a broker, or connects to the cluster that was named.
    pub(super) async fn set(global: &Global, args: &DemoArgs) -> Result<Self, Failure> {
        let mut settings = settings_over(defaults(args)?, global, &[])?;
        let kind = if settings.client.has_bootstrap_servers() {
            if args.durability.is_some() {
                let why = "--durability is the embedded broker's; leave out --bootstrap-server";
                return Err(Failure::new(USAGE, why));
            }
            let bootstrap = global.bootstrap_server.clone().unwrap_or_else(|| "cluster".to_owned());
            Kind::Cluster { bootstrap }
        } else {
            let (kind, bootstrap) = embedded(args)?;
            settings.client = settings.client.bootstrap_servers(bootstrap);
            kind
        };
        let client = connect(settings.client.clone()).await?;
        let admin = client.admin();
        let (run, made) = (fastrand::u32(..), Mutex::default());
        Ok(Self { settings, client, run, admin, made, kind })
    }

    /// Where it is, in a line.
    pub(super) fn title(&self) -> String {
        match &self.kind {
            Kind::Embedded { durability: Durability::Memory, .. } => {
                "a broker in this process, in memory".to_owned()
            }
            Kind::Embedded { durability, .. } => {
                format!("a broker in this process, durability {durability}")
            }
            Kind::Cluster { bootstrap } => format!("Kafka at {bootstrap}"),
        }
    }

    /// The same for programs.
    pub(super) fn as_json(&self) -> Value {
        match &self.kind {
            Kind::Embedded { durability, .. } => {
                json!({"kind": "embedded", "durability": durability.to_string()})
            }
            Kind::Cluster { bootstrap } => json!({"kind": "cluster", "bootstrap": bootstrap}),
        }
    }

    /// Makes a topic of this run's own and waits until it can be written to.
    pub(super) async fn topic(&self, name: &str, partitions: i32) -> Result<Arc<str>, Failure> {
        let name = format!("klamm-demo-{:08x}-{name}", self.run);
        self.made().topics.push(name.clone());
        let mut replicas = REPLICAS;
        while let Err(error) = self.create(&name, partitions, replicas).await {
            // There are fewer brokers.
            if error.code() != Some(ErrorCode::INVALID_REPLICATION_FACTOR) || replicas == 1 {
                return Err(Failure::from(error).while_doing(format!("topic {name}")));
            }
            replicas -= 1;
        }
        let known = tokio::time::timeout(TOPIC_TIMEOUT, self.until_it_has_leaders(&name));
        match known.await {
            Ok(()) => Ok(name.into()),
            Err(_) => Err(Failure::new(FAILED, format!("topic {name} has no leaders yet"))),
        }
    }

    async fn create(&self, name: &str, partitions: i32, replicas: i16) -> Result<(), AdminError> {
        let new = NewTopic::new(name).partitions(partitions).replication_factor(replicas);
        let results = self.admin.create_topics(vec![new], false).await?;
        results.into_iter().try_for_each(|(_, result)| result)
    }

    async fn until_it_has_leaders(&self, name: &str) {
        loop {
            let described = self.admin.describe_topics(vec![name.to_owned()]).await;
            let topics = described.into_iter().flatten().filter_map(|(_, topic)| topic.ok());
            let partitions: Vec<_> = topics.flat_map(|topic| topic.partitions).collect();
            if !partitions.is_empty() && partitions.iter().all(|p| p.leader.is_some()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Settings of a group's member, without what it reads.
    pub(super) fn member_of(&self, group: &str) -> Result<ConsumerConfig, Failure> {
        let mut settings = self.settings.clone();
        settings.apply("group.id", group)?;
        self.made().groups.push(group.to_owned());
        Ok(settings.consumer)
    }

    /// A load of stamped records for a topic, from a producer of its own.
    pub(super) async fn load(
        &self,
        topic: &Arc<str>,
        readings: &Readings,
        sizes: RangeInclusive<usize>,
        rate: u64,
    ) -> Result<Load, Failure> {
        let producer = self.client.producer(self.settings.producer.clone())?;
        self.made().producers.push(producer.clone());
        producer.partitions_for(topic).await?;
        let content = Content::Stamped(Stamped {
            run: self.run,
            began: readings.began(),
            values: Arc::new(payload::generate(sizes)),
            key_size: 0,
            headers: Arc::default(),
        });
        let (topic, meter) = (Arc::clone(topic), Arc::new(Meter::new(0)?));
        Ok(Load { producer, topic, content, meter, rate: Some(rate), in_flight: None })
    }

    /// Whether the broker runs in this process.
    pub(super) fn is_embedded(&self) -> bool {
        matches!(self.kind, Kind::Embedded { .. })
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything away again; what is still being sent is given up.
    pub(super) async fn strike(&self) -> Result<(), Failure> {
        let Made { topics, groups, producers } = std::mem::take(&mut *self.made());
        for producer in producers {
            producer.close(Duration::ZERO).await;
        }
        let mut deleted = Ok(());
        if !self.is_embedded() && !topics.is_empty() {
            deleted = self.delete(topics).await;
            // One that still has a member whose session runs is refused; it goes by itself in time.
            let _ = self.admin.delete_groups(groups).await;
        }
        self.client.clone().close().await;
        deleted
    }

    async fn delete(&self, topics: Vec<String>) -> Result<(), Failure> {
        for (name, result) in self.admin.delete_topics(topics).await? {
            result.map_err(|e| Failure::from(e).while_doing(format!("deleting topic {name}")))?;
        }
        Ok(())
    }
}

/// What a group needs to be quick, unless it is told otherwise.
fn defaults(args: &DemoArgs) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    let session = args.group_plan().session_timeout;
    let own = [
        // With KIP-848 the session timeout is the broker's, and Kafka's is longer than this run.
        ("group.protocol", "classic".to_owned()),
        ("partition.assignment.strategy", "cooperative-sticky".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        ("auto.commit.interval.ms", COMMIT_EVERY.as_millis().to_string()),
        ("heartbeat.interval.ms", heartbeat(session).as_millis().to_string()),
        ("session.timeout.ms", session.as_millis().to_string()),
    ];
    for (name, value) in own {
        settings.apply(name, &value)?;
    }
    Ok(settings)
}

fn embedded(args: &DemoArgs) -> Result<(Kind, String), Failure> {
    let durability = args.durability.unwrap_or(Durability::Memory);
    // Nobody asks for the log of requests.
    let mut builder =
        Broker::builder().config(broker_config(args)).request_log(0).durability(durability);
    let dir = match durability {
        Durability::Memory => None,
        _ => Some(Directory::make()?),
    };
    if let Some(dir) = &dir {
        builder = builder.data(&dir.0);
    }
    let broker = Embedded::run(builder)?;
    let bootstrap = broker.bootstrap().to_owned();
    Ok((Kind::Embedded { durability, _broker: broker, _dir: dir }, bootstrap))
}

/// Room for all records, and groups that are quick with either protocol.
fn broker_config(args: &DemoArgs) -> BrokerConfig {
    let (group, large) = (args.group_plan(), args.large_plan());
    let bytes = group.records() * (group.size as u64 + RECORD_OVERHEAD)
        + large.records() * (*large.sizes.end() as u64 + RECORD_OVERHEAD);
    let ms = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let (session, heartbeat) = (group.session_timeout, heartbeat(group.session_timeout));
    let mut config = BrokerConfig::default();
    config.disk_max_bytes = Some(bytes.saturating_mul(2).max(LOG_BYTES_MIN));
    config.group_initial_rebalance_delay_ms = JOIN_TOGETHER_MS;
    config.group_min_session_timeout_ms = config.group_min_session_timeout_ms.min(ms(session));
    config.group_consumer_session_timeout_ms = ms(session);
    config.group_consumer_min_session_timeout_ms = ms(session);
    config.group_consumer_heartbeat_interval_ms = ms(heartbeat);
    config.group_consumer_min_heartbeat_interval_ms = ms(heartbeat);
    config
}

/// Members learn of a rebalance by a heartbeat.
fn heartbeat(session: Duration) -> Duration {
    HEARTBEAT.min(session / 4)
}

/// A directory that goes with the run.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn make() -> Result<Self, Failure> {
        let name = format!("klamm-demo-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        let failed = |e| Failure::new(FAILED, format!("{}: {e}", path.display()));
        std::fs::create_dir(&path).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {e}", self.0.display());
        }
    }
}
