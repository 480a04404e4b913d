//! Acknowledgements: what members say of records they have.

use crate::handler::Context;
use crate::partition::Partition;
use crate::security::Operation;
use crate::share::{AckBatch, PartitionKey, SharePartition, check_batches};
use crate::shares::ShareKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest id of a member, in bytes, as with Kafka.
const MAX_MEMBER_ID_BYTES: usize = 36;

/// Whether there is such a group, and the request names a member.
///
/// # Errors
/// INVALID_REQUEST, GROUP_ID_NOT_FOUND
pub(in crate::handler) fn check_member(
    cx: &Context,
    group: &Str,
    member: &Str,
) -> Result<(), ErrorCode> {
    cx.check_group(Operation::Read, group)?;
    if member.is_empty() || member.len() > MAX_MEMBER_ID_BYTES {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    match cx.cluster.groups.look(|coordinator| coordinator.is_share_group(group)) {
        true => Ok(()),
        false => Err(ErrorCode::GROUP_ID_NOT_FOUND),
    }
}

/// The acknowledgements of a request, by partition.
#[derive(Debug, Default)]
pub(in crate::handler) struct Acks<'a>(
    pub(in crate::handler) Vec<(PartitionKey, Vec<AckBatch<'a>>)>,
);

impl Acks<'_> {
    /// Carries them out; returns what became of them, and what to wait for in the journal.
    pub(in crate::handler) fn apply(
        &self,
        cx: &Context,
        group: &Str,
        member: &Str,
        is_renew: bool,
    ) -> (BTreeMap<PartitionKey, ErrorCode>, i64) {
        let (mut codes, mut last) = (BTreeMap::new(), -1);
        for (partition, batches) in &self.0 {
            let done = acknowledge(cx, group, member, *partition, batches, is_renew);
            last = done.map_or(last, |written| last.max(written));
            codes.insert(*partition, done.err().unwrap_or_default());
        }
        (codes, last)
    }
}

fn acknowledge(
    cx: &Context,
    group: &Str,
    member: &Str,
    key: PartitionKey,
    batches: &[AckBatch<'_>],
    is_renew: bool,
) -> Result<i64, ErrorCode> {
    let settings = cx.cluster.share_settings(group);
    check_batches(batches, is_renew && settings.renew)?;
    find(cx, key)?;
    let share = cx.cluster.shares.get(&ShareKey::new(group, key));
    // Of a partition that the group has not read nobody has a record.
    let share = share.ok_or(ErrorCode::INVALID_RECORD_STATE)?;
    let now_ms = cx.now_ms();
    let take =
        |state: &mut SharePartition| state.acknowledge(member, now_ms, settings.limits, batches);
    let (done, written) = cx.cluster.shares.change(&share, &cx.cluster.journal, now_ms, take);
    done.and(written)
}

/// The partition, if the client may read it here.
///
/// # Errors
/// Why not.
pub(super) fn find(
    cx: &Context,
    (topic, index): PartitionKey,
) -> Result<Arc<Partition>, ErrorCode> {
    let topic = cx.cluster.topics.by_id(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
    cx.check_topic(Operation::Read, topic.name())?;
    let partition = topic.partition(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if let Some(code) = cx.fault(topic.name(), Some(index)) {
        return Err(code);
    }
    let (leader, _) = partition.leader();
    if leader == cx.node_id() { Ok(partition) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
}
