//! Changing settings while the broker runs.

use super::Cluster;
use crate::config::{BrokerConfig, Overrides, SettingError, TopicConfig};
use crate::topics::Topic;
use std::sync::Arc;

impl Cluster {
    /// Replaces what a topic sets itself; with `validate_only` nothing changes.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is not known or not allowed; nothing changes then.
    pub(crate) fn configure_topic(
        &self,
        topic: &Topic,
        overrides: Overrides,
        validate_only: bool,
    ) -> Result<(), SettingError> {
        let _changing = self.changing.lock();
        let config = TopicConfig::new(&overrides, &self.config())?;
        if !validate_only {
            topic.configure(overrides, Arc::new(config));
            self.configure_logs(topic);
            self.remember(topic).map_err(|error| SettingError::Storage(error.to_string()))?;
        }
        Ok(())
    }

    /// Replaces what was set for the broker while it runs; topics that inherit it follow.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is not known or not allowed; nothing changes then.
    pub(crate) fn configure_broker(
        &self,
        dynamic: Overrides,
        validate_only: bool,
    ) -> Result<(), SettingError> {
        let _changing = self.changing.lock();
        let config: BrokerConfig = self.config().with_dynamic(dynamic)?;
        if validate_only {
            return Ok(());
        }
        self.remember_settings(&config)?;
        *self.config.write() = Arc::new(config);
        for topic in self.topics.all() {
            let overrides = topic.overrides();
            let config = TopicConfig::new(&overrides, &self.config())?;
            topic.configure(overrides, Arc::new(config));
            self.configure_logs(&topic);
        }
        Ok(())
    }

    fn configure_logs(&self, topic: &Topic) {
        let config = self.log_config(&topic.config());
        topic.partitions().iter().for_each(|partition| partition.configure(config.clone()));
    }
}
