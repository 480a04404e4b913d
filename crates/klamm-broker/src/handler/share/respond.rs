//! Who leads, beside NOT_LEADER_OR_FOLLOWER.

use crate::handler::Context;
use crate::nodes::Node;
use crate::share::PartitionKey;
use klamm_protocol::error_code::ErrorCode;

/// Leader and epoch of a partition, when that is what the client has to know.
pub(in crate::handler) fn leader_of(
    cx: &Context,
    (topic, index): PartitionKey,
    code: ErrorCode,
) -> Option<(i32, i32)> {
    if code != ErrorCode::NOT_LEADER_OR_FOLLOWER {
        return None;
    }
    Some(cx.cluster.topics.by_id(topic)?.partition(index)?.leader())
}

/// Where the leaders that an answer names are reached.
pub(in crate::handler) fn endpoints(cx: &Context, leaders: &[i32]) -> Vec<Node> {
    if leaders.iter().all(|&leader| leader < 0) {
        return Vec::new();
    }
    cx.nodes_up().into_iter().filter(|node| leaders.contains(&node.id)).collect()
}
