//! Settings of single groups.

use super::Cluster;
use crate::config::{
    OffsetReset, Overrides, SettingError, check_group_settings, group_number, group_text,
};
use crate::group::{ConsumerTimes, ShareTimes};
use crate::partition::Isolation;
use crate::share::Limits;
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// Keys of the journal that belong to settings of groups.
const JOURNAL: &str = "group-settings/";

/// Groups that may have settings.
const MAX_GROUPS: usize = 100_000;

/// What was set for groups, by name.
#[derive(Debug, Default)]
pub(crate) struct GroupConfigs(RwLock<BTreeMap<String, Overrides>>);

/// What is in force for a share group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShareSettings {
    pub(crate) times: ShareTimes,
    pub(crate) limits: Limits,
    pub(crate) reset: OffsetReset,
    pub(crate) isolation: Isolation,
    /// Whether members may keep records longer.
    pub(crate) renew: bool,
}

impl Cluster {
    /// What was set for a group.
    pub(crate) fn group_overrides(&self, group: &str) -> Overrides {
        self.group_configs.0.read().get(group).cloned().unwrap_or_default()
    }

    /// Groups for which something was set.
    pub(crate) fn configured_groups(&self) -> Vec<String> {
        self.group_configs.0.read().keys().cloned().collect()
    }

    /// Replaces what is set for a group, whether or not it exists; with `validate_only` nothing changes.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is not known or not allowed; nothing changes then.
    pub(crate) fn configure_group(
        &self,
        group: &str,
        overrides: Overrides,
        validate_only: bool,
    ) -> Result<(), SettingError> {
        let _changing = self.changing.lock();
        check_group_settings(&overrides, &self.config())?;
        let failed = |why: &str| SettingError::Storage(why.to_owned());
        if validate_only {
            return Ok(());
        }
        let mut groups = self.group_configs.0.write();
        if !groups.contains_key(group) && groups.len() >= MAX_GROUPS {
            return Err(failed("too many groups have settings"));
        }
        let value = serde_json::to_vec(&overrides).map_err(|e| failed(&e.to_string()))?;
        let value = (!overrides.is_empty()).then_some(value);
        let written = self.write_now(vec![(format!("{JOURNAL}{group}"), value)]);
        written.map_err(|code| failed(code.meaning()))?;
        match overrides.is_empty() {
            true => groups.remove(group),
            false => groups.insert(group.to_owned(), overrides),
        };
        Ok(())
    }

    /// Reads what was written down of settings of groups.
    pub(super) fn restore_group_configs(&self) -> Result<(), serde_json::Error> {
        let mut groups = self.group_configs.0.write();
        for (group, value) in self.journal.entries(JOURNAL) {
            groups.insert(group, serde_json::from_slice(&value)?);
        }
        Ok(())
    }

    /// What is in force for the members of a group of KIP-848, whether or not it exists.
    pub(crate) fn consumer_times(&self, group: &str) -> ConsumerTimes {
        let (groups, broker) = (self.group_configs.0.read(), self.config());
        let own = groups.get(group);
        ConsumerTimes {
            session_timeout_ms: group_number(
                "consumer.session.timeout.ms",
                own,
                broker.group_consumer_session_timeout_ms,
            ),
            heartbeat_interval_ms: group_number(
                "consumer.heartbeat.interval.ms",
                own,
                broker.group_consumer_heartbeat_interval_ms,
            ),
        }
    }

    /// What is in force for a share group, whether or not it exists.
    pub(crate) fn share_settings(&self, group: &str) -> ShareSettings {
        let (groups, broker) = (self.group_configs.0.read(), self.config());
        let own = groups.get(group);
        let number = |name, broker: i32| group_number(name, own, broker);
        let committed = group_text("share.isolation.level", own) == "read_committed";
        let reset = OffsetReset::parse(group_text("share.auto.offset.reset", own));
        ShareSettings {
            times: ShareTimes {
                session_timeout_ms: number(
                    "share.session.timeout.ms",
                    broker.group_share_session_timeout_ms,
                ),
                heartbeat_interval_ms: number(
                    "share.heartbeat.interval.ms",
                    broker.group_share_heartbeat_interval_ms,
                ),
            },
            limits: Limits {
                deliveries: group_number(
                    "share.delivery.count.limit",
                    own,
                    broker.group_share_delivery_count_limit,
                ),
                record_locks: i64::from(number(
                    "share.partition.max.record.locks",
                    broker.group_share_partition_max_record_locks,
                )),
                lock_ms: i64::from(number(
                    "share.record.lock.duration.ms",
                    broker.group_share_record_lock_duration_ms,
                )),
            },
            // What is not checked by now cannot be there.
            reset: reset.unwrap_or(OffsetReset::Latest),
            isolation: if committed { Isolation::Committed } else { Isolation::Uncommitted },
            renew: group_text("share.renew.acknowledge.enable", own) == "true",
        }
    }
}
