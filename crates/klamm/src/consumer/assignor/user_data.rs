//! Pure: what sticky assignors say about a member when it joins, byte for byte as Java's do.

use crate::consumer::topic_partition::TopicPartition;
use bytes::Bytes;
use klamm_protocol::primitives::{DecodeError, Decoder, EncodeError, Encoder};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a member had, and since which generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) partitions: Vec<TopicPartition>,
    /// Missing in version 0 of the format.
    pub(super) generation: Option<i32>,
}

/// `StickyAssignorUserData` version 1: the previous assignment by topic, then the generation.
pub(super) fn encode_sticky(assigned: &[TopicPartition], generation: i32) -> Option<Bytes> {
    let mut by_topic: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
    for partition in assigned {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let write = || -> Result<Bytes, EncodeError> {
        let mut e = Encoder::new();
        e.put_len(Some(by_topic.len()), false)?;
        for (topic, partitions) in &by_topic {
            e.put_str(Some(topic), false)?;
            e.put_len(Some(partitions.len()), false)?;
            partitions.iter().for_each(|&partition| e.put_i32(partition));
        }
        e.put_i32(generation);
        Ok(e.into_bytes())
    };
    // Only a topic name longer than names may be fails; then the member simply claims nothing.
    write().ok()
}

/// Reads version 1, else version 0, else nothing; what follows the known fields is ignored.
pub(super) fn decode_sticky(user_data: Option<&Bytes>) -> Claim {
    let Some(bytes) = user_data.filter(|bytes| !bytes.is_empty()) else { return Claim::default() };
    let mut d = Decoder::new(bytes.clone());
    match claimed_partitions(&mut d) {
        Ok(partitions) => Claim { partitions, generation: d.i32().ok() },
        Err(_) => Claim::default(),
    }
}

fn claimed_partitions(d: &mut Decoder) -> Result<Vec<TopicPartition>, DecodeError> {
    let null = DecodeError::Null("previous_assignment");
    let topics = d.vec(false, |d| {
        let topic = d.str(false)?.ok_or(DecodeError::Null("topic"))?;
        let partitions = d.vec(false, Decoder::i32)?.ok_or(DecodeError::Null("partitions"))?;
        Ok((Arc::<str>::from(topic.as_str()), partitions))
    })?;
    let of_topic = |(topic, partitions): (Arc<str>, Vec<i32>)| {
        partitions
            .into_iter()
            .map(move |partition| TopicPartition { topic: topic.clone(), partition })
    };
    Ok(topics.ok_or(null)?.into_iter().flat_map(of_topic).collect())
}

/// The user data of `cooperative-sticky` version 0: the generation.
pub(super) fn encode_cooperative(generation: i32) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

/// The generation in the user data of `cooperative-sticky`, if it is there.
pub(super) fn decode_cooperative(user_data: Option<&Bytes>) -> Option<i32> {
    Decoder::new(user_data?.clone()).i32().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &[u8] = b"\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x05\0\0\0\x07";

    #[test]
    fn sticky_user_data_is_what_java_writes() {
        let assigned = [TopicPartition::new("t", 0), TopicPartition::new("t", 5)];
        assert_eq!(encode_sticky(&assigned, 7).unwrap(), V1);
        let claim = decode_sticky(Some(&Bytes::from_static(V1)));
        assert_eq!(claim, Claim { partitions: assigned.to_vec(), generation: Some(7) });
    }

    #[test]
    fn version_0_has_no_generation_and_garbage_claims_nothing() {
        let v0 = Bytes::from_static(&V1[..V1.len() - 4]);
        assert_eq!(decode_sticky(Some(&v0)).generation, None);
        assert_eq!(decode_sticky(Some(&v0)).partitions.len(), 2);
        for garbage in [&b""[..], b"\0", b"\x7f\xff\xff\xff", &V1[..V1.len() - 5]] {
            let claim = decode_sticky(Some(&Bytes::copy_from_slice(garbage)));
            assert_eq!(claim, Claim::default(), "{garbage:?}");
        }
        assert_eq!(decode_sticky(None), Claim::default());
    }

    #[test]
    fn cooperative_user_data_is_the_generation() {
        assert_eq!(encode_cooperative(258), &b"\0\0\x01\x02"[..]);
        assert_eq!(decode_cooperative(Some(&encode_cooperative(-1))), Some(-1));
        assert_eq!(decode_cooperative(Some(&Bytes::from_static(b"abc"))), None);
        assert_eq!(decode_cooperative(None), None);
    }
}
