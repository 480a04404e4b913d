//! DescribeShareGroupOffsets (90), versions 0-1: how far share groups have read (KIP-932).
//!
//! - 1: how many records are left to be processed (KIP-1226).
//!
//! Every node answers for every group, whichever coordinates it.

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::partition::Partition;
use crate::security::Operation;
use crate::shares::ShareKey;
use crate::topics::Topic;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup as AskedGroup,
    DescribeShareGroupOffsetsRequestTopic as AskedTopic,
};
use klamm_protocol::message::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup as Group,
    DescribeShareGroupOffsetsResponsePartition as Entry,
    DescribeShareGroupOffsetsResponseTopic as Entries,
};
use klamm_protocol::message::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
};
use klamm_protocol::primitives::{Str, Uuid};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

impl Handle for DescribeShareGroupOffsetsRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<DescribeShareGroupOffsetsResponse> {
        let groups = self.groups.iter().map(|asked| match describe(&cx, asked) {
            Ok(topics) => Group { topics, ..failed(&asked.group_id, ErrorCode::NONE) },
            Err(code) => failed(&asked.group_id, code),
        });
        Ok(DescribeShareGroupOffsetsResponse { groups: groups.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeShareGroupOffsetsResponse {
        let groups = self.groups.iter().map(|asked| failed(&asked.group_id, code));
        DescribeShareGroupOffsetsResponse { groups: groups.collect(), ..Default::default() }
    }

    fn keys(&self) -> Keys {
        Keys::groups(self.groups.iter().map(|group| &group.group_id))
    }
}

fn failed(group: &Str, code: ErrorCode) -> Group {
    Group {
        group_id: group.clone(),
        error_code: code.0,
        error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
        ..Group::default()
    }
}

fn describe(cx: &Context, asked: &AskedGroup) -> Result<Vec<Entries>, ErrorCode> {
    let group = &asked.group_id;
    cx.check_group(Operation::Describe, group)?;
    if !cx.cluster.groups.look(|coordinator| coordinator.is_share_group(group)) {
        return Err(ErrorCode::GROUP_ID_NOT_FOUND);
    }
    Ok(match &asked.topics {
        Some(topics) => topics.iter().map(|topic| named(cx, group, topic)).collect(),
        None => all(cx, group),
    })
}

/// Everything that the group has read of.
fn all(cx: &Context, group: &Str) -> Vec<Entries> {
    let mut by_topic: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in cx.cluster.shares.of_group(group) {
        by_topic.entry(topic).or_default().push(partition);
    }
    let seen = by_topic.into_iter().filter_map(|(id, partitions)| {
        let topic = cx.cluster.topics.by_id(id)?;
        cx.check_topic(Operation::Describe, topic.name()).ok()?;
        Some(entries(cx, group, &topic, &partitions))
    });
    seen.collect()
}

fn named(cx: &Context, group: &Str, asked: &AskedTopic) -> Entries {
    let name = &asked.topic_name;
    let topic = cx
        .check_topic(Operation::Describe, name)
        .and_then(|()| cx.cluster.topics.get(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    match topic {
        Ok(topic) => entries(cx, group, &topic, &asked.partitions),
        Err(code) => Entries {
            topic_name: name.clone(),
            partitions: asked.partitions.iter().map(|&index| unknown(index, code)).collect(),
            ..Entries::default()
        },
    }
}

fn entries(cx: &Context, group: &Str, topic: &Topic, partitions: &[i32]) -> Entries {
    let entry = |&index: &i32| match topic.partition(index) {
        Some(partition) => entry(cx, &ShareKey::new(group, (topic.id(), index)), &partition),
        None => unknown(index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    };
    Entries {
        topic_name: topic.name().clone(),
        topic_id: topic.id(),
        partitions: partitions.iter().map(entry).collect(),
    }
}

/// Where the group is; -1 when it has not begun.
fn entry(cx: &Context, key: &ShareKey, partition: &Partition) -> Entry {
    let Some(share) = cx.cluster.shares.get(key) else {
        return Entry { leader_epoch: 0, ..unknown(key.partition, ErrorCode::NONE) };
    };
    let (leader, leader_epoch) = partition.leader();
    let end = partition.bounds(leader, -1).map_or(0, |bounds| bounds.high_watermark);
    let (start_offset, lag) = share.look(|state| (state.start(), state.lag(end)));
    Entry { start_offset, leader_epoch, lag, ..unknown(key.partition, ErrorCode::NONE) }
}

fn unknown(index: i32, code: ErrorCode) -> Entry {
    Entry {
        partition_index: index,
        start_offset: -1,
        lag: -1,
        error_code: code.0,
        error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
        ..Entry::default()
    }
}
