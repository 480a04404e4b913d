//! What a member wants to know of topics.

use super::task::{Done, GroupTask};
use crate::consumer::assignor::AssignableTopic;
use crate::metadata::{Cluster, Topic};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::{MetadataRequest, MetadataResponse};
use klamm_protocol::primitives::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From version 12 on topics can be asked for by id.
const BY_ID: RangeInclusive<i16> = 12..=13;
/// A leader assigns with what is known after this.
const TOPICS_PATIENCE: Duration = Duration::from_secs(5);
/// A topic that was just created takes a moment to reach every broker.
const UNKNOWN_MIN: u32 = 4;

/// What is not known yet.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// The topics that a leader is to assign, and until when it waits for them.
    topics: Option<(BTreeSet<Arc<str>>, Instant)>,
    /// The topics that were assigned last: when they change it is to be done again.
    watched: BTreeSet<Arc<str>>,
    /// Names of topic ids are missing.
    names: bool,
    asking_names: bool,
    /// When to ask for names again.
    names_at: Option<Instant>,
}

impl Questions {
    /// A leader has to know these.
    pub(super) fn need_topics(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) {
        self.watched.clone_from(&topics);
        self.topics = Some((topics, now + TOPICS_PATIENCE));
    }

    pub(super) fn need_names(&mut self) {
        self.names = true;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let topics = self.topics.as_ref().map(|(_, until)| *until);
        topics.into_iter().chain(self.names_at).min()
    }
}

impl GroupTask {
    /// Answers what metadata knows, and has the rest looked for.
    pub(super) fn answer_questions(&mut self, now: Instant) {
        let cluster = self.client.metadata.cluster();
        self.answer_topics(&cluster, now);
        if self.questions.names {
            self.answer_names(&cluster, now);
        }
    }

    fn answer_topics(&mut self, cluster: &Cluster, now: Instant) {
        let Some((topics, until)) = &self.questions.topics else { return };
        let open: Vec<&Arc<str>> = topics.iter().filter(|name| !is_known(cluster, name)).collect();
        if !open.is_empty() && now < *until {
            return;
        }
        let known = assignable(cluster, topics);
        self.questions.topics = None;
        if let super::member::Member::Classic(member) = &mut self.member {
            member.handle_topics(known);
        }
    }

    /// Has metadata look for topics that a leader needs.
    pub(super) fn want_topics(&self, topics: &BTreeSet<Arc<str>>) {
        let cluster = self.client.metadata.cluster();
        topics
            .iter()
            .filter(|name| !is_known(&cluster, name))
            .for_each(|name| self.client.metadata.want(name));
    }

    /// There is newer metadata.
    pub(super) fn metadata_changed(&mut self, now: Instant) {
        let cluster = self.client.metadata.cluster();
        if let super::member::Member::Classic(member) = &mut self.member {
            member.topics_changed(now, &assignable(&cluster, &self.questions.watched));
        }
        if let super::member::Member::Consumer(member) = &self.member {
            self.questions.names |= !member.unresolved_topics().is_empty();
        }
    }

    fn answer_names(&mut self, cluster: &Cluster, now: Instant) {
        let super::member::Member::Consumer(member) = &mut self.member else { return };
        let wanted = member.unresolved_topics();
        let named = cluster.topics.values().filter(|topic| wanted.contains(&topic.id));
        let names: BTreeMap<Uuid, Arc<str>> =
            named.map(|topic| (topic.id, Arc::clone(&topic.name))).collect();
        if !names.is_empty() {
            member.handle_topic_names(now, &names);
        }
        let missing = member.unresolved_topics();
        self.questions.names = !missing.is_empty();
        if missing.is_empty() {
            self.questions.names_at = None;
        } else if !self.questions.asking_names && self.questions.names_at.is_none_or(|at| at <= now)
        {
            self.ask_names(missing, now);
        }
    }

    fn ask_names(&mut self, ids: BTreeSet<Uuid>, now: Instant) {
        self.questions.asking_names = true;
        self.questions.names_at = Some(now + self.settings.config.retry_backoff_max);
        let topic = |topic_id| MetadataRequestTopic { topic_id, name: None };
        let topics = Some(ids.into_iter().map(topic).collect());
        let request = MetadataRequest {
            topics,
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let client = Arc::clone(&self.client);
        self.working.spawn(async move { Done::Names(client.ask_any(&request, BY_ID).await.ok()) });
    }

    /// Names came; they are kept by metadata from here on.
    pub(super) fn take_names(&mut self, answer: Option<MetadataResponse>, now: Instant) {
        self.questions.asking_names = false;
        let super::member::Member::Consumer(member) = &mut self.member else { return };
        let mut names = BTreeMap::new();
        for topic in answer.iter().flat_map(|answer| &answer.topics) {
            let Some(name) = topic.name.as_ref().filter(|_| ErrorCode(topic.error_code).is_ok())
            else {
                continue;
            };
            let name = Arc::<str>::from(name.as_str());
            self.client.metadata.want(&name);
            names.insert(topic.topic_id, name);
        }
        member.handle_topic_names(now, &names);
    }
}

/// Whether asking on would tell nothing new.
fn is_known(cluster: &Cluster, name: &Arc<str>) -> bool {
    cluster.topics.get(name).is_some_and(|topic| {
        !topic.partitions.is_empty()
            || topic.unknown_in_a_row >= UNKNOWN_MIN
            || !(topic.error.is_ok() || topic.error.is_retriable())
    })
}

/// What an assignor is told of these topics; those that do not exist are left out.
fn assignable(
    cluster: &Cluster,
    topics: &BTreeSet<Arc<str>>,
) -> BTreeMap<Arc<str>, AssignableTopic> {
    let of = |name: &Arc<str>| {
        let topic = cluster.topics.get(name)?;
        Some((Arc::clone(name), assignable_topic(cluster, topic)?))
    };
    topics.iter().filter_map(of).collect()
}

fn assignable_topic(cluster: &Cluster, topic: &Topic) -> Option<AssignableTopic> {
    let partition_count = i32::try_from(topic.partitions.len()).ok().filter(|count| *count > 0)?;
    let racks = |replicas: &Vec<i32>| {
        replicas.iter().filter_map(|node| cluster.racks.get(node).cloned()).collect()
    };
    let racks = topic.partitions.iter().map(|partition| racks(&partition.replicas)).collect();
    Some(AssignableTopic { partition_count, racks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_protocol::message::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };

    #[test]
    fn an_assignor_is_told_of_partitions_and_racks_of_topics_that_exist() {
        let broker = |node_id, rack: Option<&str>| MetadataResponseBroker {
            node_id,
            host: "h".into(),
            port: 9092,
            rack: rack.map(Into::into),
        };
        let partition = |partition_index, replicas: &[i32]| MetadataResponsePartition {
            partition_index,
            replica_nodes: replicas.to_vec(),
            ..MetadataResponsePartition::default()
        };
        let topic = MetadataResponseTopic {
            name: Some("t".into()),
            partitions: vec![partition(0, &[1, 2]), partition(1, &[3])],
            ..MetadataResponseTopic::default()
        };
        let answer = MetadataResponse {
            brokers: vec![broker(1, Some("a")), broker(2, Some("b")), broker(3, None)],
            topics: vec![topic],
            ..MetadataResponse::default()
        };
        let cluster = Cluster::default().after(&answer);
        let topics = ["t".into(), "unknown".into()].into();
        let told = assignable(&cluster, &topics);
        let racks = vec![["a".into(), "b".into()].into(), BTreeSet::new()];
        let expected = AssignableTopic { partition_count: 2, racks };
        assert_eq!(told, BTreeMap::from([("t".into(), expected)]));
    }
}
