//! Metadata (3), versions 0-13: nodes, topics and who leads what.
//!
//! - 1: null asks for all topics, an empty list for none; before, an empty list asks for all.
//! - 4: the client says whether a topic may be made by asking (KIP-204).
//! - 8: authorized operations, when asked for (KIP-430).
//! - 10: topic ids; 12: a topic may be asked for by its id (KIP-516).
//! - 13: an error code for the whole answer (KIP-1102).
//!
//! A topic that is made by asking is there some milliseconds later for the connection that asked, as in Kafka; this
//! request is told that there is none.

use super::{Answer, Context, Handle};
use crate::cluster::{Cluster, InternalTopic};
use crate::fault::Target;
use crate::partition::Partition;
use crate::security::acl::CLUSTER;
use crate::security::{Operation, ResourceType};
use crate::stale_metadata::Snapshot;
use crate::topics::{Topic, TopicError};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use klamm_protocol::message::{MetadataRequest, MetadataResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::time::Instant;

mod stale;

impl Handle for MetadataRequest {
    const SERVED: RangeInclusive<i16> = 0..=13;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<MetadataResponse> {
        let asks = self.include_topic_authorized_operations;
        let (mut topics, frame) = match cx.cluster.stale_metadata.of(cx.node_id()) {
            Some(then) => {
                (stale::topics(&cx, &self, &then), then.frame(cx.session.entrance.listener))
            }
            None => (topics(&cx, &self), frame(&cx.cluster, cx.session.entrance.listener)),
        };
        for topic in topics.iter_mut().filter(|topic| topic.error_code == 0) {
            let name = topic.name.as_deref().unwrap_or_default();
            topic.topic_authorized_operations =
                cx.authorized_operations(asks, ResourceType::Topic, name);
        }
        let cluster_authorized_operations = cx.authorized_operations(
            self.include_cluster_authorized_operations,
            ResourceType::Cluster,
            CLUSTER,
        );
        Ok(MetadataResponse { topics, cluster_authorized_operations, ..frame })
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> MetadataResponse {
        let asked = self.topics.iter().flatten();
        let topics = asked.map(|topic| failed(topic, code)).collect();
        let error_code = if cx.version >= 13 { code.0 } else { 0 };
        let frame = frame(&cx.cluster, cx.session.entrance.listener);
        MetadataResponse { topics, error_code, ..frame }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let asked = self.topics.iter().flatten();
        let name = |asked: &MetadataRequestTopic| {
            cx.topic_name(asked.name.as_ref().unwrap_or(&Str::default()), asked.topic_id)
        };
        let named: Vec<Target> = asked.map(|asked| Target::topic(&name(asked))).collect();
        if self.topics.is_some() && (cx.version > 0 || !named.is_empty()) {
            return named;
        }
        cx.cluster.topics.all().iter().map(|topic| Target::topic(topic.name())).collect()
    }
}

/// Everything there is, as a node that is frozen now will go on to tell it.
pub(crate) fn snapshot(cluster: &Cluster) -> Snapshot {
    let topics = cluster.topics.all();
    let topics = topics.iter().map(|topic| description(cluster, topic)).collect();
    let frames = (0..cluster.nodes.listeners()).map(|listener| frame(cluster, listener));
    Snapshot::new(frames.collect(), topics)
}

/// The answer without topics, with the brokers as clients of a listener reach them.
fn frame(cluster: &Cluster, listener: usize) -> MetadataResponse {
    let nodes = cluster.nodes.up(listener).into_iter();
    let brokers = nodes.map(|node| MetadataResponseBroker {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
    });
    MetadataResponse {
        brokers: brokers.collect(),
        cluster_id: Some(cluster.id.clone()),
        controller_id: cluster.nodes.controller(),
        ..MetadataResponse::default()
    }
}

fn topics(cx: &Context, request: &MetadataRequest) -> Vec<MetadataResponseTopic> {
    match &request.topics {
        None => all(cx),
        Some(asked) if asked.is_empty() && cx.version == 0 => all(cx),
        Some(asked) => {
            let create = request.allow_auto_topic_creation || cx.version < 4;
            asked.iter().map(|topic| one(cx, topic, create)).collect()
        }
    }
}

fn all(cx: &Context) -> Vec<MetadataResponseTopic> {
    let topics = cx.cluster.topics.all().into_iter();
    let seen = topics.filter(|topic| cx.check_topic(Operation::Describe, topic.name()).is_ok());
    seen.map(|topic| described(cx, &topic)).collect()
}

fn one(cx: &Context, asked: &MetadataRequestTopic, create: bool) -> MetadataResponseTopic {
    let fault = asked.name.as_ref().and_then(|name| cx.fault(name, None));
    if let Some(code) = fault {
        return failed(asked, code);
    }
    let found = match &asked.name {
        Some(name) if asked.topic_id.is_zero() => by_name(cx, name, create),
        _ => {
            let topic = cx.cluster.topics.by_id(asked.topic_id);
            let seen =
                |topic: &Arc<Topic>| cx.check_topic(Operation::Describe, topic.name()).is_ok();
            topic.filter(seen).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
        }
    };
    match found {
        Ok(topic) => described(cx, &topic),
        Err(code) => failed(asked, code),
    }
}

fn by_name(cx: &Context, name: &str, create: bool) -> Result<Arc<Topic>, ErrorCode> {
    cx.check_topic(Operation::Describe, name)?;
    let topics = &cx.cluster.topics;
    if let Some(topic) = topics.get(name) {
        return match cx.session.coming.lock().has(name, Instant::now()) {
            false => Ok(topic),
            true => Err(cx.cluster.release.code_of_a_topic_being_made()),
        };
    }
    if !(create && cx.cluster.config().auto_create_topics) {
        crate::topics::check_name(name).map_err(|error| error.code())?;
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    if !cx.authorize_cluster(Operation::Create) {
        cx.check_topic(Operation::Create, name)?;
    }
    let internal = InternalTopic::named(name);
    let new = internal.map(|topic| topic.description(&cx.cluster.config())).unwrap_or_default();
    match cx.cluster.create_topic(name, new, false) {
        // Another client was faster.
        Err(TopicError::Exists(_)) => topics.get(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        // Whoever asks again finds it. This answer is part of Kafka's ways: clients that deleted a topic and ask whether it
        // is gone make it anew by that.
        Ok(_) => {
            cx.session.coming.lock().add(name, Instant::now());
            Err(cx.cluster.release.code_of_a_topic_being_made())
        }
        Err(error) => Err(error.code()),
    }
}

fn failed(asked: &MetadataRequestTopic, code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: code.0,
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        ..MetadataResponseTopic::default()
    }
}

fn described(cx: &Context, topic: &Topic) -> MetadataResponseTopic {
    if let Some(code) = cx.fault(topic.name(), None) {
        return MetadataResponseTopic {
            error_code: code.0,
            name: Some(topic.name().clone()),
            topic_id: topic.id(),
            ..MetadataResponseTopic::default()
        };
    }
    description(&cx.cluster, topic)
}

fn description(cluster: &Cluster, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic.partitions().into_iter().map(|found| partition(cluster, &found));
    MetadataResponseTopic {
        name: Some(topic.name().clone()),
        topic_id: topic.id(),
        is_internal: topic.is_internal(),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}

/// Who leads a partition, and which of its replicas are up.
pub(super) fn partition(cluster: &Cluster, partition: &Partition) -> MetadataResponsePartition {
    let (leader_id, leader_epoch) = partition.leader();
    let up = cluster.nodes.is_up(leader_id);
    let replicas = partition.replicas();
    let (isr_nodes, offline_replicas) = replicas.iter().partition(|&&id| cluster.nodes.is_up(id));
    let error_code = if up { ErrorCode::NONE } else { ErrorCode::LEADER_NOT_AVAILABLE };
    MetadataResponsePartition {
        error_code: error_code.0,
        partition_index: partition.index(),
        leader_id: if up { leader_id } else { -1 },
        leader_epoch,
        replica_nodes: replicas.to_vec(),
        isr_nodes,
        offline_replicas,
    }
}
