//! Pure: settings of one topic, from what it sets, what the broker sets, and the table's defaults.

use super::nearest::nearest;
use super::{BrokerConfig, table};
use crate::properties::known_names;
use klamm_log::LogConfig;
use std::collections::BTreeMap;

/// What a client set for a topic: names and values as it wrote them.
pub(crate) type Overrides = BTreeMap<String, String>;

/// Which time a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TimestampType {
    /// What the producer wrote.
    #[default]
    CreateTime,
    /// When the broker appended it.
    LogAppendTime,
}

/// What is in force for a topic; the fields are named after the settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicConfig {
    pub(crate) max_message_bytes: usize,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) timestamp_before_max_ms: i64,
    /// `cleanup.policy` has `compact`.
    pub(crate) compact: bool,
    /// `cleanup.policy` has `delete`.
    pub(crate) delete: bool,
    pub(crate) retention_ms: Option<i64>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    pub(crate) index_interval_bytes: u64,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_compaction_lag_ms: i64,
    pub(crate) max_compaction_lag_ms: i64,
    pub(crate) min_cleanable_dirty_ratio: f64,
}

/// A setting that is not known, or a value it does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No setting has this name.
    #[error("there is no setting {name:?}{near}", name = .0, near = nearest_setting(.0))]
    Unknown(String),
    /// The value is none of this setting's.
    #[error("{name}={value}: {why}")]
    Value {
        /// The setting.
        name: String,
        /// What it was to be.
        value: String,
        /// What it must be.
        why: String,
    },
    /// It cannot be written down.
    #[error("the setting could not be stored: {0}")]
    Storage(String),
}

/// The end of a message about a name that is not known.
fn nearest_setting(name: &str) -> String {
    let names = table::names().chain(known_names());
    nearest(name, names).map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

impl SettingError {
    pub(crate) fn value(name: &str, value: &str, why: impl Into<String>) -> Self {
        Self::Value { name: name.to_owned(), value: value.to_owned(), why: why.into() }
    }
}

impl TopicConfig {
    /// What follows for the logs of its partitions.
    pub(crate) fn log(&self, sync_names: bool) -> LogConfig {
        let mut config = LogConfig::default();
        config.segment_bytes = self.segment_bytes;
        config.segment_ms = self.segment_ms;
        config.index_interval_bytes = self.index_interval_bytes;
        config.retention_ms = self.retention_ms;
        config.retention_bytes = self.retention_bytes;
        config.delete = self.delete;
        config.compact = self.compact;
        config.delete_retention_ms = self.delete_retention_ms;
        config.min_compaction_lag_ms = self.min_compaction_lag_ms;
        config.min_cleanable_dirty_ratio = self.min_cleanable_dirty_ratio;
        config.sync_names = sync_names;
        config
    }

    /// What follows from a topic's own settings and the broker's.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is not known or not allowed.
    pub(crate) fn new(overrides: &Overrides, broker: &BrokerConfig) -> Result<Self, SettingError> {
        for (name, value) in overrides {
            let setting = table::topic_setting(name);
            let setting = setting.ok_or_else(|| SettingError::Unknown(name.clone()))?;
            setting.kind.check(value).map_err(|why| SettingError::value(name, value, why))?;
        }
        Ok(Values { overrides, broker }.config())
    }
}

/// The values in force, by name; all of them were checked.
struct Values<'a> {
    overrides: &'a Overrides,
    broker: &'a BrokerConfig,
}

impl Values<'_> {
    fn text(&self, name: &str) -> &str {
        let set = self.overrides.get(name).or_else(|| self.broker.topic_defaults.get(name));
        match set {
            Some(value) => value.trim(),
            None => table::topic_setting(name).map_or("", |setting| setting.default),
        }
    }

    fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }

    fn bytes(&self, name: &str) -> u64 {
        u64::try_from(self.number(name)).unwrap_or_default()
    }

    fn has_policy(&self, policy: &str) -> bool {
        self.text("cleanup.policy").split(',').any(|word| word.trim() == policy)
    }

    fn config(&self) -> TopicConfig {
        let append_time = self.text("message.timestamp.type") == "LogAppendTime";
        TopicConfig {
            max_message_bytes: usize::try_from(self.bytes("max.message.bytes"))
                .unwrap_or(usize::MAX),
            timestamp_type: if append_time {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            timestamp_after_max_ms: self.number("message.timestamp.after.max.ms"),
            timestamp_before_max_ms: self.number("message.timestamp.before.max.ms"),
            compact: self.has_policy("compact"),
            delete: self.has_policy("delete"),
            retention_ms: Some(self.number("retention.ms")).filter(|&ms| ms >= 0),
            retention_bytes: u64::try_from(self.number("retention.bytes")).ok(),
            segment_bytes: self.bytes("segment.bytes"),
            segment_ms: self.number("segment.ms"),
            index_interval_bytes: self.bytes("index.interval.bytes"),
            delete_retention_ms: self.number("delete.retention.ms"),
            min_compaction_lag_ms: self.number("min.compaction.lag.ms"),
            max_compaction_lag_ms: self.number("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: self
                .text("min.cleanable.dirty.ratio")
                .parse()
                .unwrap_or(0.5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_topic_goes_before_the_broker_and_the_broker_before_the_default() {
        let mut broker = BrokerConfig::default();
        broker.set("log.retention.hours", "1").unwrap();
        broker.set("message.max.bytes", "5000000").unwrap();
        let inherited = TopicConfig::new(&Overrides::new(), &broker).unwrap();
        assert_eq!(
            (inherited.retention_ms, inherited.max_message_bytes),
            (Some(3_600_000), 5_000_000)
        );
        let set = overrides(&[("retention.ms", "-1"), ("cleanup.policy", "compact,delete")]);
        let own = TopicConfig::new(&set, &broker).unwrap();
        assert_eq!((own.retention_ms, own.compact, own.delete), (None, true, true));
        assert_eq!(own.segment_bytes, 1 << 30);
    }

    #[test]
    fn unknown_names_and_wrong_values_are_refused() {
        let broker = BrokerConfig::default();
        let unknown = TopicConfig::new(&overrides(&[("retention", "1")]), &broker);
        assert_eq!(unknown, Err(SettingError::Unknown("retention".to_owned())));
        let wrong = TopicConfig::new(&overrides(&[("retention.ms", "soon")]), &broker);
        assert_eq!(wrong.unwrap_err().to_string(), "retention.ms=soon: must be a whole number");
    }
}
