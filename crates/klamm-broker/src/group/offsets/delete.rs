//! Pure: OffsetDelete, and what goes with a topic.

use crate::group::Coordinator;
use crate::group::change::{Change, Key, text};
use crate::group::group::Kind;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::offset_delete_request::OffsetDeleteRequestTopic;
use klamm_protocol::message::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use klamm_protocol::message::{OffsetDeleteRequest, OffsetDeleteResponse};
use klamm_protocol::primitives::Str;
use std::collections::BTreeSet;

impl Coordinator {
    /// OffsetDelete: of topics that the group does not read now.
    pub(crate) fn delete_offsets(
        &mut self,
        now_ms: i64,
        request: &OffsetDeleteRequest,
    ) -> OffsetDeleteResponse {
        self.fx.now_ms = now_ms;
        match self.topics_in_use(&request.group_id) {
            Err(code) => OffsetDeleteResponse { error_code: code.0, ..Default::default() },
            Ok(in_use) => {
                let topics = request.topics.iter();
                let topics = topics
                    .map(|topic| self.delete_topic_offsets(&request.group_id, topic, &in_use));
                OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }
            }
        }
    }

    fn topics_in_use(&self, id: &Str) -> Result<BTreeSet<Str>, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get(id).filter(|group| !matches!(group.kind, Kind::Share(_)));
        let group = group.ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        group.subscribed_topics().ok_or(ErrorCode::NON_EMPTY_GROUP)
    }

    fn delete_topic_offsets(
        &mut self,
        id: &Str,
        topic: &OffsetDeleteRequestTopic,
        in_use: &BTreeSet<Str>,
    ) -> OffsetDeleteResponseTopic {
        let code = match in_use.contains(&topic.name) {
            true => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            false => ErrorCode::NONE,
        };
        let mut partitions = Vec::new();
        for asked in &topic.partitions {
            let partition_index = asked.partition_index;
            if code.is_ok() {
                self.remove_offset(id, &topic.name, partition_index);
            }
            partitions.push(OffsetDeleteResponsePartition { partition_index, error_code: code.0 });
        }
        OffsetDeleteResponseTopic { name: topic.name.clone(), partitions }
    }

    /// Forgets one offset, here and in what is written down.
    pub(super) fn remove_offset(&mut self, id: &Str, topic: &Str, partition: i32) {
        let Some(group) = self.groups.get_mut(id) else { return };
        if group.offsets.remove(topic, partition) {
            self.fx.write(Change::delete(Key::Offset(text(id), text(topic), partition)));
        }
    }

    /// A topic is gone, and with it every offset in it.
    pub(crate) fn topic_deleted(&mut self, topic: &Str) {
        let mut gone = Vec::new();
        for (id, group) in &self.groups {
            let partitions = group.offsets.committed.get(topic).into_iter();
            gone.extend(partitions.flat_map(|p| p.keys().map(|&index| (id.clone(), index))));
        }
        for (id, partition) in gone {
            self.remove_offset(&id, topic, partition);
        }
        self.forget_pending(topic);
    }

    fn forget_pending(&mut self, topic: &Str) {
        for (id, group) in &mut self.groups {
            for (&producer, offsets) in &mut group.offsets.pending {
                for partition in offsets.remove(topic).unwrap_or_default().into_keys() {
                    let key = Key::Pending(producer, text(id), text(topic), partition);
                    self.fx.write(Change::delete(key));
                }
            }
        }
    }
}
