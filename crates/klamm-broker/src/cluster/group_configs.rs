//! Settings of single groups.

use super::Cluster;
use crate::config::{OffsetReset, Overrides, SettingError, check_group_settings, group_value};
use crate::group::ShareTimes;
use crate::partition::Isolation;
use crate::share::Limits;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::str::FromStr;

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
        check_group_settings(&overrides)?;
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

    /// What is in force for a share group, whether or not it exists.
    pub(crate) fn share_settings(&self, group: &str) -> ShareSettings {
        let (groups, broker) = (self.group_configs.0.read(), self.config());
        let own = groups.get(group);
        let text = |name| group_value(name, own, &broker);
        let committed = text("share.isolation.level") == "read_committed";
        ShareSettings {
            times: ShareTimes {
                session_timeout_ms: number(text("share.session.timeout.ms"), 45_000),
                heartbeat_interval_ms: number(text("share.heartbeat.interval.ms"), 5_000),
            },
            limits: Limits {
                deliveries: number(text("share.delivery.count.limit"), 5),
                record_locks: number(text("share.partition.max.record.locks"), 2_000),
                lock_ms: number(text("share.record.lock.duration.ms"), 30_000),
            },
            reset: OffsetReset::parse(text("share.auto.offset.reset"))
                .unwrap_or(OffsetReset::Latest),
            isolation: if committed { Isolation::Committed } else { Isolation::Uncommitted },
            renew: text("share.renew.acknowledge.enable") == "true",
        }
    }
}

/// The number that a checked value is; `default` can only stand for one that does not fit its type.
fn number<T: FromStr>(text: &str, default: T) -> T {
    text.parse().unwrap_or(default)
}
