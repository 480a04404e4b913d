//! Pure: what faults change in responses, and the error that stands in one.

use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::*;
use klamm_protocol::primitives::{Records, Str, Uuid};

/// The records of one partition in a response: name and id of the topic, of which one is set, and the partition.
type PartitionRecords<'a> = (&'a Str, Uuid, i32, &'a mut Records);

/// A response that faults can change.
pub(crate) trait Faulty {
    /// Sets `throttle_time_ms`; nothing where the response has none.
    fn throttle(&mut self, ms: i32);

    /// The first error in it, as far as it is known where to look.
    fn error(&self) -> ErrorCode;

    /// The records in it.
    fn records(&mut self) -> Vec<PartitionRecords<'_>> {
        Vec::new()
    }
}

fn first(mut codes: impl Iterator<Item = i16>) -> ErrorCode {
    codes.find(|&code| code != 0).map_or(ErrorCode::NONE, ErrorCode)
}

/// Responses with a throttle time; the expression yields their error codes.
macro_rules! throttled {
    ($($response:ident |$r:ident| $codes:expr;)*) => {$(
        impl Faulty for $response {
            fn throttle(&mut self, ms: i32) {
                self.throttle_time_ms = ms;
            }

            fn error(&self) -> ErrorCode {
                let $r = self;
                first($codes.into_iter())
            }
        }
    )*};
}

/// Responses with a throttle time and one error code.
macro_rules! throttled_with_code {
    ($($response:ident)*) => { throttled! { $($response |r| [r.error_code];)* } };
}

/// Responses without a throttle time.
macro_rules! unthrottled {
    ($($response:ident |$r:ident| $codes:expr;)*) => {$(
        impl Faulty for $response {
            fn throttle(&mut self, _: i32) {}

            fn error(&self) -> ErrorCode {
                let $r = self;
                first($codes.into_iter())
            }
        }
    )*};
}

/// The error codes of a list's items.
macro_rules! of {
    ($list:expr) => {
        $list.iter().map(|item| item.error_code)
    };
    ($list:expr, $inner:ident) => {
        $list.iter().flat_map(|item| item.$inner.iter().map(|inner| inner.error_code))
    };
}

throttled! {
    ProduceResponse |r| of!(r.responses, partition_responses);
    MetadataResponse |r| [r.error_code].into_iter().chain(of!(r.topics));
    ListOffsetsResponse |r| of!(r.topics, partitions);
    OffsetCommitResponse |r| of!(r.topics, partitions);
    OffsetFetchResponse |r| [r.error_code].into_iter().chain(of!(r.groups)).chain(of!(r.topics, partitions));
    FindCoordinatorResponse |r| [r.error_code].into_iter().chain(of!(r.coordinators));
    LeaveGroupResponse |r| [r.error_code].into_iter().chain(of!(r.members));
    DescribeGroupsResponse |r| of!(r.groups);
    ConsumerGroupDescribeResponse |r| of!(r.groups);
    ShareGroupDescribeResponse |r| of!(r.groups);
    StreamsGroupDescribeResponse |r| of!(r.groups);
    DescribeShareGroupOffsetsResponse |r| of!(r.groups);
    DeleteGroupsResponse |r| of!(r.results);
    OffsetDeleteResponse |r| [r.error_code].into_iter().chain(of!(r.topics, partitions));
    CreateTopicsResponse |r| of!(r.topics);
    DeleteTopicsResponse |r| of!(r.responses);
    DeleteRecordsResponse |r| of!(r.topics, partitions);
    OffsetForLeaderEpochResponse |r| of!(r.topics, partitions);
    TxnOffsetCommitResponse |r| of!(r.topics, partitions);
    DescribeConfigsResponse |r| of!(r.results);
    AlterConfigsResponse |r| of!(r.responses);
    IncrementalAlterConfigsResponse |r| of!(r.responses);
    CreatePartitionsResponse |r| of!(r.results);
    CreateAclsResponse |r| of!(r.results);
    DeleteAclsResponse |r| of!(r.filter_results);
    AlterClientQuotasResponse |r| of!(r.entries);
    AlterReplicaLogDirsResponse |r| of!(r.results, partitions);
    AlterUserScramCredentialsResponse |r| of!(r.results);
    DescribeProducersResponse |r| of!(r.topics, partitions);
    DescribeTransactionsResponse |r| of!(r.transaction_states);
    DescribeTopicPartitionsResponse |r| of!(r.topics);
}

throttled_with_code! {
    AddOffsetsToTxnResponse AddPartitionsToTxnResponse AlterPartitionReassignmentsResponse
    AlterShareGroupOffsetsResponse ApiVersionsResponse ConsumerGroupHeartbeatResponse
    CreateDelegationTokenResponse DeleteShareGroupOffsetsResponse DescribeAclsResponse
    DescribeClientQuotasResponse DescribeClusterResponse DescribeDelegationTokenResponse
    DescribeLogDirsResponse DescribeUserScramCredentialsResponse ElectLeadersResponse
    EndTxnResponse ExpireDelegationTokenResponse GetTelemetrySubscriptionsResponse
    HeartbeatResponse InitProducerIdResponse JoinGroupResponse ListConfigResourcesResponse
    ListGroupsResponse ListPartitionReassignmentsResponse ListTransactionsResponse
    PushTelemetryResponse RenewDelegationTokenResponse ShareAcknowledgeResponse
    ShareFetchResponse ShareGroupHeartbeatResponse StreamsGroupHeartbeatResponse
    StreamsGroupTopologyDescriptionUpdateResponse SyncGroupResponse UnregisterBrokerResponse
    UpdateFeaturesResponse
}

unthrottled! {
    DescribeQuorumResponse |r| [r.error_code];
    SaslAuthenticateResponse |r| [r.error_code];
    SaslHandshakeResponse |r| [r.error_code];
    WriteTxnMarkersResponse |r| r.markers.iter().flat_map(|marker| of!(marker.topics, partitions));
}

impl Faulty for FetchResponse {
    fn throttle(&mut self, ms: i32) {
        self.throttle_time_ms = ms;
    }

    fn error(&self) -> ErrorCode {
        first([self.error_code].into_iter().chain(of!(self.responses, partitions)))
    }

    fn records(&mut self) -> Vec<PartitionRecords<'_>> {
        let topics = self.responses.iter_mut();
        let partitions = topics.flat_map(|topic| {
            let (name, id) = (&topic.topic, topic.topic_id);
            topic.partitions.iter_mut().filter_map(move |partition| {
                Some((name, id, partition.partition_index, partition.records.as_mut()?))
            })
        });
        partitions.collect()
    }
}
