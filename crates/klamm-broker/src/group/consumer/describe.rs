//! Pure: a KIP-848 group as ConsumerGroupDescribe shows it.

use super::group::ConsumerGroup;
use super::member::Member;
use crate::group::assignor;
use crate::group::topic_view::TopicView;
use klamm_protocol::message::consumer_group_describe_response as response;
use klamm_protocol::primitives::Str;

/// The type of a member that speaks the protocol of KIP-848; version 0 does not tell it.
const CONSUMER_MEMBER: i8 = 1;

impl ConsumerGroup {
    /// The group and its members: what each has and is to have.
    pub(super) fn describe(&self, version: i16, view: &dyn TopicView) -> response::DescribedGroup {
        let member = |member: &Member| response::Member {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            member_epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            subscribed_topic_names: member.topics.iter().cloned().collect(),
            subscribed_topic_regex: member.regex.clone(),
            assignment: named(&member.assigned, view),
            target_assignment: named(&member.target, view),
            member_type: if version >= 1 { CONSUMER_MEMBER } else { -1 },
        };
        response::DescribedGroup {
            group_id: self.id.clone(),
            group_state: Str::from_static(self.state()),
            group_epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor_name: Str::from_static(self.assignor().name()),
            members: self.members.values().map(member).collect(),
            ..response::DescribedGroup::default()
        }
    }
}

/// An assignment with the names of its topics; those that are gone are left out.
fn named(assignment: &assignor::Assignment, view: &dyn TopicView) -> response::Assignment {
    let topics = assignment.iter().filter_map(|(&topic_id, partitions)| {
        let partitions: Vec<i32> = partitions.iter().copied().collect();
        let topic_name = view.name(topic_id).filter(|_| !partitions.is_empty())?;
        Some(response::TopicPartitions { topic_id, topic_name, partitions })
    });
    response::Assignment { topic_partitions: topics.collect() }
}
