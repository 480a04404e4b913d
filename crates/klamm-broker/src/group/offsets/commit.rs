//! Pure: OffsetCommit, and TxnOffsetCommit up to the end of its transaction.

use super::table::Committed;
use crate::group::Coordinator;
use crate::group::change::{Change, Key, Value, text};
use crate::group::group::Kind;
use crate::group::topic_view::{TopicView, resolve};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::message::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use klamm_protocol::message::{OffsetCommitRequest, OffsetCommitResponse};
use klamm_protocol::primitives::Str;

/// In whose name offsets are committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Committer<'a> {
    pub(super) group: &'a Str,
    pub(super) generation: i32,
    pub(super) member_id: &'a str,
    pub(super) instance_id: Option<&'a Str>,
    /// The producer whose transaction they belong to.
    pub(super) producer_id: Option<i64>,
    /// When they go, if the client says so.
    pub(super) expires_ms: Option<i64>,
    /// Version of OffsetCommit; for transactions the newest.
    pub(super) version: i16,
}

impl Coordinator {
    /// OffsetCommit.
    pub(crate) fn commit_offsets(
        &mut self,
        now_ms: i64,
        version: i16,
        request: &OffsetCommitRequest,
        view: &dyn TopicView,
    ) -> OffsetCommitResponse {
        self.fx.now_ms = now_ms;
        let retention = (version < 5 && request.retention_time_ms >= 0)
            .then(|| now_ms.saturating_add(request.retention_time_ms));
        let committer = Committer {
            group: &request.group_id,
            generation: request.generation_id_or_member_epoch,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_ref(),
            producer_id: None,
            expires_ms: retention,
            version,
        };
        let allowed = self.admit(committer);
        let topics = request.topics.iter();
        let topics = topics.map(|topic| self.commit_topic(allowed, committer, topic, view));
        let topics = topics.collect();
        self.drop_if_untouched(&request.group_id);
        OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
    }

    /// Whether the commit is in order; makes the group when it is not there and nobody claims to be a member.
    pub(super) fn admit(&mut self, committer: Committer<'_>) -> Result<(), ErrorCode> {
        if committer.group.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        if !self.groups.contains_key(committer.group) && committer.generation >= 0 {
            // Members of either kind know the newer code; those of old versions know only the older.
            let knows_more = committer.producer_id.is_none() && committer.version >= 9;
            return Err(match knows_more {
                true => ErrorCode::GROUP_ID_NOT_FOUND,
                false => ErrorCode::ILLEGAL_GENERATION,
            });
        }
        self.create(committer.group)?;
        let Committer { generation, member_id, instance_id, producer_id, version, .. } = committer;
        match self.groups.get(committer.group).map(|group| &group.kind) {
            Some(Kind::Classic(group)) => {
                let transactional = producer_id.is_some();
                group.validate_commit(generation, member_id, instance_id, transactional)?;
                group.committed(&mut self.fx, member_id);
                Ok(())
            }
            Some(Kind::Consumer(group)) => {
                group.validate_commit(generation, member_id, version, producer_id.is_some())
            }
            Some(Kind::Share(_)) | None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
        }
    }

    fn commit_topic(
        &mut self,
        allowed: Result<(), ErrorCode>,
        committer: Committer<'_>,
        topic: &OffsetCommitRequestTopic,
        view: &dyn TopicView,
    ) -> OffsetCommitResponseTopic {
        let found = resolve(view, &topic.name, topic.topic_id).map(|(name, _)| name.detach());
        let unknown = match committer.version {
            10.. => ErrorCode::UNKNOWN_TOPIC_ID,
            _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        let found = allowed.and_then(|()| found.ok_or(unknown));
        let partition = |asked: &OffsetCommitRequestPartition| {
            let result = found.as_ref().map_err(|code| *code);
            let result = result.and_then(|name| self.commit_one(committer, name, asked));
            let error_code = result.err().unwrap_or_default().0;
            OffsetCommitResponsePartition { partition_index: asked.partition_index, error_code }
        };
        OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(partition).collect(),
        }
    }

    /// Notes one offset, as committed or as pending.
    pub(super) fn commit_one(
        &mut self,
        committer: Committer<'_>,
        topic: &Str,
        asked: &OffsetCommitRequestPartition,
    ) -> Result<(), ErrorCode> {
        let metadata = asked.committed_metadata.as_ref().map(Str::detach).unwrap_or_default();
        if metadata.len() > self.config.offset_metadata_max_bytes {
            return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
        }
        self.last_order += 1;
        let committed = Committed {
            offset: asked.committed_offset,
            leader_epoch: asked.committed_leader_epoch,
            metadata,
            at_ms: self.fx.now_ms,
            expires_ms: committer.expires_ms,
            order: self.last_order,
        };
        let index = asked.partition_index;
        let group = self.groups.get_mut(committer.group).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        let (table, key) = match committer.producer_id {
            Some(producer) => {
                self.pending.entry(producer).or_default().insert(committer.group.detach());
                let key = Key::Pending(producer, text(committer.group), text(topic), index);
                (group.offsets.pending.entry(producer).or_default(), key)
            }
            None => {
                let key = Key::Offset(text(committer.group), text(topic), index);
                (&mut group.offsets.committed, key)
            }
        };
        self.fx.write(Change::put(key, Value::Offset(committed.record())));
        table.entry(topic.clone()).or_default().insert(index, committed);
        Ok(())
    }
}
