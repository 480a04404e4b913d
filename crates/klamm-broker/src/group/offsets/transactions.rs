//! Pure: offsets that a transaction commits (KIP-98, KIP-447).

use super::commit::Committer;
use super::table::flatten;
use crate::group::Coordinator;
use crate::group::change::{Change, Key, Value, text};
use crate::group::topic_view::{TopicView, resolve};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_commit_request::OffsetCommitRequestPartition;
use klamm_protocol::message::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::message::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use klamm_protocol::message::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use klamm_protocol::primitives::Str;

impl Coordinator {
    /// TxnOffsetCommit, after the transaction coordinator has taken the producer for valid: the offsets are in force
    /// once [`Coordinator::complete_transaction`] says that the transaction is committed.
    pub(crate) fn add_pending_offsets(
        &mut self,
        now_ms: i64,
        request: &TxnOffsetCommitRequest,
        view: &dyn TopicView,
    ) -> TxnOffsetCommitResponse {
        self.fx.now_ms = now_ms;
        let committer = Committer {
            group: &request.group_id,
            generation: request.generation_id_or_member_epoch,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_ref(),
            producer_id: Some(request.producer_id),
            expires_ms: None,
            version: i16::MAX,
        };
        let allowed = self.admit(committer);
        let topics = request.topics.iter();
        let topics = topics.map(|topic| self.add_pending_topic(allowed, committer, topic, view));
        let topics = topics.collect();
        self.drop_if_untouched(&request.group_id);
        TxnOffsetCommitResponse { topics, ..TxnOffsetCommitResponse::default() }
    }

    fn add_pending_topic(
        &mut self,
        allowed: Result<(), ErrorCode>,
        committer: Committer<'_>,
        topic: &TxnOffsetCommitRequestTopic,
        view: &dyn TopicView,
    ) -> TxnOffsetCommitResponseTopic {
        let unknown = match topic.topic_id.is_zero() {
            true => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            false => ErrorCode::UNKNOWN_TOPIC_ID,
        };
        let found = resolve(view, &topic.name, topic.topic_id).map(|(name, _)| name.detach());
        let found = allowed.and_then(|()| found.ok_or(unknown));
        let partition = |asked: &TxnOffsetCommitRequestPartition| {
            let plain = OffsetCommitRequestPartition {
                partition_index: asked.partition_index,
                committed_offset: asked.committed_offset,
                committed_leader_epoch: asked.committed_leader_epoch,
                committed_metadata: asked.committed_metadata.clone(),
            };
            let result = found.as_ref().map_err(|code| *code);
            let result = result.and_then(|name| self.commit_one(committer, name, &plain));
            let error_code = result.err().unwrap_or_default().0;
            TxnOffsetCommitResponsePartition { partition_index: asked.partition_index, error_code }
        };
        TxnOffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(partition).collect(),
        }
    }

    /// The producer's transaction has ended: its offsets are in force, unless a later commit is, or they are gone.
    pub(crate) fn complete_transaction(&mut self, now_ms: i64, producer_id: i64, commit: bool) {
        self.fx.now_ms = now_ms;
        for group in self.pending.remove(&producer_id).unwrap_or_default() {
            self.complete_in_group(&group, producer_id, commit);
        }
    }

    fn complete_in_group(&mut self, id: &Str, producer_id: i64, commit: bool) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let Some(pending) = group.offsets.pending.remove(&producer_id) else { return };
        for (topic, partition, offset) in flatten(&pending) {
            let key = Key::Pending(producer_id, text(id), text(topic), partition);
            let later = group.offsets.get(topic, partition);
            if commit && later.is_none_or(|later| later.order < offset.order) {
                let key = Key::Offset(text(id), text(topic), partition);
                self.fx.write(Change::put(key, Value::Offset(offset.record())));
                let partitions = group.offsets.committed.entry(topic.clone()).or_default();
                partitions.insert(partition, offset.clone());
            }
            // In force before it stops to be pending: a crash in between loses nothing.
            self.fx.write(Change::delete(key));
        }
    }
}
