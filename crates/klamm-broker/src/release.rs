//! Pure: which Kafka release this broker presents itself as, and the versions that release offers.
//!
//! Clients derive what a broker can do from the shape of its version table, so the ranges of one release belong
//! together (KIP-35); a cap never mixes two.

use crate::handler;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A release of Apache Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Release {
    /// 2.8: the last line that old clients grew up with.
    V2_8,
    /// 3.9: the last that speaks every old version.
    V3_9,
    /// 4.0: KIP-848 groups and the second transaction protocol.
    V4_0,
    /// 4.3: what this broker was written for.
    #[default]
    V4_3,
}

/// A name that is none of the releases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no release this broker can act as; choose one of 2.8, 3.9, 4.0, 4.3")]
pub struct UnknownRelease(String);

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(s: &str) -> Result<Self, UnknownRelease> {
        match s {
            "2.8" => Ok(Self::V2_8),
            "3.9" => Ok(Self::V3_9),
            "4.0" => Ok(Self::V4_0),
            "4.3" | "4.x" | "4" => Ok(Self::V4_3),
            _ => Err(UnknownRelease(s.to_owned())),
        }
    }
}

impl Release {
    /// Its number, as Kafka writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V2_8 => "2.8",
            Self::V3_9 => "3.9",
            Self::V4_0 => "4.0",
            Self::V4_3 => "4.3",
        }
    }

    /// What a client is told of a topic that its asking makes: 2.8 knew already that it comes to be.
    pub(crate) fn code_of_a_topic_being_made(self) -> ErrorCode {
        match self {
            Self::V2_8 => ErrorCode::LEADER_NOT_AVAILABLE,
            _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        }
    }

    /// The versions of `api` that are offered, and answered.
    ///
    /// For Produce this is not quite so: it is offered from version 0 on, because librdkafka before 2.11.1 sends
    /// everything uncompressed when it is not, and answered from version 3 on (KAFKA-18659).
    pub(crate) fn versions(self, api: ApiKey) -> Option<RangeInclusive<i16>> {
        let served = handler::served(api)?;
        let highest = self.highest(api)?.min(*served.end());
        (highest >= *served.start()).then(|| *served.start()..=highest)
    }

    /// What ApiVersions says of `api`.
    pub(crate) fn advertised(self, api: ApiKey) -> Option<RangeInclusive<i16>> {
        let versions = self.versions(api)?;
        Some(if api == ApiKey::Produce { 0..=*versions.end() } else { versions })
    }

    /// The highest version the release knows; `None` when it does not know the API.
    fn highest(self, api: ApiKey) -> Option<i16> {
        let row = CAPS.iter().find(|row| row.0 == api)?;
        let cap = match self {
            Self::V2_8 => row.1,
            Self::V3_9 => row.2,
            Self::V4_0 => row.3,
            Self::V4_3 => row.4,
        };
        (cap >= 0).then_some(cap)
    }

    /// Features that the release has, with the level that is in force (KIP-584).
    pub(crate) fn features(self) -> &'static [(&'static str, i16)] {
        match self {
            Self::V2_8 | Self::V3_9 => &[],
            Self::V4_0 => {
                &[("group.version", 1), ("metadata.version", 25), ("transaction.version", 2)]
            }
            Self::V4_3 => &[
                ("group.version", 1),
                ("metadata.version", 30),
                ("share.version", 1),
                ("transaction.version", 2),
            ],
        }
    }
}

/// API, then the highest version of 2.8, 3.9, 4.0 and 4.3; -1 where the release lacks the API.
const CAPS: &[(ApiKey, i16, i16, i16, i16)] = &[
    (ApiKey::Produce, 9, 11, 12, 13),
    (ApiKey::Fetch, 12, 17, 17, 18),
    (ApiKey::ListOffsets, 6, 9, 10, 11),
    (ApiKey::Metadata, 11, 12, 13, 13),
    (ApiKey::OffsetCommit, 8, 9, 9, 10),
    (ApiKey::OffsetFetch, 7, 9, 9, 10),
    (ApiKey::FindCoordinator, 3, 6, 6, 6),
    (ApiKey::JoinGroup, 7, 9, 9, 9),
    (ApiKey::Heartbeat, 4, 4, 4, 4),
    (ApiKey::LeaveGroup, 4, 5, 5, 5),
    (ApiKey::SyncGroup, 5, 5, 5, 5),
    (ApiKey::DescribeGroups, 5, 5, 6, 6),
    (ApiKey::ListGroups, 4, 5, 5, 5),
    (ApiKey::SaslHandshake, 1, 1, 1, 1),
    (ApiKey::ApiVersions, 3, 4, 4, 4),
    (ApiKey::CreateTopics, 7, 7, 7, 7),
    (ApiKey::DeleteTopics, 6, 6, 6, 6),
    (ApiKey::DeleteRecords, 2, 2, 2, 2),
    (ApiKey::InitProducerId, 4, 5, 5, 5),
    (ApiKey::OffsetForLeaderEpoch, 4, 4, 4, 4),
    (ApiKey::AddPartitionsToTxn, 3, 5, 5, 5),
    (ApiKey::AddOffsetsToTxn, 3, 4, 4, 4),
    (ApiKey::EndTxn, 3, 4, 5, 5),
    (ApiKey::WriteTxnMarkers, 1, 1, 1, 2),
    (ApiKey::TxnOffsetCommit, 3, 4, 5, 5),
    (ApiKey::DescribeAcls, 2, 3, 3, 3),
    (ApiKey::CreateAcls, 2, 3, 3, 3),
    (ApiKey::DeleteAcls, 2, 3, 3, 3),
    (ApiKey::DescribeConfigs, 4, 4, 4, 4),
    (ApiKey::AlterConfigs, 2, 2, 2, 2),
    (ApiKey::DescribeLogDirs, 2, 4, 4, 5),
    (ApiKey::SaslAuthenticate, 2, 2, 2, 2),
    (ApiKey::CreatePartitions, 3, 3, 3, 3),
    (ApiKey::DeleteGroups, 2, 2, 2, 2),
    (ApiKey::ElectLeaders, 2, 2, 2, 2),
    (ApiKey::IncrementalAlterConfigs, 1, 1, 1, 1),
    (ApiKey::AlterPartitionReassignments, 0, 0, 0, 1),
    (ApiKey::ListPartitionReassignments, 0, 0, 0, 0),
    (ApiKey::OffsetDelete, 0, 0, 0, 0),
    (ApiKey::DescribeClientQuotas, 1, 1, 1, 1),
    (ApiKey::AlterClientQuotas, 1, 1, 1, 1),
    (ApiKey::DescribeUserScramCredentials, 0, 0, 0, 0),
    (ApiKey::AlterUserScramCredentials, 0, 0, 0, 0),
    (ApiKey::DescribeQuorum, -1, 2, 2, 2),
    (ApiKey::UpdateFeatures, 0, 1, 2, 2),
    (ApiKey::DescribeCluster, 0, 1, 2, 2),
    (ApiKey::DescribeProducers, 0, 0, 0, 0),
    (ApiKey::DescribeTransactions, -1, 0, 0, 0),
    (ApiKey::ListTransactions, -1, 1, 1, 2),
    (ApiKey::ConsumerGroupHeartbeat, -1, 0, 1, 1),
    (ApiKey::ConsumerGroupDescribe, -1, 0, 1, 1),
    (ApiKey::ShareGroupHeartbeat, -1, -1, -1, 1),
    (ApiKey::ShareGroupDescribe, -1, -1, -1, 1),
    (ApiKey::ShareFetch, -1, -1, -1, 2),
    (ApiKey::ShareAcknowledge, -1, -1, -1, 2),
    (ApiKey::DescribeShareGroupOffsets, -1, -1, -1, 1),
    (ApiKey::AlterShareGroupOffsets, -1, -1, -1, 0),
    (ApiKey::DeleteShareGroupOffsets, -1, -1, -1, 0),
    (ApiKey::ListConfigResources, -1, 0, 0, 1),
    (ApiKey::DescribeTopicPartitions, -1, 0, 0, 0),
];

#[cfg(test)]
mod tests {
    use super::{CAPS, Release};
    use crate::handler;
    use klamm_protocol::api_key::ApiKey;

    #[test]
    fn every_api_served_is_in_the_table_once() {
        for &api in handler::APIS {
            assert_eq!(CAPS.iter().filter(|row| row.0 == api).count(), 1, "{api:?}");
            assert!(Release::V4_3.versions(api).is_some(), "{api:?}");
        }
    }

    #[test]
    fn no_release_offers_more_than_a_later_one() {
        for row in CAPS {
            assert!(row.1 <= row.2 && row.2 <= row.3 && row.3 <= row.4, "{:?}", row.0);
        }
    }

    #[test]
    fn releases_are_named_by_their_numbers() {
        assert_eq!("2.8".parse(), Ok(Release::V2_8));
        assert_eq!("4.x".parse(), Ok(Release::V4_3));
        assert!("1.0".parse::<Release>().is_err());
        assert!(Release::V2_8.versions(ApiKey::Metadata).is_some());
    }
}
