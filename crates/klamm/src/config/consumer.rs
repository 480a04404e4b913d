//! Settings of a consumer.

use super::ConfigError;
use crate::consumer::{Assignor, RebalanceListener};
use std::sync::Arc;
use std::time::Duration;

/// Settings of a consumer.
///
/// The defaults are those of Kafka's Java client, but for the group protocol, which is the newer one
/// where the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    pub(crate) topics: Vec<String>,
    pub(crate) topic_pattern: Option<String>,
    pub(crate) group_id: Option<String>,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) group_protocol: GroupProtocol,
    pub(crate) group_remote_assignor: Option<String>,
    pub(crate) partition_assignment_strategy: Vec<String>,
    pub(crate) client_rack: Option<String>,
    pub(crate) auto_offset_reset: AutoOffsetReset,
    pub(crate) enable_auto_commit: bool,
    pub(crate) auto_commit_interval: Duration,
    pub(crate) fetch_min_bytes: i32,
    pub(crate) fetch_max_bytes: i32,
    pub(crate) fetch_max_wait: Duration,
    pub(crate) max_partition_fetch_bytes: i32,
    pub(crate) fetch_buffer_memory: usize,
    pub(crate) fetch_decompressed_max_bytes: usize,
    pub(crate) fetch_stall_timeout: Duration,
    pub(crate) check_crcs: bool,
    pub(crate) isolation_level: IsolationLevel,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) max_poll_records: usize,
    pub(crate) exclude_internal_topics: bool,
    pub(crate) assignors: Same<Vec<Arc<dyn Assignor>>>,
    pub(crate) rebalance_listener: Same<Option<Arc<dyn RebalanceListener>>>,
}

/// Something of the application's, equal to nothing but itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Same<T>(pub(crate) T);

impl PartialEq for Same<Vec<Arc<dyn Assignor>>> {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl PartialEq for Same<Option<Arc<dyn RebalanceListener>>> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Eq for Same<Vec<Arc<dyn Assignor>>> {}
impl Eq for Same<Option<Arc<dyn RebalanceListener>>> {}

/// Where to begin when there is no committed offset, or the one there is exists no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AutoOffsetReset {
    /// With the first record there is.
    Earliest,
    /// With the next record that is produced.
    #[default]
    Latest,
    /// With the first record whose timestamp is at most so long ago (KIP-1106).
    ByDuration(Duration),
    /// Nowhere: it is an error, and the application decides.
    None,
}

/// What of transactions is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// Everything, in the order of the log: open and aborted transactions too.
    #[default]
    ReadUncommitted,
    /// Only what was committed; reading stops before the first open transaction.
    ReadCommitted,
}

/// How a group's members agree on who reads what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupProtocol {
    /// KIP-848 where the broker has it, else the classic one.
    #[default]
    Auto,
    /// The classic protocol: a member assigns partitions for all.
    Classic,
    /// KIP-848: the broker assigns partitions; an error where it cannot.
    Consumer,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            topic_pattern: None,
            group_id: None,
            group_instance_id: None,
            group_protocol: GroupProtocol::Auto,
            group_remote_assignor: None,
            partition_assignment_strategy: vec![
                "range".to_owned(),
                "cooperative-sticky".to_owned(),
            ],
            client_rack: None,
            auto_offset_reset: AutoOffsetReset::Latest,
            enable_auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            fetch_max_wait: Duration::from_millis(500),
            max_partition_fetch_bytes: 1024 * 1024,
            fetch_buffer_memory: 64 * 1024 * 1024,
            fetch_decompressed_max_bytes: 256 * 1024 * 1024,
            fetch_stall_timeout: Duration::from_secs(30),
            check_crcs: true,
            isolation_level: IsolationLevel::ReadUncommitted,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            exclude_internal_topics: true,
            assignors: Same::default(),
            rebalance_listener: Same::default(),
        }
    }
}

impl ConsumerConfig {
    /// Starts with the defaults and this group.
    pub fn group(id: impl Into<String>) -> Self {
        Self { group_id: Some(id.into()), ..Self::default() }
    }

    /// Reads these topics; with a group, the partitions of them that fall to this member.
    pub fn subscribe<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// Reads all topics whose whole name matches this regular expression, also those to come.
    pub fn subscribe_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.topic_pattern = Some(pattern.into());
        self
    }

    /// Makes the member static: it keeps its partitions over a restart within the session timeout.
    pub fn group_instance_id(mut self, id: impl Into<String>) -> Self {
        self.group_instance_id = Some(id.into());
        self
    }

    /// Sets how members agree. Default: KIP-848 where the broker has it.
    pub fn group_protocol(mut self, protocol: GroupProtocol) -> Self {
        self.group_protocol = protocol;
        self
    }

    /// Sets which of the broker's assignors is to assign partitions (KIP-848). Default: the broker's choice.
    pub fn group_remote_assignor(mut self, name: impl Into<String>) -> Self {
        self.group_remote_assignor = Some(name.into());
        self
    }

    /// Sets the assignors this member can use with the classic protocol, the preferred one first.
    /// Default: range, cooperative-sticky.
    pub fn partition_assignment_strategy<T: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = T>,
    ) -> Self {
        self.partition_assignment_strategy = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an assignor of the application's own; these take the place of the named ones, the preferred one
    /// first, and the group is then of the classic protocol unless it is to be the other.
    pub fn assignor(mut self, assignor: Arc<dyn Assignor>) -> Self {
        self.assignors.0.push(assignor);
        self
    }

    /// Sets who is told what a rebalance gives and takes.
    pub fn rebalance_listener(mut self, listener: Arc<dyn RebalanceListener>) -> Self {
        self.rebalance_listener.0 = Some(listener);
        self
    }

    /// Sets where this consumer is, so that it reads from the closest replica (KIP-392).
    pub fn client_rack(mut self, rack: impl Into<String>) -> Self {
        self.client_rack = Some(rack.into());
        self
    }

    /// Sets where to begin without a committed offset. Default: latest.
    pub fn auto_offset_reset(mut self, reset: AutoOffsetReset) -> Self {
        self.auto_offset_reset = reset;
        self
    }

    /// Commits what was processed, from time to time and before partitions go. Default: yes.
    pub fn auto_commit(mut self, enable: bool) -> Self {
        self.enable_auto_commit = enable;
        self
    }

    /// Sets the time between automatic commits. Default: 5 s.
    pub fn auto_commit_interval(mut self, interval: Duration) -> Self {
        self.auto_commit_interval = interval;
        self
    }

    /// Sets for how many bytes the broker waits before it answers. Default: 1.
    pub fn fetch_min_bytes(mut self, bytes: i32) -> Self {
        self.fetch_min_bytes = bytes;
        self
    }

    /// Sets the most bytes of an answer; a batch that is larger still comes, alone. Default: 50 MiB.
    pub fn fetch_max_bytes(mut self, bytes: i32) -> Self {
        self.fetch_max_bytes = bytes;
        self
    }

    /// Sets for how long the broker waits for the least bytes. Default: 500 ms.
    pub fn fetch_max_wait(mut self, wait: Duration) -> Self {
        self.fetch_max_wait = wait;
        self
    }

    /// Sets the most bytes of one partition in an answer. Default: 1 MiB.
    pub fn max_partition_fetch_bytes(mut self, bytes: i32) -> Self {
        self.max_partition_fetch_bytes = bytes;
        self
    }

    /// Sets the memory in bytes for what was fetched and not let go yet, decompressed data included.
    /// Default: 64 MiB.
    pub fn fetch_buffer_memory(mut self, bytes: usize) -> Self {
        self.fetch_buffer_memory = bytes;
        self
    }

    /// Sets the most bytes that one batch may decompress to. Default: 256 MiB.
    pub fn fetch_decompressed_max_bytes(mut self, bytes: usize) -> Self {
        self.fetch_decompressed_max_bytes = bytes;
        self
    }

    /// Sets after how long without progress a partition that has records is reported. Default: 30 s.
    pub fn fetch_stall_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_stall_timeout = timeout;
        self
    }

    /// Checks the checksum of every batch. Default: yes.
    pub fn check_crcs(mut self, check: bool) -> Self {
        self.check_crcs = check;
        self
    }

    /// Sets what of transactions is read. Default: everything.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.isolation_level = level;
        self
    }

    /// Sets after how long without a heartbeat a member is taken for dead. Default: 45 s.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// Sets the time between heartbeats. Default: 3 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// Sets how long the application may take between two polls before its partitions go to others; also
    /// how long the group waits for it in a rebalance. Default: 5 min.
    pub fn max_poll_interval(mut self, interval: Duration) -> Self {
        self.max_poll_interval = interval;
        self
    }

    /// Sets the most records of a batch. Default: 500.
    pub fn max_poll_records(mut self, records: usize) -> Self {
        self.max_poll_records = records;
        self
    }

    /// Leaves Kafka's own topics out of what a pattern matches. Default: yes.
    pub fn exclude_internal_topics(mut self, exclude: bool) -> Self {
        self.exclude_internal_topics = exclude;
        self
    }

    /// Checks the settings against each other.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is out of range or contradicts another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_group()?;
        self.validate_fetch()
    }

    fn validate_group(&self) -> Result<(), ConfigError> {
        let conflict = |text: &str| Err(ConfigError::Conflict(text.to_owned()));
        if self.group_id.as_deref() == Some("") {
            return Err(ConfigError::invalid("group.id", "not empty"));
        }
        if self.group_instance_id.is_some() && self.group_id.is_none() {
            return conflict("group.instance.id needs a group.id: without one there is no member");
        }
        if self.group_protocol == GroupProtocol::Classic && self.group_remote_assignor.is_some() {
            return conflict("group.remote.assignor needs group.protocol=consumer or auto");
        }
        if self.partition_assignment_strategy.is_empty()
            && self.group_protocol != GroupProtocol::Consumer
        {
            let reason = "at least one assignor, such as range";
            return Err(ConfigError::invalid("partition.assignment.strategy", reason));
        }
        if self.heartbeat_interval.is_zero() || self.heartbeat_interval >= self.session_timeout {
            let reason = "more than 0 and less than session.timeout.ms; a third of it is usual";
            return Err(ConfigError::invalid("heartbeat.interval.ms", reason));
        }
        if self.max_poll_interval < self.session_timeout {
            let reason = "at least session.timeout.ms";
            return Err(ConfigError::invalid("max.poll.interval.ms", reason));
        }
        if !self.topics.is_empty() && self.topic_pattern.is_some() {
            return conflict("subscribe to topics or to a pattern, not to both");
        }
        Ok(())
    }

    fn validate_fetch(&self) -> Result<(), ConfigError> {
        let positive = [
            ("fetch.max.bytes", self.fetch_max_bytes),
            ("max.partition.fetch.bytes", self.max_partition_fetch_bytes),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, bytes)| *bytes <= 0) {
            return Err(ConfigError::invalid(name, "at least 1"));
        }
        if self.fetch_min_bytes < 0 || self.fetch_min_bytes > self.fetch_max_bytes {
            return Err(ConfigError::invalid("fetch.min.bytes", "from 0 to fetch.max.bytes"));
        }
        if i32::try_from(self.fetch_max_wait.as_millis()).is_err() {
            return Err(ConfigError::invalid("fetch.max.wait.ms", "at most 2147483647"));
        }
        if self.max_poll_records == 0 {
            return Err(ConfigError::invalid("max.poll.records", "at least 1"));
        }
        if self.fetch_buffer_memory < FETCH_BUFFER_MIN {
            let reason = format!("at least {FETCH_BUFFER_MIN}");
            return Err(ConfigError::invalid("fetch.buffer.memory", reason));
        }
        if !(1..=i32::MAX as usize).contains(&self.fetch_decompressed_max_bytes) {
            let reason = "from 1 to 2147483647";
            return Err(ConfigError::invalid("fetch.decompressed.max.bytes", reason));
        }
        Ok(())
    }
}

/// With less a consumer would do nothing but wait.
const FETCH_BUFFER_MIN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sound() {
        assert_eq!(ConsumerConfig::default().validate(), Ok(()));
        assert_eq!(ConsumerConfig::group("g").subscribe(["a", "b"]).validate(), Ok(()));
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        let second = Duration::from_secs(1);
        let config = || ConsumerConfig::group("g");
        let refused = [
            (ConsumerConfig::group(""), "group.id"),
            (ConsumerConfig::default().group_instance_id("i"), "group.id"),
            (
                config().group_protocol(GroupProtocol::Classic).group_remote_assignor("uniform"),
                "group.protocol",
            ),
            (config().partition_assignment_strategy([""; 0]), "partition.assignment.strategy"),
            (config().session_timeout(second), "heartbeat.interval.ms"),
            (config().heartbeat_interval(Duration::ZERO), "heartbeat.interval.ms"),
            (config().max_poll_interval(second), "max.poll.interval.ms"),
            (config().subscribe(["a"]).subscribe_pattern("a.*"), "pattern"),
            (config().fetch_max_bytes(0), "fetch.max.bytes"),
            (config().max_partition_fetch_bytes(-1), "max.partition.fetch.bytes"),
            (config().fetch_min_bytes(-1), "fetch.min.bytes"),
            (config().fetch_min_bytes(2).fetch_max_bytes(1), "fetch.min.bytes"),
            (config().fetch_max_wait(Duration::from_secs(3_000_000)), "fetch.max.wait.ms"),
            (config().max_poll_records(0), "max.poll.records"),
            (config().fetch_buffer_memory(1), "fetch.buffer.memory"),
            (config().fetch_decompressed_max_bytes(0), "fetch.decompressed.max.bytes"),
            (config().fetch_decompressed_max_bytes(1 << 31), "fetch.decompressed.max.bytes"),
        ];
        for (config, name) in refused {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error} names {name}");
        }
    }
}
