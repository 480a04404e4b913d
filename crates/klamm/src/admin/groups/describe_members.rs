//! Pure: members of a described group.

use crate::consumer::TopicPartition;
use crate::consumer::group::subscription_protocol::{decode_assignment, decode_subscription};
use klamm_protocol::message::consumer_group_describe_response::{Assignment, Member};
use klamm_protocol::message::describe_groups_response::DescribedGroupMember;
use std::sync::Arc;

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberDescription {
    /// The coordinator's name of it.
    pub member_id: String,
    /// `group.instance.id`, if it is a static member.
    pub group_instance_id: Option<String>,
    /// `client.id` of its client.
    pub client_id: String,
    /// The address it connected from, as the coordinator saw it.
    pub host: String,
    /// `client.rack`, if it told.
    pub rack: Option<String>,
    /// The epoch of the assignment it has (KIP-848).
    pub member_epoch: Option<i32>,
    /// The topics it wants, as far as it told.
    pub subscribed_topics: Vec<String>,
    /// The expression of the topics it wants (KIP-848).
    pub subscribed_topic_regex: Option<String>,
    /// What it has, in order; `None` if that is written in a form only its group understands.
    pub assignment: Option<Vec<TopicPartition>>,
    /// What it is to have when the group has settled, in order (KIP-848).
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// Whether it speaks the classic protocol in a group of KIP-848, if the coordinator told.
    pub is_classic: Option<bool>,
}

/// Kafka's number for a member that speaks the classic protocol.
const CLASSIC_MEMBER: i8 = 0;

pub(super) fn consumer_member(member: &Member) -> MemberDescription {
    MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        rack: member.rack_id.as_ref().map(ToString::to_string),
        member_epoch: Some(member.member_epoch),
        subscribed_topics: member.subscribed_topic_names.iter().map(ToString::to_string).collect(),
        subscribed_topic_regex: member
            .subscribed_topic_regex
            .as_ref()
            .filter(|regex| !regex.is_empty())
            .map(ToString::to_string),
        assignment: Some(partitions(&member.assignment)),
        target_assignment: Some(partitions(&member.target_assignment)),
        // Brokers of version 0 do not tell, which reads as -1.
        is_classic: (member.member_type >= 0).then_some(member.member_type == CLASSIC_MEMBER),
    }
}

fn partitions(assignment: &Assignment) -> Vec<TopicPartition> {
    let mut flat: Vec<TopicPartition> = Vec::new();
    for topic in &assignment.topic_partitions {
        let name: Arc<str> = topic.topic_name.as_str().into();
        let named = |&partition: &i32| TopicPartition { topic: Arc::clone(&name), partition };
        flat.extend(topic.partitions.iter().map(named));
    }
    flat.sort();
    flat
}

pub(super) fn classic_member(
    member: &DescribedGroupMember,
    protocol_type: &str,
) -> MemberDescription {
    // The coordinator does not read these bytes; only consumers are known to write them this way.
    let (mut subscribed_topics, mut rack, mut assignment) = (Vec::new(), None, None);
    if protocol_type == "consumer" {
        if let Ok(subscription) = decode_subscription(&member.member_metadata) {
            subscribed_topics = subscription.topics.iter().map(ToString::to_string).collect();
            rack = subscription.rack.as_deref().map(ToOwned::to_owned);
        }
        let assigned = decode_assignment(&member.member_assignment).ok();
        assignment = assigned.map(|mut assigned| {
            assigned.partitions.sort();
            assigned.partitions
        });
    }
    MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        rack,
        member_epoch: None,
        subscribed_topics,
        subscribed_topic_regex: None,
        assignment,
        target_assignment: None,
        is_classic: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use klamm_protocol::message::consumer_group_describe_response::TopicPartitions;

    /// What Kafka's own clients write: version 0, topic `t`, partitions 1 and 0, no user data.
    const ASSIGNMENT: &[u8] = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x01\0\0\0\0\xff\xff\xff\xff";

    fn member(assignment: &'static [u8]) -> DescribedGroupMember {
        DescribedGroupMember {
            member_id: "m".into(),
            member_assignment: Bytes::from_static(assignment),
            ..DescribedGroupMember::default()
        }
    }

    #[test]
    fn the_assignment_of_a_consumer_is_read_and_that_of_others_is_not() {
        let read = classic_member(&member(ASSIGNMENT), "consumer").assignment;
        let both = vec![TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
        assert_eq!(read, Some(both));
        assert_eq!(classic_member(&member(ASSIGNMENT), "connect").assignment, None);
        assert_eq!(classic_member(&member(b""), "consumer").assignment, Some(Vec::new()));
        assert_eq!(classic_member(&member(b"\0\0\0\0\0\x09"), "consumer").assignment, None);
    }

    #[test]
    fn a_member_of_a_new_group_has_what_it_has_and_what_it_is_to_have() {
        let topic = |partitions: &[i32]| Assignment {
            topic_partitions: vec![TopicPartitions {
                topic_name: "t".into(),
                partitions: partitions.to_vec(),
                ..TopicPartitions::default()
            }],
        };
        let member = Member {
            assignment: topic(&[3]),
            target_assignment: topic(&[4, 3]),
            subscribed_topic_regex: Some("".into()),
            ..Member::default()
        };
        let read = consumer_member(&member);
        assert_eq!(read.assignment, Some(vec![TopicPartition::new("t", 3)]));
        let both = vec![TopicPartition::new("t", 3), TopicPartition::new("t", 4)];
        assert_eq!(read.target_assignment, Some(both));
        assert_eq!((read.subscribed_topic_regex, read.is_classic), (None, None));
        assert_eq!(consumer_member(&Member { member_type: 0, ..member }).is_classic, Some(true));
    }
}
