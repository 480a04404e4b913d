//! Pure: a share group as ShareGroupDescribe shows it.

use super::assign;
use super::group::ShareGroup;
use super::member::Member;
use crate::group::assignor::Assignment;
use crate::group::topic_view::TopicView;
use klamm_protocol::message::share_group_describe_response as response;
use klamm_protocol::primitives::Str;

impl ShareGroup {
    /// The group and its members: what each reads.
    pub(super) fn describe(&self, view: &dyn TopicView) -> response::DescribedGroup {
        let member = |member: &Member| response::Member {
            member_id: member.id.clone(),
            rack_id: member.rack_id.clone(),
            member_epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            subscribed_topic_names: member.topics.iter().cloned().collect(),
            assignment: named(&member.assigned, view),
        };
        response::DescribedGroup {
            group_id: self.id.clone(),
            group_state: Str::from_static(self.state()),
            group_epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor_name: Str::from_static(assign::NAME),
            members: self.members.values().map(member).collect(),
            ..response::DescribedGroup::default()
        }
    }
}

/// An assignment with the names of its topics; those that are gone are left out.
fn named(assignment: &Assignment, view: &dyn TopicView) -> response::Assignment {
    let topics = assignment.iter().filter_map(|(&topic_id, partitions)| {
        let partitions: Vec<i32> = partitions.iter().copied().collect();
        let topic_name = view.name(topic_id).filter(|_| !partitions.is_empty())?;
        Some(response::TopicPartitions { topic_id, topic_name, partitions })
    });
    response::Assignment { topic_partitions: topics.collect() }
}
