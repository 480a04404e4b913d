//! Pure: what members of a classic group tell each other, inside bytes the coordinator does not read.
//!
//! A version number, then `ConsumerProtocolSubscription` or `ConsumerProtocolAssignment`. Versions
//! newer than this one are read as far as they are known, as Java does; a subscription cut short, as
//! some clients write it, is read as an older version.

use crate::consumer::assignor::{GroupMember, MemberAssignment};
use crate::consumer::topic_partition::TopicPartition;
use bytes::Bytes;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{DecodeError, Decoder, EncodeError, Encoder, Message, Str};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version that is written; older clients read the start of it.
const VERSION: i16 = 3;

/// What a member says when it joins.
pub(super) fn encode_subscription(member: &GroupMember) -> Result<Bytes, EncodeError> {
    let owned = by_topic(&member.owned_partitions);
    let subscription = ConsumerProtocolSubscription {
        topics: member.topics.iter().map(|topic| Str::from(&**topic)).collect(),
        user_data: member.user_data.clone(),
        owned_partitions: owned
            .into_iter()
            .map(|(topic, partitions)| consumer_protocol_subscription::TopicPartition {
                topic: Str::from(&**topic),
                partitions,
            })
            .collect(),
        generation_id: member.generation.unwrap_or(-1),
        rack_id: member.rack.as_deref().map(Str::from),
    };
    let mut e = Encoder::new();
    e.put_i16(VERSION);
    subscription.encode(&mut e, VERSION)?;
    Ok(e.into_bytes())
}

/// Reads what a member says; ids are filled in by the caller.
pub(crate) fn decode_subscription(bytes: &Bytes) -> Result<GroupMember, DecodeError> {
    let mut d = Decoder::new(bytes.clone());
    let version = d.i16()?.clamp(0, VERSION);
    let body = bytes.slice(2..);
    let read =
        |version| ConsumerProtocolSubscription::decode(&mut Decoder::new(body.clone()), version);
    let newest = read(version);
    let subscription = match newest {
        Ok(subscription) => subscription,
        Err(error) => (0..version).rev().find_map(|older| read(older).ok()).ok_or(error)?,
    };
    let owned = subscription.owned_partitions.iter().flat_map(|t| flat(&t.topic, &t.partitions));
    Ok(GroupMember {
        topics: subscription.topics.iter().map(|topic| Arc::from(topic.as_str())).collect(),
        user_data: subscription.user_data.clone(),
        owned_partitions: owned.collect(),
        generation: Some(subscription.generation_id).filter(|&generation| generation >= 0),
        rack: subscription.rack_id.as_deref().map(Arc::from),
        ..GroupMember::default()
    })
}

/// What the leader assigns to a member.
pub(super) fn encode_assignment(assignment: &MemberAssignment) -> Result<Bytes, EncodeError> {
    let assigned = by_topic(&assignment.partitions).into_iter();
    let message = ConsumerProtocolAssignment {
        assigned_partitions: assigned
            .map(|(topic, partitions)| consumer_protocol_assignment::TopicPartition {
                topic: Str::from(&**topic),
                partitions,
            })
            .collect(),
        user_data: assignment.user_data.clone(),
    };
    let mut e = Encoder::new();
    e.put_i16(VERSION);
    message.encode(&mut e, VERSION)?;
    Ok(e.into_bytes())
}

/// Reads what the leader assigned; nothing at all is an empty assignment.
pub(crate) fn decode_assignment(bytes: &Bytes) -> Result<MemberAssignment, DecodeError> {
    if bytes.is_empty() {
        return Ok(MemberAssignment::default());
    }
    let mut d = Decoder::new(bytes.clone());
    let version = d.i16()?.clamp(0, VERSION);
    let message = ConsumerProtocolAssignment::decode(&mut d, version)?;
    let partitions = message.assigned_partitions.iter().flat_map(|t| flat(&t.topic, &t.partitions));
    Ok(MemberAssignment { partitions: partitions.collect(), user_data: message.user_data.clone() })
}

fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<&Arc<str>, Vec<i32>> {
    let mut topics: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    topics
}

fn flat(topic: &Str, partitions: &[i32]) -> Vec<TopicPartition> {
    let topic = Arc::<str>::from(topic.as_str());
    let named = |&partition: &i32| TopicPartition { topic: topic.clone(), partition };
    partitions.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member() -> GroupMember {
        GroupMember {
            topics: ["a".into(), "b".into()].into(),
            user_data: Some(Bytes::from_static(b"xy")),
            owned_partitions: vec![TopicPartition::new("a", 1), TopicPartition::new("a", 4)],
            generation: Some(9),
            rack: Some("r".into()),
            ..GroupMember::default()
        }
    }

    const WRITTEN: &[u8] = b"\0\x03\0\0\0\x02\0\x01a\0\x01b\0\0\0\x02xy\
        \0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x09\0\x01r";

    #[test]
    fn a_subscription_is_written_as_version_3() {
        assert_eq!(encode_subscription(&member()).unwrap(), WRITTEN);
        assert_eq!(decode_subscription(&Bytes::from_static(WRITTEN)).unwrap(), member());
    }

    #[test]
    fn newer_versions_and_cut_ones_are_read_as_far_as_they_go() {
        let mut newer = WRITTEN.to_vec();
        newer[1] = 17;
        newer.extend_from_slice(b"what comes next");
        assert_eq!(decode_subscription(&Bytes::from(newer)).unwrap(), member());
        // Cut in the rack, the generation, the owned partitions.
        let cut = |len: usize| decode_subscription(&Bytes::copy_from_slice(&WRITTEN[..len]));
        let end = WRITTEN.len();
        assert_eq!(cut(end - 1).unwrap(), GroupMember { rack: None, ..member() });
        let without_generation = GroupMember { rack: None, generation: None, ..member() };
        assert_eq!(cut(end - 4).unwrap(), without_generation);
        let bare = GroupMember { owned_partitions: Vec::new(), ..without_generation };
        assert_eq!(cut(end - 9).unwrap(), bare);
        assert!(cut(11).is_err());
        assert!(cut(1).is_err());
    }

    #[test]
    fn an_assignment_of_no_bytes_is_empty() {
        assert_eq!(decode_assignment(&Bytes::new()).unwrap(), MemberAssignment::default());
        assert!(decode_assignment(&Bytes::from_static(b"\0\0\0")).is_err());
    }

    proptest! {
        #[test]
        fn assignments_come_back(parts in proptest::collection::btree_set(("[a-c]", 0..50i32), 0..30)) {
            let partitions: Vec<_> =
                parts.into_iter().map(|(t, p)| TopicPartition::new(t, p)).collect();
            let assignment = MemberAssignment { partitions, user_data: None };
            let bytes = encode_assignment(&assignment).unwrap();
            prop_assert_eq!(decode_assignment(&bytes).unwrap(), assignment);
        }

        #[test]
        fn garbage_is_refused_or_read_but_never_panics(bytes in any::<Vec<u8>>()) {
            let bytes = Bytes::from(bytes);
            let _ = decode_subscription(&bytes);
            let _ = decode_assignment(&bytes);
        }
    }
}
