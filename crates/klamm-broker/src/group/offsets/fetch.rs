//! Pure: OffsetFetch.

use super::table::Offsets;
use crate::group::Coordinator;
use crate::group::group::Kind;
use crate::group::topic_view::{TopicView, resolve};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use klamm_protocol::message::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use klamm_protocol::message::{OffsetFetchRequest, OffsetFetchResponse};
use klamm_protocol::primitives::{Str, Uuid};

/// Where the form changes: several groups in one request.
const MANY_GROUPS: i16 = 8;

/// Where topics are named by their ids.
const TOPIC_IDS: i16 = 10;

impl Coordinator {
    /// OffsetFetch: one group before version 8, any number from then on.
    pub(crate) fn fetch_offsets(
        &self,
        version: i16,
        request: &OffsetFetchRequest,
        view: &dyn TopicView,
    ) -> OffsetFetchResponse {
        let stable = request.require_stable;
        if version >= MANY_GROUPS {
            let groups = request.groups.iter();
            let groups = groups.map(|group| self.fetch_group(version, stable, group, view));
            return OffsetFetchResponse { groups: groups.collect(), ..Default::default() };
        }
        let topics = request.topics.as_ref().map(|topics| {
            topics.iter().map(|topic| OffsetFetchRequestTopics {
                name: topic.name.clone(),
                partition_indexes: topic.partition_indexes.clone(),
                ..OffsetFetchRequestTopics::default()
            })
        });
        let group = OffsetFetchRequestGroup {
            group_id: request.group_id.clone(),
            topics: topics.map(Iterator::collect),
            ..OffsetFetchRequestGroup::default()
        };
        single(version, self.fetch_group(version, stable, &group, view))
    }

    fn fetch_group(
        &self,
        version: i16,
        stable: bool,
        asked: &OffsetFetchRequestGroup,
        view: &dyn TopicView,
    ) -> OffsetFetchResponseGroup {
        let mut response = OffsetFetchResponseGroup {
            group_id: asked.group_id.clone(),
            ..OffsetFetchResponseGroup::default()
        };
        if let Err(code) = self.may_fetch(asked) {
            response.error_code = code.0;
            return response;
        }
        let nothing = Offsets::default();
        let offsets = self.groups.get(&asked.group_id).map_or(&nothing, |group| &group.offsets);
        let topics = match &asked.topics {
            Some(topics) => topics.iter().map(|t| one(version, stable, offsets, t, view)).collect(),
            None => all(version, stable, offsets, view),
        };
        response.topics = topics;
        response
    }

    fn may_fetch(&self, asked: &OffsetFetchRequestGroup) -> Result<(), ErrorCode> {
        if asked.group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        match self.groups.get(&asked.group_id).map(|group| &group.kind) {
            Some(Kind::Consumer(group)) => {
                group.validate_fetch(asked.member_epoch, asked.member_id.as_deref())
            }
            Some(Kind::Share(_)) => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            Some(Kind::Classic(_)) | None => Ok(()),
        }
    }
}

fn all(
    version: i16,
    stable: bool,
    offsets: &Offsets,
    view: &dyn TopicView,
) -> Vec<OffsetFetchResponseTopics> {
    let topics = offsets.committed.iter().filter_map(|(name, partitions)| {
        // A topic that is gone has no id to name it by.
        let topic_id = if version >= TOPIC_IDS { view.id(name)? } else { Uuid::ZERO };
        let partitions = partitions.keys().map(|&index| found(stable, offsets, name, index));
        Some(OffsetFetchResponseTopics {
            name: name.clone(),
            topic_id,
            partitions: partitions.collect(),
        })
    });
    topics.collect()
}

fn one(
    version: i16,
    stable: bool,
    offsets: &Offsets,
    asked: &OffsetFetchRequestTopics,
    view: &dyn TopicView,
) -> OffsetFetchResponseTopics {
    let name = match version {
        TOPIC_IDS.. => resolve(view, &asked.name, asked.topic_id).map(|(name, _)| name),
        _ => Some(asked.name.clone()),
    };
    let partition = |&index: &i32| match &name {
        Some(name) => found(stable, offsets, name, index),
        None => nothing(index, ErrorCode::UNKNOWN_TOPIC_ID),
    };
    OffsetFetchResponseTopics {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions: asked.partition_indexes.iter().map(partition).collect(),
    }
}

fn found(
    stable: bool,
    offsets: &Offsets,
    topic: &Str,
    index: i32,
) -> OffsetFetchResponsePartitions {
    if stable && offsets.is_pending(topic, index) {
        return nothing(index, ErrorCode::UNSTABLE_OFFSET_COMMIT);
    }
    let Some(committed) = offsets.get(topic, index) else {
        return nothing(index, ErrorCode::NONE);
    };
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: committed.offset,
        committed_leader_epoch: committed.leader_epoch,
        metadata: Some(committed.metadata.clone()),
        error_code: 0,
    }
}

fn nothing(index: i32, code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Str::default()),
        error_code: code.0,
    }
}

/// The answer about one group in the form of the versions that know one only.
fn single(version: i16, group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let partition = |found: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: found.partition_index,
        committed_offset: found.committed_offset,
        committed_leader_epoch: if version >= 5 { found.committed_leader_epoch } else { -1 },
        metadata: found.metadata,
        error_code: found.error_code,
    };
    let topic = |found: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: found.name,
        partitions: found.partitions.into_iter().map(partition).collect(),
    };
    OffsetFetchResponse {
        topics: group.topics.into_iter().map(topic).collect(),
        error_code: group.error_code,
        ..OffsetFetchResponse::default()
    }
}
