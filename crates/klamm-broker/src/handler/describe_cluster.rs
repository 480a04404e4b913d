//! DescribeCluster (60), versions 0-2.
//!
//! - 1: the kind of endpoint (KIP-919); only brokers can be asked for here.
//! - 2: nodes that are down, when asked for (KIP-1073).

use super::{Answer, Context, Handle};
use crate::security::ResourceType;
use crate::security::acl::CLUSTER;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_cluster_response::DescribeClusterBroker;
use klamm_protocol::message::{DescribeClusterRequest, DescribeClusterResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

/// The endpoint type of brokers.
const BROKERS: i8 = 1;

impl Handle for DescribeClusterRequest {
    const SERVED: RangeInclusive<i16> = 0..=2;

    async fn handle(self, cx: Context) -> Answer<DescribeClusterResponse> {
        if self.endpoint_type != BROKERS {
            return Ok(self.refuse(&cx, ErrorCode::MISMATCHED_ENDPOINT_TYPE));
        }
        let nodes = if self.include_fenced_brokers {
            cx.cluster.nodes.all(cx.session.entrance.listener)
        } else {
            cx.nodes_up()
        };
        let brokers = nodes.into_iter().map(|node| DescribeClusterBroker {
            is_fenced: !cx.cluster.nodes.is_up(node.id),
            broker_id: node.id,
            host: node.host,
            port: node.port,
            rack: node.rack,
        });
        let asks = self.include_cluster_authorized_operations;
        Ok(DescribeClusterResponse {
            cluster_authorized_operations: cx.authorized_operations(
                asks,
                ResourceType::Cluster,
                CLUSTER,
            ),
            cluster_id: cx.cluster.id.clone(),
            controller_id: cx.cluster.nodes.controller(),
            brokers: brokers.collect(),
            ..DescribeClusterResponse::default()
        })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeClusterResponse {
        DescribeClusterResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            ..DescribeClusterResponse::default()
        }
    }
}
