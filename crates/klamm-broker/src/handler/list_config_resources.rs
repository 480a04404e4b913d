//! ListConfigResources (74), versions 0-1: what DescribeConfigs can be asked about (KIP-1142).
//!
//! - 0: asks for client metrics only, of which there are none.

use super::describe_configs::{BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE};
use super::{Answer, Context, Handle};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::list_config_resources_response::ConfigResource;
use klamm_protocol::message::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for ListConfigResourcesRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<ListConfigResourcesResponse> {
        if let Err(code) = cx.check_cluster(Operation::DescribeConfigs) {
            return Ok(self.refuse(&cx, code));
        }
        let all = self.resource_types.is_empty();
        let wanted = |kind| cx.version >= 1 && (all || self.resource_types.contains(&kind));
        let mut config_resources = Vec::new();
        let mut add = |resource_name, resource_type| {
            config_resources.push(ConfigResource { resource_name, resource_type });
        };
        if wanted(TOPIC_RESOURCE) {
            cx.cluster
                .topics
                .all()
                .iter()
                .for_each(|topic| add(topic.name().clone(), TOPIC_RESOURCE));
        }
        if wanted(BROKER_RESOURCE) {
            let ids = cx.cluster.nodes.ids().into_iter();
            ids.for_each(|id| add(Str::from(id.to_string()), BROKER_RESOURCE));
        }
        if wanted(GROUP_RESOURCE) {
            let groups = cx.cluster.configured_groups().into_iter();
            groups.for_each(|group| add(Str::from(group), GROUP_RESOURCE));
        }
        Ok(ListConfigResourcesResponse { config_resources, ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ListConfigResourcesResponse {
        ListConfigResourcesResponse { error_code: code.0, ..Default::default() }
    }
}
