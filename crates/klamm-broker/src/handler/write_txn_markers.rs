//! WriteTxnMarkers (27), versions 1-2: ends a transaction in a partition without asking its coordinator.
//!
//! Tools abort hanging transactions with it; this broker's own markers take no such way.
//!
//! - 2: which transaction protocol the marker is of; of the second it needs a higher epoch than the records (KIP-1228).

use super::{Answer, Context, Handle};
use crate::partition::{Checked, Partition};
use crate::security::Operation;
use klamm_log::{Origin, end_transaction_marker};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::write_txn_markers_request::WritableTxnMarker;
use klamm_protocol::message::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use klamm_protocol::message::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use klamm_protocol::record_batch::BatchHeader;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The transaction version from which every end raises the epoch (KIP-890).
const SECOND_PROTOCOL: i8 = 2;

impl Handle for WriteTxnMarkersRequest {
    const SERVED: RangeInclusive<i16> = 1..=2;

    async fn handle(self, cx: Context) -> Answer<WriteTxnMarkersResponse> {
        if let Err(code) = cx.check_cluster(Operation::ClusterAction) {
            return Ok(self.refuse(&cx, code));
        }
        let mut written = Vec::new();
        let mut response = answer(&self, |marker, topic, index| {
            let found = write(&cx, marker, topic, index);
            let code = found.as_ref().err().copied().unwrap_or(ErrorCode::NONE);
            written.push(found);
            code
        });
        // As safe as any other record before anybody hears of it.
        for (result, written) in results(&mut response).zip(written) {
            let Ok((partition, offset)) = written else { continue };
            if let Err(code) = partition.durable(offset).await {
                result.error_code = code.0;
            }
        }
        Ok(response)
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> WriteTxnMarkersResponse {
        answer(self, |_, _, _| code)
    }
}

/// Where the marker is.
fn write(
    cx: &Context,
    marker: &WritableTxnMarker,
    topic: &str,
    index: i32,
) -> Result<(Arc<Partition>, i64), ErrorCode> {
    let partition = cx.cluster.topics.get(topic).and_then(|topic| topic.partition(index));
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let (id, epoch) = (marker.producer_id, marker.producer_epoch);
    let (commit, coordinator_epoch) = (marker.transaction_result, marker.coordinator_epoch);
    let bytes = end_transaction_marker(id, epoch, commit, coordinator_epoch, cx.now_ms());
    let tv2 = marker.transaction_version >= SECOND_PROTOCOL;
    let marker = Checked { bytes, header: BatchHeader::default() };
    let origin = Origin::Coordinator { epoch: coordinator_epoch, tv2 };
    let appended = partition.append(cx.node_id(), marker, origin);
    let offset = appended.map_err(|refused| refused.code)?.last_offset;
    Ok((partition, offset))
}

fn results(
    response: &mut WriteTxnMarkersResponse,
) -> impl Iterator<Item = &mut WritableTxnMarkerPartitionResult> {
    let topics = response.markers.iter_mut().flat_map(|marker| &mut marker.topics);
    topics.flat_map(|topic| &mut topic.partitions)
}

fn answer(
    request: &WriteTxnMarkersRequest,
    mut write: impl FnMut(&WritableTxnMarker, &str, i32) -> ErrorCode,
) -> WriteTxnMarkersResponse {
    let markers = request.markers.iter().map(|marker| {
        let topics = marker.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|&partition_index| {
                let error_code = write(marker, &topic.name, partition_index).0;
                WritableTxnMarkerPartitionResult { partition_index, error_code }
            });
            WritableTxnMarkerTopicResult {
                name: topic.name.clone(),
                partitions: partitions.collect(),
            }
        });
        WritableTxnMarkerResult { producer_id: marker.producer_id, topics: topics.collect() }
    });
    WriteTxnMarkersResponse { markers: markers.collect() }
}
