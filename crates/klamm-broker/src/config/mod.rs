//! What can be set, for the broker and for a topic, under the names of Apache Kafka.

mod broker;
mod group;
mod kind;
mod nearest;
mod table;
mod topic;

pub use self::broker::{BrokerConfig, Effect};
pub(crate) use self::group::{GROUP, OffsetReset, check_group_settings, group_number, group_text};
pub(crate) use self::kind::{COUNT, Kind, LIMIT};
pub(crate) use self::table::{BROKER, Setting, TOPIC, topic_setting};
pub use self::topic::SettingError;
pub(crate) use self::topic::{Overrides, TimestampType, TopicConfig};
