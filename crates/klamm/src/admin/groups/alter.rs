//! Changing groups without being a member: their offsets (OffsetCommit, OffsetDelete) and the groups themselves.

use super::coordinated::{Answered, Question, ask_coordinators};
use crate::admin::{Admin, AdminError, Named, outcome};
use crate::connection::{Connection, RequestError};
use crate::consumer::{OffsetAndMetadata, TopicPartition};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use klamm_protocol::message::{DeleteGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One result per partition.
type ByPartition = BTreeMap<TopicPartition, Result<(), AdminError>>;

impl Admin {
    /// Sets what a group has committed, and makes the group if there is none.
    ///
    /// The group must have no members: theirs alone are the commits of a group that has some.
    ///
    /// # Errors
    /// [`AdminError`] when the coordinator could not be asked or refuses the whole, a group with members with
    /// UNKNOWN_MEMBER_ID; refusals of partitions are in the result.
    ///
    /// # Cancel safety
    /// The offsets may be set all the same.
    pub async fn alter_group_offsets(
        &self,
        group_id: &str,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<ByPartition, AdminError> {
        self.ask_about(group_id, Commit { offsets }).await
    }

    /// Takes offsets away from a group, so that `auto.offset.reset` decides where it begins.
    ///
    /// # Errors
    /// [`AdminError`] when the coordinator could not be asked or refuses the whole; partitions of topics that
    /// members of the group read are refused one by one (GROUP_SUBSCRIBED_TO_TOPIC).
    ///
    /// # Cancel safety
    /// The offsets may be deleted all the same.
    pub async fn delete_group_offsets(
        &self,
        group_id: &str,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<ByPartition, AdminError> {
        let partitions = partitions.into_iter().collect();
        self.ask_about(group_id, DeleteOffsets { partitions }).await
    }

    /// Deletes groups with all they have committed. A group that has members is refused.
    ///
    /// # Errors
    /// Per group: [`AdminError`]. The outer error is that of a closed client.
    ///
    /// # Cancel safety
    /// The groups may be deleted all the same.
    pub async fn delete_groups(&self, groups: Vec<String>) -> Result<Vec<Named<()>>, AdminError> {
        self.run(|client| async move {
            let groups = groups.into_iter().map(Arc::from);
            let answers = ask_coordinators(client, DeleteGroups, groups).await;
            let results = answers
                .into_iter()
                .map(|(group, answer)| (group.to_string(), answer.map(|(_, ())| ())));
            Ok(results.collect())
        })
        .await
    }

    /// Asks one group's coordinator.
    async fn ask_about<Q: Question>(
        &self,
        group_id: &str,
        question: Q,
    ) -> Result<Q::Answer, AdminError> {
        let group: Arc<str> = group_id.into();
        self.run(|client| async move {
            let mut answers = ask_coordinators(client, question, [group]).await;
            let (_, answer) = answers.pop_first().ok_or(AdminError::Closed)?;
            answer.map(|(_, answer)| answer)
        })
        .await
    }
}

/// Whether an error of a partition is one of the coordinator, and so of the whole request.
fn is_of_coordinator(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::GROUP_ID_NOT_FOUND
    )
}

/// Results by partition, or the error that is the same for all.
fn by_partition<'a>(
    told: impl Iterator<Item = (&'a Str, i32, i16)>,
) -> Result<ByPartition, AdminError> {
    let mut results = ByPartition::new();
    for (topic, partition, code) in told {
        let result = outcome(code, None);
        if is_of_coordinator(ErrorCode(code)) {
            result.clone()?;
        }
        results.insert(TopicPartition::new(topic.as_str(), partition), result);
    }
    Ok(results)
}

/// Partitions by topic, each with what `of` makes of it.
fn topics<'a, T>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
    of: impl Fn(&TopicPartition) -> T,
) -> impl Iterator<Item = (Str, Vec<T>)> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for tp in partitions {
        topics.entry(&tp.topic).or_default().push(of(tp));
    }
    topics.into_iter().map(|(name, partitions)| (Str::from(name), partitions))
}

struct Commit {
    offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
}

impl Commit {
    fn partition(&self, tp: &TopicPartition) -> OffsetCommitRequestPartition {
        let to = self.offsets.get(tp).cloned().unwrap_or_default();
        OffsetCommitRequestPartition {
            partition_index: tp.partition,
            committed_offset: to.offset,
            committed_leader_epoch: to.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(to.metadata.as_str().into()),
        }
    }
}

impl Question for Commit {
    type Answer = ByPartition;

    async fn ask(
        &self,
        to: &Connection,
        groups: &[Arc<str>],
        timeout: Duration,
    ) -> Result<Vec<Answered<ByPartition>>, RequestError> {
        let topics = topics(self.offsets.keys(), |tp| self.partition(tp));
        let topics: Vec<OffsetCommitRequestTopic> = topics
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name,
                partitions,
                ..OffsetCommitRequestTopic::default()
            })
            .collect();
        // Before version 6 no epoch can be told.
        let told = to.version::<OffsetCommitRequest>(2..=9)? >= 6;
        let mut answers = Vec::new();
        for group in groups {
            let mut request = OffsetCommitRequest {
                group_id: Str::from(&**group),
                topics: topics.clone(),
                ..OffsetCommitRequest::default()
            };
            if !told {
                let partitions = request.topics.iter_mut().flat_map(|t| &mut t.partitions);
                partitions.for_each(|p| p.committed_leader_epoch = -1);
            }
            let answer = to.request(&request, 2..=9, timeout).await?;
            to.throttle(answer.throttle_time_ms);
            let told = answer.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|p| (&topic.name, p.partition_index, p.error_code))
            });
            answers.push((Arc::clone(group), by_partition(told)));
        }
        Ok(answers)
    }
}

struct DeleteOffsets {
    partitions: Vec<TopicPartition>,
}

impl Question for DeleteOffsets {
    type Answer = ByPartition;

    async fn ask(
        &self,
        to: &Connection,
        groups: &[Arc<str>],
        timeout: Duration,
    ) -> Result<Vec<Answered<ByPartition>>, RequestError> {
        let index =
            |tp: &TopicPartition| OffsetDeleteRequestPartition { partition_index: tp.partition };
        let topics: Vec<OffsetDeleteRequestTopic> = topics(&self.partitions, index)
            .map(|(name, partitions)| OffsetDeleteRequestTopic { name, partitions })
            .collect();
        let mut answers = Vec::new();
        for group in groups {
            let group_id = Str::from(&**group);
            let request = OffsetDeleteRequest { group_id, topics: topics.clone() };
            let answer = to.request(&request, 0..=0, timeout).await?;
            to.throttle(answer.throttle_time_ms);
            let told = answer.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|p| (&topic.name, p.partition_index, p.error_code))
            });
            let results = outcome(answer.error_code, None).and_then(|()| by_partition(told));
            answers.push((Arc::clone(group), results));
        }
        Ok(answers)
    }
}

struct DeleteGroups;

impl Question for DeleteGroups {
    type Answer = ();

    fn done_before(&self, refusal: ErrorCode) -> Option<()> {
        (refusal == ErrorCode::GROUP_ID_NOT_FOUND).then_some(())
    }

    async fn ask(
        &self,
        to: &Connection,
        groups: &[Arc<str>],
        timeout: Duration,
    ) -> Result<Vec<Answered<()>>, RequestError> {
        let groups_names = groups.iter().map(|group| Str::from(&**group)).collect();
        let request = DeleteGroupsRequest { groups_names };
        let answer = to.request(&request, 0..=3, timeout).await?;
        to.throttle(answer.throttle_time_ms);
        let results = answer.results.iter().map(|result| {
            let deleted = outcome(result.error_code, result.error_message.as_ref());
            (Arc::from(result.group_id.as_str()), deleted)
        });
        Ok(results.collect())
    }
}
