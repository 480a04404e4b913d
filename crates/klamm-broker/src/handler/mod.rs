//! One file per API: which versions are served, what each does, and what is simplified.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_share_group_offsets;
mod alter_user_scram_credentials;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod context;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod left_out;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod observed;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
mod share;
mod share_acknowledge;
mod share_fetch;
mod share_group_describe;
mod share_group_heartbeat;
mod sync_group;
mod txn_offset_commit;
mod write_txn_markers;

pub(crate) use self::context::{Answer, Context, Handle, NoAnswer};
pub(crate) use self::metadata::snapshot;

use crate::fault::Faulty;
use crate::metrics::InFlight;
use crate::security::NotNow;
use bytes::Bytes;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::header::{RequestHeader, decode_request_header, encode_streamed_response};
use klamm_protocol::message::*;
use klamm_protocol::primitives::{DecodeError, Decoder, EncodeError, StreamedFrame};
use std::future::ready;
use std::ops::RangeInclusive;
use std::pin::Pin;

/// The frame that answers a request, or why there is none.
pub(crate) type Outcome = Answer<StreamedFrame>;

/// A request under way.
pub(crate) type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Makes the table of APIs: which request type belongs to which key.
macro_rules! apis {
    ($($api:ident $request:ident)*) => {
        /// Every API served, by key.
        pub(crate) const APIS: &[ApiKey] = &[$(ApiKey::$api),*];

        /// The versions of `api` that are served; none when it is not.
        pub(crate) fn served(api: ApiKey) -> Option<RangeInclusive<i16>> {
            match api {
                $(ApiKey::$api => Some(<$request as Handle>::SERVED),)*
                _ => None,
            }
        }

        /// Starts the handler of the API that the context names.
        fn start(
            cx: Context,
            header: RequestHeader,
            decoder: Decoder,
            in_flight: InFlight,
        ) -> Result<Running, RequestError> {
            match cx.api {
                $(ApiKey::$api => run::<$request>(cx, header, decoder, in_flight),)*
                api => Err(RequestError::NotServed(api)),
            }
        }
    };
}

apis! {
    Produce ProduceRequest
    Fetch FetchRequest
    ListOffsets ListOffsetsRequest
    Metadata MetadataRequest
    OffsetCommit OffsetCommitRequest
    OffsetFetch OffsetFetchRequest
    FindCoordinator FindCoordinatorRequest
    JoinGroup JoinGroupRequest
    Heartbeat HeartbeatRequest
    LeaveGroup LeaveGroupRequest
    SyncGroup SyncGroupRequest
    DescribeGroups DescribeGroupsRequest
    ListGroups ListGroupsRequest
    SaslHandshake SaslHandshakeRequest
    ApiVersions ApiVersionsRequest
    CreateTopics CreateTopicsRequest
    DeleteTopics DeleteTopicsRequest
    DescribeAcls DescribeAclsRequest
    CreateAcls CreateAclsRequest
    DeleteAcls DeleteAclsRequest
    DescribeConfigs DescribeConfigsRequest
    AlterConfigs AlterConfigsRequest
    DeleteRecords DeleteRecordsRequest
    InitProducerId InitProducerIdRequest
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest
    AddPartitionsToTxn AddPartitionsToTxnRequest
    AddOffsetsToTxn AddOffsetsToTxnRequest
    EndTxn EndTxnRequest
    WriteTxnMarkers WriteTxnMarkersRequest
    TxnOffsetCommit TxnOffsetCommitRequest
    DescribeLogDirs DescribeLogDirsRequest
    SaslAuthenticate SaslAuthenticateRequest
    CreatePartitions CreatePartitionsRequest
    ElectLeaders ElectLeadersRequest
    IncrementalAlterConfigs IncrementalAlterConfigsRequest
    AlterPartitionReassignments AlterPartitionReassignmentsRequest
    ListPartitionReassignments ListPartitionReassignmentsRequest
    DeleteGroups DeleteGroupsRequest
    OffsetDelete OffsetDeleteRequest
    DescribeClientQuotas DescribeClientQuotasRequest
    AlterClientQuotas AlterClientQuotasRequest
    DescribeUserScramCredentials DescribeUserScramCredentialsRequest
    AlterUserScramCredentials AlterUserScramCredentialsRequest
    DescribeCluster DescribeClusterRequest
    DescribeProducers DescribeProducersRequest
    DescribeTransactions DescribeTransactionsRequest
    ListTransactions ListTransactionsRequest
    ListConfigResources ListConfigResourcesRequest
    ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest
    ConsumerGroupDescribe ConsumerGroupDescribeRequest
    DescribeTopicPartitions DescribeTopicPartitionsRequest
    ShareGroupHeartbeat ShareGroupHeartbeatRequest
    ShareGroupDescribe ShareGroupDescribeRequest
    ShareFetch ShareFetchRequest
    ShareAcknowledge ShareAcknowledgeRequest
    DescribeShareGroupOffsets DescribeShareGroupOffsetsRequest
    AlterShareGroupOffsets AlterShareGroupOffsetsRequest
    DeleteShareGroupOffsets DeleteShareGroupOffsetsRequest
}

/// A request that cannot be answered in its own form; the connection ends, as with Kafka.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// Not Kafka's protocol, or bytes that do not fit the version they claim.
    #[error("malformed request: {0}")]
    Malformed(#[from] DecodeError),
    /// A key nobody knows.
    #[error("no API has the key {0}")]
    UnknownApi(i16),
    /// An API that this broker does not offer.
    #[error("{0:?} is not served")]
    NotServed(ApiKey),
    /// Not before the client has said who it is, or not any more.
    #[error("{0}")]
    NotNow(#[from] NotNow),
    /// A version that ApiVersions does not offer.
    #[error("version {version} of {api:?} is not served")]
    Version {
        /// The API.
        api: ApiKey,
        /// What was asked for.
        version: i16,
    },
}

/// Begins to answer the request in `frame`, which is without its size prefix.
///
/// Nothing has happened yet when this returns: the future has to be polled.
pub(crate) fn begin(
    frame: Bytes,
    context: impl FnOnce(ApiKey, &RequestHeader) -> Context,
) -> Result<Running, RequestError> {
    let bytes = frame.len();
    let (header, decoder) = decode_request_header(frame)?;
    let Some(api) = ApiKey::from_i16(header.api_key) else {
        return Err(RequestError::UnknownApi(header.api_key));
    };
    let cx = context(api, &header);
    cx.session.login.admit(api, cx.now_ms())?;
    let in_flight = cx.session.counters.begin(api, bytes);
    match cx.cluster.release.versions(api) {
        Some(range) if range.contains(&header.api_version) => start(cx, header, decoder, in_flight),
        _ if api == ApiKey::ApiVersions => {
            let answer = api_versions::unknown_version(cx, header.correlation_id);
            in_flight.end(&answer, ErrorCode::UNSUPPORTED_VERSION);
            Ok(Box::pin(ready(answer)))
        }
        Some(_) => Err(RequestError::Version { api, version: header.api_version }),
        None => Err(RequestError::NotServed(api)),
    }
}

fn run<R: Handle + Send + 'static>(
    mut cx: Context,
    header: RequestHeader,
    mut decoder: Decoder,
    mut in_flight: InFlight,
) -> Result<Running, RequestError>
where
    R::Response: Send,
{
    let version = header.api_version;
    let request = R::decode(&mut decoder, version)?;
    // Bytes behind the request are let be, as Kafka does it: librdkafka's Metadata has three of them.
    if R::HOLDS {
        cx.hold = in_flight.hold();
    }
    Ok(Box::pin(async move {
        let (outcome, error) = if cx.cluster.is_observed() {
            observed::answer(request, cx, header.correlation_id).await
        } else {
            match request.handle(cx).await {
                Ok(response) => {
                    let outcome = finish::<R>(&response, version, header.correlation_id);
                    (outcome, response.error())
                }
                Err(none) => (Err(none), ErrorCode::NONE),
            }
        };
        in_flight.end(&outcome, error);
        outcome
    }))
}

/// A response that this version cannot express is a defect of the handler: the client sees the connection end.
fn finish<R: Handle>(response: &R::Response, version: i16, correlation_id: i32) -> Outcome {
    let encoded = encode_streamed_response::<R>(response, version, correlation_id);
    encoded.map_err(|error: EncodeError| {
        tracing::error!(api = ?R::API_KEY, version, %error, "a response could not be encoded");
        NoAnswer::Disconnect
    })
}
