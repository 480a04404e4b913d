//! Pure: settings of the broker as a whole.

use super::kind::Kind;
use super::table::{self, IN_OTHER_UNITS};
use super::topic::{Overrides, SettingError};

/// Names with these beginnings describe what this broker does not have: replicas, a controller quorum, a JVM.
const FOREIGN: [&str; 21] = [
    "advertised.listeners",
    "alter.",
    "broker.",
    "confluent.",
    "controller.",
    "inter.broker.",
    "jmx.",
    "kafka.",
    "listener",
    "log.cleaner.",
    "log.dir",
    "log.flush.",
    "metadata.",
    "metric",
    "node.id",
    "process.roles",
    "quorum.",
    "replica.",
    "reserved.",
    "sasl.kerberos.",
    "zookeeper.",
];

/// Settings of the broker, under Kafka's names; [`BrokerConfig::set`] takes them as text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// `num.partitions`: partitions of a topic made without a number. Default 1.
    pub num_partitions: i32,
    /// `default.replication.factor`: replicas a topic made without a number claims to have. Default 1.
    pub default_replication_factor: i16,
    /// `auto.create.topics.enable`: whether asking for an unknown topic makes it. Default true.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`: whether topics can be deleted. Default true.
    pub delete_topics: bool,
    /// `socket.request.max.bytes`: the largest request, in bytes. Default 104,857,600.
    pub socket_request_max_bytes: i32,
    /// `fetch.max.bytes`: the largest answer to a fetch, in bytes. Default 57,671,680.
    pub fetch_max_bytes: i32,
    /// `max.connections`: connections at a time of a node. Default 10,000 (Kafka: no limit).
    pub max_connections: usize,
    /// `max.connections.per.ip`: connections at a time from one address. Default no limit.
    pub max_connections_per_ip: usize,
    /// `connections.max.idle.ms`: a connection without a request for so long is closed. Default 600,000.
    pub connections_max_idle_ms: u64,
    /// `transaction.max.timeout.ms`: the longest timeout a transaction may ask for. Default 900,000.
    pub transaction_max_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long a new group waits for members. Default 0 (Kafka: 3,000).
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`. Default 6,000.
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`. Default 1,800,000.
    pub group_max_session_timeout_ms: i32,
    /// `group.share.delivery.count.limit`: a record that went out so often is given up. Default 5.
    pub group_share_delivery_count_limit: i16,
    /// `group.share.heartbeat.interval.ms`. Default 5,000.
    pub group_share_heartbeat_interval_ms: i32,
    /// `group.share.max.share.sessions`: share sessions at a time. Default 2,000.
    pub group_share_max_share_sessions: i32,
    /// `group.share.max.size`: members of a share group. Default 200.
    pub group_share_max_size: i32,
    /// `group.share.partition.max.record.locks`: records of a partition that a group may have under way. Default 2,000.
    pub group_share_partition_max_record_locks: i32,
    /// `group.share.record.lock.duration.ms`: how long a member may keep a record. Default 30,000.
    pub group_share_record_lock_duration_ms: i32,
    /// `group.share.session.timeout.ms`. Default 45,000.
    pub group_share_session_timeout_ms: i32,
    /// `log.retention.check.interval.ms`: how often segments are looked at for deletion. Default 300,000.
    pub retention_check_interval_ms: i64,
    /// `log.cleaner.backoff.ms`: how often compacted topics are looked at. Default 15,000.
    pub log_cleaner_backoff_ms: i64,
    /// `group.consumer.assignors`: those that members of KIP-848 groups may ask for, separated by commas; the first is for
    /// members that ask for none. Default `uniform,range`.
    pub group_consumer_assignors: String,
    /// `group.consumer.heartbeat.interval.ms`. Default 5,000.
    pub group_consumer_heartbeat_interval_ms: i32,
    /// `group.consumer.max.heartbeat.interval.ms`: the most that a group may set for itself. Default 15,000.
    pub group_consumer_max_heartbeat_interval_ms: i32,
    /// `group.consumer.max.session.timeout.ms`: the most that a group may set for itself. Default 60,000.
    pub group_consumer_max_session_timeout_ms: i32,
    /// `group.consumer.max.size`: members of a KIP-848 group. Default no limit.
    pub group_consumer_max_size: i32,
    /// `group.consumer.min.heartbeat.interval.ms`: the least that a group may set for itself. Default 5,000.
    pub group_consumer_min_heartbeat_interval_ms: i32,
    /// `group.consumer.min.session.timeout.ms`: the least that a group may set for itself. Default 45,000.
    pub group_consumer_min_session_timeout_ms: i32,
    /// `group.consumer.session.timeout.ms`. Default 45,000.
    pub group_consumer_session_timeout_ms: i32,
    /// `group.max.size`: members of a group. Default no limit.
    pub group_max_size: i32,
    /// `offsets.retention.minutes`: how long offsets of an empty group are kept. Default 10,080.
    pub offsets_retention_minutes: i32,
    /// `offsets.topic.num.partitions`: partitions of `__consumer_offsets`. Default 50.
    pub offsets_topic_num_partitions: i32,
    /// `transaction.state.log.num.partitions`: partitions of `__transaction_state`. Default 50.
    pub transaction_state_log_num_partitions: i32,
    /// `producer.id.expiration.ms`: how long an idle producer is remembered. Default 86,400,000.
    pub producer_id_expiration_ms: i32,
    /// `transactional.id.expiration.ms`: how long an idle transactional id is remembered. Default 604,800,000.
    pub transactional_id_expiration_ms: i32,
    /// `socket.receive.buffer.bytes`: SO_RCVBUF of connections. Default -1, the system's (Kafka: 102,400).
    pub socket_receive_buffer_bytes: i32,
    /// `socket.send.buffer.bytes`: SO_SNDBUF of connections. Default -1, the system's (Kafka: 102,400).
    pub socket_send_buffer_bytes: i32,
    /// `klamm.disk.max.bytes`: the size of all logs from which the oldest segments go. Default none with a directory,
    /// 1 GiB in memory. Not a setting of Kafka.
    pub disk_max_bytes: Option<u64>,
    /// What every setting was given as, by name.
    pub(crate) given: Overrides,
    /// What was set while the broker runs, by name.
    pub(crate) dynamic: Overrides,
    /// What topics inherit, by the topic's name of the setting.
    pub(crate) topic_defaults: Overrides,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            num_partitions: 1,
            default_replication_factor: 1,
            auto_create_topics: true,
            delete_topics: true,
            socket_request_max_bytes: 104_857_600,
            fetch_max_bytes: 57_671_680,
            max_connections: 10_000,
            max_connections_per_ip: 2_147_483_647,
            connections_max_idle_ms: 600_000,
            transaction_max_timeout_ms: 900_000,
            group_initial_rebalance_delay_ms: 0,
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_share_delivery_count_limit: 5,
            group_share_heartbeat_interval_ms: 5_000,
            group_share_max_share_sessions: 2_000,
            group_share_max_size: 200,
            group_share_partition_max_record_locks: 2_000,
            group_share_record_lock_duration_ms: 30_000,
            group_share_session_timeout_ms: 45_000,
            retention_check_interval_ms: 300_000,
            log_cleaner_backoff_ms: 15_000,
            group_consumer_assignors: "uniform,range".to_owned(),
            group_consumer_heartbeat_interval_ms: 5_000,
            group_consumer_max_heartbeat_interval_ms: 15_000,
            group_consumer_max_session_timeout_ms: 60_000,
            group_consumer_max_size: i32::MAX,
            group_consumer_min_heartbeat_interval_ms: 5_000,
            group_consumer_min_session_timeout_ms: 45_000,
            group_consumer_session_timeout_ms: 45_000,
            group_max_size: i32::MAX,
            offsets_retention_minutes: 10_080,
            offsets_topic_num_partitions: 50,
            transaction_state_log_num_partitions: 50,
            producer_id_expiration_ms: 86_400_000,
            transactional_id_expiration_ms: 604_800_000,
            socket_receive_buffer_bytes: -1,
            socket_send_buffer_bytes: -1,
            disk_max_bytes: None,
            given: Overrides::new(),
            dynamic: Overrides::new(),
            topic_defaults: Overrides::new(),
        }
    }
}

/// What became of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// It is in force.
    Set,
    /// It is Kafka's, and changes nothing here, for this reason.
    None(&'static str),
}

impl BrokerConfig {
    /// Takes a setting by Kafka's name, as text.
    ///
    /// # Errors
    /// [`SettingError`]; nothing has changed then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Effect, SettingError> {
        if let Some((_, topic_name, unit)) = IN_OTHER_UNITS.iter().find(|row| row.0 == name) {
            let count: i64 = value
                .trim()
                .parse()
                .map_err(|_| SettingError::value(name, value, "must be a whole number"))?;
            let value =
                if count < 0 { "-1".to_owned() } else { count.saturating_mul(*unit).to_string() };
            self.given.insert(name.to_owned(), count.to_string());
            self.topic_defaults.insert((*topic_name).to_owned(), value);
            return Ok(Effect::Set);
        }
        let inherited = table::inherited_from(name);
        if let Some(setting) = inherited.or_else(|| table::broker_setting(name)) {
            setting.kind.check(value).map_err(|why| SettingError::value(name, value, why))?;
            self.given.insert(name.to_owned(), value.trim().to_owned());
            if inherited.is_some() {
                self.topic_defaults.insert(setting.name.to_owned(), value.trim().to_owned());
            } else {
                self.apply(name, value.trim());
            }
            return Ok(if setting.effective { Effect::Set } else { Effect::None(setting.doc) });
        }
        if FOREIGN.iter().any(|start| name.starts_with(start)) {
            return Ok(Effect::None("it describes a cluster of JVMs"));
        }
        Err(SettingError::Unknown(name.to_owned()))
    }

    /// The same broker with other settings on top of those it started with.
    pub(crate) fn with_dynamic(&self, dynamic: Overrides) -> Result<Self, SettingError> {
        let mut config = Self::default();
        for (name, value) in self.given.iter().chain(&dynamic) {
            config.set(name, value)?;
        }
        config.given.clone_from(&self.given);
        config.dynamic = dynamic;
        Ok(config)
    }

    /// Takes over a value that was checked.
    fn apply(&mut self, name: &str, value: &str) {
        match name {
            "num.partitions" => read(&mut self.num_partitions, value),
            "default.replication.factor" => read(&mut self.default_replication_factor, value),
            "auto.create.topics.enable" => read(&mut self.auto_create_topics, value),
            "delete.topic.enable" => read(&mut self.delete_topics, value),
            "socket.request.max.bytes" => read(&mut self.socket_request_max_bytes, value),
            "fetch.max.bytes" => read(&mut self.fetch_max_bytes, value),
            "max.connections" => read(&mut self.max_connections, value),
            "max.connections.per.ip" => read(&mut self.max_connections_per_ip, value),
            "connections.max.idle.ms" => read(&mut self.connections_max_idle_ms, value),
            "transaction.max.timeout.ms" => read(&mut self.transaction_max_timeout_ms, value),
            "group.initial.rebalance.delay.ms" => {
                read(&mut self.group_initial_rebalance_delay_ms, value);
            }
            "group.min.session.timeout.ms" => read(&mut self.group_min_session_timeout_ms, value),
            "group.max.session.timeout.ms" => read(&mut self.group_max_session_timeout_ms, value),
            "group.max.size" => read(&mut self.group_max_size, value),
            _ if name.starts_with("group.consumer.") => self.apply_consumer(name, value),
            _ if name.starts_with("group.share.") => self.apply_share(name, value),
            "offsets.retention.minutes" => read(&mut self.offsets_retention_minutes, value),
            "offsets.topic.num.partitions" => {
                read(&mut self.offsets_topic_num_partitions, value);
            }
            "transaction.state.log.num.partitions" => {
                read(&mut self.transaction_state_log_num_partitions, value);
            }
            "producer.id.expiration.ms" => read(&mut self.producer_id_expiration_ms, value),
            "transactional.id.expiration.ms" => {
                read(&mut self.transactional_id_expiration_ms, value);
            }
            "socket.receive.buffer.bytes" => read(&mut self.socket_receive_buffer_bytes, value),
            "socket.send.buffer.bytes" => read(&mut self.socket_send_buffer_bytes, value),
            "klamm.disk.max.bytes" => self.disk_max_bytes = value.parse().ok(),
            "log.cleaner.backoff.ms" => read(&mut self.log_cleaner_backoff_ms, value),
            "log.retention.check.interval.ms" => {
                read(&mut self.retention_check_interval_ms, value);
            }
            _ => {}
        }
    }

    fn apply_consumer(&mut self, name: &str, value: &str) {
        match name {
            "group.consumer.assignors" => read(&mut self.group_consumer_assignors, value),
            "group.consumer.heartbeat.interval.ms" => {
                read(&mut self.group_consumer_heartbeat_interval_ms, value)
            }
            "group.consumer.max.heartbeat.interval.ms" => {
                read(&mut self.group_consumer_max_heartbeat_interval_ms, value)
            }
            "group.consumer.max.session.timeout.ms" => {
                read(&mut self.group_consumer_max_session_timeout_ms, value)
            }
            "group.consumer.max.size" => read(&mut self.group_consumer_max_size, value),
            "group.consumer.min.heartbeat.interval.ms" => {
                read(&mut self.group_consumer_min_heartbeat_interval_ms, value)
            }
            "group.consumer.min.session.timeout.ms" => {
                read(&mut self.group_consumer_min_session_timeout_ms, value)
            }
            "group.consumer.session.timeout.ms" => {
                read(&mut self.group_consumer_session_timeout_ms, value)
            }
            _ => {}
        }
    }

    /// What a group may set for itself; none for what is not a time of KIP-848.
    pub(super) fn consumer_range(&self, name: &str) -> Option<Kind> {
        let range = |min: i32, max: i32| Some(Kind::Int(i64::from(min), i64::from(max)));
        match name {
            "consumer.session.timeout.ms" => range(
                self.group_consumer_min_session_timeout_ms,
                self.group_consumer_max_session_timeout_ms,
            ),
            "consumer.heartbeat.interval.ms" => range(
                self.group_consumer_min_heartbeat_interval_ms,
                self.group_consumer_max_heartbeat_interval_ms,
            ),
            _ => None,
        }
    }

    fn apply_share(&mut self, name: &str, value: &str) {
        match name {
            "group.share.delivery.count.limit" => {
                read(&mut self.group_share_delivery_count_limit, value);
            }
            "group.share.heartbeat.interval.ms" => {
                read(&mut self.group_share_heartbeat_interval_ms, value);
            }
            "group.share.max.share.sessions" => {
                read(&mut self.group_share_max_share_sessions, value);
            }
            "group.share.max.size" => read(&mut self.group_share_max_size, value),
            "group.share.partition.max.record.locks" => {
                read(&mut self.group_share_partition_max_record_locks, value);
            }
            "group.share.record.lock.duration.ms" => {
                read(&mut self.group_share_record_lock_duration_ms, value);
            }
            "group.share.session.timeout.ms" => {
                read(&mut self.group_share_session_timeout_ms, value);
            }
            _ => {}
        }
    }

    /// The value that was given for a setting, or set since; none while it has its default.
    pub(crate) fn in_force(&self, name: &str) -> Option<&str> {
        self.dynamic.get(name).or_else(|| self.given.get(name)).map(String::as_str)
    }
}

/// Replaces `slot` by what `value` says.
fn read<T: std::str::FromStr>(slot: &mut T, value: &str) {
    if let Ok(value) = value.parse() {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::{BrokerConfig, Effect};
    use crate::config::table::BROKER;

    #[test]
    fn every_effective_setting_changes_something() {
        for setting in BROKER.iter().filter(|setting| setting.effective) {
            let mut config = BrokerConfig::default();
            let other = match setting.default {
                "true" => "false",
                "uniform,range" => "range",
                _ => "7777",
            };
            assert_eq!(config.set(setting.name, other), Ok(Effect::Set), "{}", setting.name);
            config.given.clear();
            assert_ne!(config, BrokerConfig::default(), "{} has no effect", setting.name);
        }
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        for setting in BROKER.iter().filter(|setting| setting.effective) {
            let mut config = BrokerConfig::default();
            config.set(setting.name, setting.default).unwrap();
            config.given.clear();
            assert_eq!(config, BrokerConfig::default(), "{}", setting.name);
        }
    }

    #[test]
    fn names_of_a_cluster_of_jvms_are_taken_without_effect() {
        let mut config = BrokerConfig::default();
        for name in
            ["zookeeper.connect", "process.roles", "num.io.threads", "controller.quorum.voters"]
        {
            assert!(matches!(config.set(name, "8"), Ok(Effect::None(_))), "{name}");
        }
        assert!(config.set("num.partition", "8").is_err());
        assert!(config.set("num.partitions", "0").is_err());
    }
}
