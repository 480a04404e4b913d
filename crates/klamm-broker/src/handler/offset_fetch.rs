//! OffsetFetch (9), versions 1-10: what was committed.
//!
//! - 2: null asks for all topics; an error code for the whole group.
//! - 7: offsets of open transactions may be refused (KIP-447).
//! - 8: several groups at a time (KIP-709); 9: members of KIP-848 groups; 10: topics by id.

use super::{Answer, Context, Handle};
use crate::fault::{Keys, Target};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_fetch_request::OffsetFetchRequestTopic;
use klamm_protocol::message::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use klamm_protocol::message::{OffsetFetchRequest, OffsetFetchResponse};
use klamm_protocol::primitives::{Str, Uuid};
use std::ops::RangeInclusive;

impl Handle for OffsetFetchRequest {
    const SERVED: RangeInclusive<i16> = 1..=10;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<OffsetFetchResponse> {
        let mut asked = self.groups.iter().map(|group| &group.group_id);
        let single = (cx.version < 8).then_some(&self.group_id);
        if let Err(code) = single.into_iter().chain(&mut asked).try_for_each(|group| {
            cx.check_group(Operation::Describe, group)?;
            cx.check_coordinator(group)
        }) {
            return Ok(self.refuse(&cx, code));
        }
        let (version, topics) = (cx.version, &cx.cluster.topics);
        let done = cx.coordinate(|c| c.fetch_offsets(version, &self, topics)).await;
        let mut response = done.unwrap_or_else(|code| self.refuse(&cx, code));
        if cx.may_refuse() {
            leave_out_unseen(&cx, &self, &mut response);
            put_in_refused(&cx, &mut response);
        }
        Ok(response)
    }

    fn refuse(&self, cx: &Context, code: ErrorCode) -> OffsetFetchResponse {
        let groups = self.groups.iter().map(|group| OffsetFetchResponseGroup {
            group_id: group.group_id.clone(),
            error_code: code.0,
            ..OffsetFetchResponseGroup::default()
        });
        let mut response =
            OffsetFetchResponse { groups: groups.collect(), ..OffsetFetchResponse::default() };
        match cx.version {
            // The code has no place but in each partition.
            ..2 => {
                let topics = self.topics.iter().flatten();
                response.topics = topics.map(|topic| failed(topic, code)).collect();
            }
            2..8 => response.error_code = code.0,
            _ => {}
        }
        response
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let mut targets = Vec::new();
        for topic in self.topics.iter().flatten() {
            let asked = topic.partition_indexes.iter().copied();
            targets.extend(Target::partitions(&topic.name, asked));
        }
        for topic in self.groups.iter().flat_map(|group| group.topics.iter().flatten()) {
            let name = cx.topic_name(&topic.name, topic.topic_id);
            targets.extend(Target::partitions(&name, topic.partition_indexes.iter().copied()));
        }
        targets
    }

    fn keys(&self) -> Keys {
        Keys::groups(
            [&self.group_id].into_iter().chain(self.groups.iter().map(|group| &group.group_id)),
        )
    }
}

/// What a version calls a partition's place for an offset and an error.
macro_rules! refuse {
    ($partition:expr, $code:expr) => {
        $partition.committed_offset = -1;
        $partition.committed_leader_epoch = -1;
        $partition.metadata = Some(Str::default());
        $partition.error_code = $code.0;
    };
}

/// Whoever asks for all topics is told of those that it may see.
fn leave_out_unseen(
    cx: &Context,
    request: &OffsetFetchRequest,
    response: &mut OffsetFetchResponse,
) {
    let seen =
        |name: &Str, id| cx.check_topic(Operation::Describe, &cx.topic_name(name, id)).is_ok();
    if cx.version < 8 && request.topics.is_none() {
        response.topics.retain(|topic| seen(&topic.name, Uuid::ZERO));
    }
    for (asked, group) in request.groups.iter().zip(&mut response.groups) {
        if asked.topics.is_none() {
            group.topics.retain(|topic| seen(&topic.name, topic.topic_id));
        }
    }
}

/// Fails the partitions of topics that the client may not see, and those that fault rules strike.
fn put_in_refused(cx: &Context, response: &mut OffsetFetchResponse) {
    let refusal = |name: &str, index| cx.refusal(Operation::Describe, name, index);
    for topic in &mut response.topics {
        for partition in &mut topic.partitions {
            if let Some(code) = refusal(&topic.name, partition.partition_index) {
                refuse!(partition, code);
            }
        }
    }
    for topic in response.groups.iter_mut().flat_map(|group| &mut group.topics) {
        let name = cx.topic_name(&topic.name, topic.topic_id);
        for partition in &mut topic.partitions {
            if let Some(code) = refusal(&name, partition.partition_index) {
                refuse!(partition, code);
            }
        }
    }
}

fn failed(topic: &OffsetFetchRequestTopic, code: ErrorCode) -> OffsetFetchResponseTopic {
    let partition = |&partition_index: &i32| OffsetFetchResponsePartition {
        partition_index,
        committed_offset: -1,
        metadata: Some(Str::default()),
        error_code: code.0,
        ..OffsetFetchResponsePartition::default()
    };
    OffsetFetchResponseTopic {
        name: topic.name.clone(),
        partitions: topic.partition_indexes.iter().map(partition).collect(),
    }
}
