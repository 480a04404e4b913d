//! CreateTopics (19), versions 2-7.
//!
//! - 4: -1 stands for the broker's default of partitions and replicas (KIP-464).
//! - 5: the answer describes the topic as it was made (KIP-525); flexible.
//! - 7: topic ids.
//!
//! A replication factor above the number of nodes means all nodes. Every node is a controller.

use super::{Answer, Context, Handle};
use crate::cluster::NewTopic;
use crate::config::Overrides;
use crate::fault::Target;
use crate::security::Operation;
use crate::topics::{Topic, TopicError};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::create_topics_request::CreatableTopic;
use klamm_protocol::message::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use klamm_protocol::message::{CreateTopicsRequest, CreateTopicsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for CreateTopicsRequest {
    const SERVED: RangeInclusive<i16> = 2..=7;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<CreateTopicsResponse> {
        let twice = |name: &Str| self.topics.iter().filter(|other| other.name == *name).count() > 1;
        let topics = self.topics.iter().map(|asked| match twice(&asked.name) {
            true => failed(asked, ErrorCode::INVALID_REQUEST, "the request names this topic twice"),
            false => create(&cx, asked, self.validate_only),
        });
        Ok(CreateTopicsResponse { topics: topics.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> CreateTopicsResponse {
        let topics = self.topics.iter().map(|asked| failed(asked, code, code.meaning()));
        CreateTopicsResponse { topics: topics.collect(), ..Default::default() }
    }

    fn targets(&self, _: &Context) -> Vec<Target> {
        self.topics.iter().map(|topic| Target::topic(&topic.name)).collect()
    }
}

fn create(cx: &Context, asked: &CreatableTopic, validate_only: bool) -> CreatableTopicResult {
    if let Some(code) = cx.fault(&asked.name, None) {
        return failed(asked, code, code.meaning());
    }
    if !cx.authorize_cluster(Operation::Create)
        && let Err(code) = cx.check_topic(Operation::Create, &asked.name)
    {
        return failed(asked, code, code.meaning());
    }
    let made =
        new_topic(asked).and_then(|new| cx.cluster.create_topic(&asked.name, new, validate_only));
    match made {
        Ok(topic) => described(cx, &topic),
        Err(error) => failed(asked, error.code(), &error.to_string()),
    }
}

fn new_topic(asked: &CreatableTopic) -> Result<NewTopic, TopicError> {
    let mut assignment = Vec::new();
    let mut given: Vec<_> = asked.assignments.iter().collect();
    given.sort_by_key(|assigned| assigned.partition_index);
    for (assigned, index) in given.into_iter().zip(0..) {
        if assigned.partition_index != index {
            return Err(TopicError::Assignment("partitions are not numbered from 0 on".to_owned()));
        }
        assignment.push(assigned.broker_ids.clone());
    }
    let overrides = asked.configs.iter().map(|config| match &config.value {
        Some(value) => Ok((config.name.to_string(), value.to_string())),
        None => Err(TopicError::Config(format!("{} has no value", config.name.as_str()))),
    });
    Ok(NewTopic {
        partitions: Some(asked.num_partitions).filter(|&count| count != -1),
        replication_factor: Some(asked.replication_factor).filter(|&factor| factor != -1),
        assignment,
        overrides: overrides.collect::<Result<Overrides, _>>()?,
    })
}

fn described(cx: &Context, topic: &Topic) -> CreatableTopicResult {
    let mut result = CreatableTopicResult {
        name: topic.name().clone(),
        error_message: None,
        ..CreatableTopicResult::default()
    };
    if cx.version >= 7 {
        result.topic_id = topic.id();
    }
    if cx.version >= 5 {
        result.num_partitions = i32::try_from(topic.partition_count()).unwrap_or(i32::MAX);
        result.replication_factor = i16::try_from(topic.replication_factor()).unwrap_or(i16::MAX);
        let entries = super::describe_configs::of_topic(topic, &cx.cluster.config()).into_iter();
        let configs = entries.map(|entry| CreatableTopicConfigs {
            name: entry.name,
            value: entry.value,
            read_only: entry.read_only,
            config_source: entry.config_source,
            is_sensitive: entry.is_sensitive,
        });
        result.configs = Some(configs.collect());
    }
    result
}

fn failed(asked: &CreatableTopic, code: ErrorCode, message: &str) -> CreatableTopicResult {
    CreatableTopicResult {
        name: asked.name.clone(),
        error_code: code.0,
        error_message: Some(Str::from(message)),
        ..CreatableTopicResult::default()
    }
}
