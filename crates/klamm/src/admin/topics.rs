//! Topics: create, delete, list, describe, add partitions.

use super::{Admin, AdminError, Named, ask_controller, outcome};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::create_partitions_request::CreatePartitionsTopic;
use klamm_protocol::message::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use klamm_protocol::message::delete_topics_request::DeleteTopicState;
use klamm_protocol::message::metadata_response::MetadataResponseTopic;
use klamm_protocol::message::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};
use klamm_protocol::primitives::Uuid;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A topic to create; what is not set is up to the broker.
#[derive(Debug, Clone)]
pub struct NewTopic {
    name: String,
    partitions: i32,
    replication_factor: i16,
    configs: Vec<(String, String)>,
}

impl NewTopic {
    /// Starts a topic with the broker's default number of partitions and replicas.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: -1, replication_factor: -1, configs: Vec::new() }
    }

    /// Sets the number of partitions.
    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = count;
        self
    }

    /// Sets the number of replicas of each partition.
    pub fn replication_factor(mut self, count: i16) -> Self {
        self.replication_factor = count;
        self
    }

    /// Sets one of the topic's settings.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }
}

/// A topic in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicSummary {
    /// Its name.
    pub name: String,
    /// Its id, as Kafka shows it; empty from brokers that have none.
    pub id: String,
    /// Number of partitions.
    pub partitions: usize,
    /// Replicas of the first partition.
    pub replication_factor: usize,
    /// Whether Kafka keeps it for itself.
    pub is_internal: bool,
}

/// A topic in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// As in a list.
    pub summary: TopicSummary,
    /// Its partitions, by index.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition of a described topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its index.
    pub partition: i32,
    /// The broker that leads it; `None` while there is none.
    pub leader: Option<i32>,
    /// Grows with every leader; -1 from brokers that do not tell.
    pub leader_epoch: i32,
    /// Brokers that have a copy; the preferred leader first.
    pub replicas: Vec<i32>,
    /// Brokers whose copy is up to date.
    pub in_sync: Vec<i32>,
    /// Brokers whose copy cannot be reached.
    pub offline: Vec<i32>,
}

impl Admin {
    /// Creates topics, or with `validate_only` just asks whether they could be.
    ///
    /// # Errors
    /// [`AdminError`] when no controller could be asked; refusals are in the results.
    ///
    /// # Cancel safety
    /// The topics may be created all the same.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Result<Vec<Named<()>>, AdminError> {
        self.run(|client| async move {
            let request = CreateTopicsRequest {
                topics: topics.iter().map(creatable).collect(),
                timeout_ms: timeout_ms(&client.config),
                validate_only,
            };
            let moved = |r: &klamm_protocol::message::CreateTopicsResponse| {
                r.topics.iter().any(|t| is_moved(t.error_code))
            };
            let answer = ask_controller(&client, &request, 2..=7, moved).await?;
            let result =
                |t: &klamm_protocol::message::create_topics_response::CreatableTopicResult| {
                    (t.name.to_string(), outcome(t.error_code, t.error_message.as_ref()))
                };
            Ok(answer.topics.iter().map(result).collect())
        })
        .await
    }

    /// Deletes topics and everything in them.
    ///
    /// # Errors
    /// [`AdminError`] when no controller could be asked; refusals are in the results.
    ///
    /// # Cancel safety
    /// The topics may be deleted all the same.
    pub async fn delete_topics(&self, names: Vec<String>) -> Result<Vec<Named<()>>, AdminError> {
        self.run(|client| async move {
            let state = |n: &String| DeleteTopicState {
                name: Some(n.as_str().into()),
                ..DeleteTopicState::default()
            };
            let mut request = DeleteTopicsRequest {
                topic_names: names.iter().map(|n| n.as_str().into()).collect(),
                timeout_ms: timeout_ms(&client.config),
                ..DeleteTopicsRequest::default()
            };
            let connection = client.controller().await?;
            // Version 6 asks by a list of its own, and leaves the old one empty.
            if connection.version::<DeleteTopicsRequest>(1..=6)? >= 6 {
                request.topics = names.iter().map(state).collect();
                request.topic_names.clear();
            }
            let moved = |r: &klamm_protocol::message::DeleteTopicsResponse| {
                r.responses.iter().any(|t| is_moved(t.error_code))
            };
            let answer = ask_controller(&client, &request, 1..=6, moved).await?;
            let result =
                |t: &klamm_protocol::message::delete_topics_response::DeletableTopicResult| {
                    let name = t.name.as_ref().map(ToString::to_string).unwrap_or_default();
                    (name, outcome(t.error_code, t.error_message.as_ref()))
                };
            Ok(answer.responses.iter().map(result).collect())
        })
        .await
    }

    /// Raises a topic's number of partitions to `total`; keys may move to other partitions.
    ///
    /// # Errors
    /// [`AdminError`], also when the broker refuses.
    ///
    /// # Cancel safety
    /// The partitions may be added all the same.
    pub async fn add_partitions(&self, topic: &str, total: i32) -> Result<(), AdminError> {
        let name = topic.to_owned();
        self.run(move |client| async move {
            let topic =
                CreatePartitionsTopic { name: name.into(), count: total, assignments: None };
            let request = CreatePartitionsRequest {
                topics: vec![topic],
                timeout_ms: timeout_ms(&client.config),
                ..CreatePartitionsRequest::default()
            };
            let moved = |r: &klamm_protocol::message::CreatePartitionsResponse| {
                r.results.iter().any(|t| is_moved(t.error_code))
            };
            let answer = ask_controller(&client, &request, 0..=3, moved).await?;
            answer.results.iter().try_for_each(|t| outcome(t.error_code, t.error_message.as_ref()))
        })
        .await
    }

    /// Lists all topics by name; Kafka's own only on request.
    ///
    /// # Errors
    /// [`AdminError`] when no broker could be asked.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn list_topics(&self, internal: bool) -> Result<Vec<TopicSummary>, AdminError> {
        self.run(move |client| async move {
            let answer = client.fetch_metadata(None).await?;
            let mut topics: Vec<TopicSummary> = answer
                .topics
                .iter()
                .filter(|t| internal || !t.is_internal)
                .map(|t| describe(t).summary)
                .collect();
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(topics)
        })
        .await
    }

    /// Describes topics; those that are not there are not made, whatever `allow.auto.create.topics` says.
    ///
    /// # Errors
    /// [`AdminError`] when no broker could be asked; unknown topics are in the results.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe_topics(
        &self,
        names: Vec<String>,
    ) -> Result<Vec<Named<TopicDescription>>, AdminError> {
        self.run(|client| async move {
            let names: BTreeSet<Arc<str>> = names.into_iter().map(Arc::from).collect();
            let answer = client.fetch_metadata_of_existing(names).await?;
            let result = |t: &MetadataResponseTopic| {
                let description = describe(t);
                let name = description.summary.name.clone();
                (name, outcome(t.error_code, None).map(|()| description))
            };
            Ok(answer.topics.iter().map(result).collect())
        })
        .await
    }
}

fn is_moved(code: i16) -> bool {
    ErrorCode(code) == ErrorCode::NOT_CONTROLLER
}

fn timeout_ms(config: &crate::config::ClientConfig) -> i32 {
    i32::try_from(config.request_timeout.as_millis()).unwrap_or(i32::MAX)
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let config = |(name, value): &(String, String)| CreatableTopicConfig {
        name: name.as_str().into(),
        value: Some(value.as_str().into()),
    };
    CreatableTopic {
        name: topic.name.as_str().into(),
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        configs: topic.configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    }
}

fn describe(t: &MetadataResponseTopic) -> TopicDescription {
    let mut partitions: Vec<PartitionDescription> = t
        .partitions
        .iter()
        .map(|p| PartitionDescription {
            partition: p.partition_index,
            leader: Some(p.leader_id).filter(|id| *id >= 0),
            leader_epoch: p.leader_epoch,
            replicas: p.replica_nodes.clone(),
            in_sync: p.isr_nodes.clone(),
            offline: p.offline_replicas.clone(),
        })
        .collect();
    partitions.sort_by_key(|p| p.partition);
    let id = if t.topic_id == Uuid::ZERO { String::new() } else { t.topic_id.to_string() };
    let summary = TopicSummary {
        name: t.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        id,
        partitions: partitions.len(),
        replication_factor: partitions.first().map_or(0, |p| p.replicas.len()),
        is_internal: t.is_internal,
    };
    TopicDescription { summary, partitions }
}
