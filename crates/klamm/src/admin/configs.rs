//! Settings of topics.

use super::{Admin, AdminError, ask_controller, outcome};
use klamm_protocol::message::describe_configs_request::DescribeConfigsResource;
use klamm_protocol::message::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use klamm_protocol::message::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

/// Kafka's number for "a topic" among the things that have settings.
const TOPIC: i8 = 2;
/// Kafka's numbers for where a value comes from; 1 is the topic itself.
const FROM_TOPIC: i8 = 1;

/// One setting and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` for secrets.
    pub value: Option<String>,
    /// Whether the topic itself sets it; else it is the broker's or Kafka's default.
    pub is_set_on_topic: bool,
    /// Whether it can be changed.
    pub is_read_only: bool,
}

/// What to do with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigChange {
    /// Gives it a value.
    Set(String),
    /// Takes the topic's own value away, so that the default holds.
    Unset,
    /// Adds to a list.
    Append(String),
    /// Takes from a list.
    Subtract(String),
}

impl Admin {
    /// Reads all settings of a topic.
    ///
    /// # Errors
    /// [`AdminError`], also when the topic does not exist.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe_topic_configs(
        &self,
        topic: &str,
    ) -> Result<Vec<ConfigEntry>, AdminError> {
        let name = topic.to_owned();
        self.run(move |client| async move {
            let resource = DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: name.into(),
                configuration_keys: None,
            };
            let request = DescribeConfigsRequest {
                resources: vec![resource],
                ..DescribeConfigsRequest::default()
            };
            let answer = client.ask_any(&request, 1..=4).await?;
            let mut entries = Vec::new();
            for result in &answer.results {
                outcome(result.error_code, result.error_message.as_ref())?;
                entries.extend(result.configs.iter().map(|c| ConfigEntry {
                    name: c.name.to_string(),
                    value: c.value.as_ref().map(ToString::to_string),
                    is_set_on_topic: c.config_source == FROM_TOPIC,
                    is_read_only: c.read_only,
                }));
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        })
        .await
    }

    /// Changes settings of a topic and leaves all others alone.
    ///
    /// # Errors
    /// [`AdminError`], also when the broker refuses; then nothing is changed.
    ///
    /// # Cancel safety
    /// The changes may be made all the same.
    pub async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: Vec<(String, ConfigChange)>,
    ) -> Result<(), AdminError> {
        let name = topic.to_owned();
        self.run(move |client| async move {
            let resource = AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: name.into(),
                configs: changes.into_iter().map(alterable).collect(),
            };
            let request =
                IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
            let answer = ask_controller(&client, &request, 0..=1, |_| false).await?;
            answer
                .responses
                .iter()
                .try_for_each(|r| outcome(r.error_code, r.error_message.as_ref()))
        })
        .await
    }
}

fn alterable((name, change): (String, ConfigChange)) -> AlterableConfig {
    let (config_operation, value) = match change {
        ConfigChange::Set(value) => (0, Some(value)),
        ConfigChange::Unset => (1, None),
        ConfigChange::Append(value) => (2, Some(value)),
        ConfigChange::Subtract(value) => (3, Some(value)),
    };
    AlterableConfig { name: name.into(), config_operation, value: value.map(Into::into) }
}
