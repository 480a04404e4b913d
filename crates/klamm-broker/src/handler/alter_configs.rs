//! AlterConfigs (33), versions 0-2: replaces all settings of a topic or of the broker by those named.
//!
//! Superseded by IncrementalAlterConfigs; old tools and kafkajs use it.

use super::describe_configs::{BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE, check_node};
use super::incremental_alter_configs::Refused;
use super::{Answer, Context, Handle};
use crate::config::Overrides;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::alter_configs_request::AlterConfigsResource;
use klamm_protocol::message::alter_configs_response::AlterConfigsResourceResponse;
use klamm_protocol::message::{AlterConfigsRequest, AlterConfigsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for AlterConfigsRequest {
    const SERVED: RangeInclusive<i16> = 0..=2;

    async fn handle(self, cx: Context) -> Answer<AlterConfigsResponse> {
        let responses = self.resources.iter().map(|resource| {
            let done = alter(&cx, resource, self.validate_only);
            response(resource, done.err())
        });
        Ok(AlterConfigsResponse { responses: responses.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> AlterConfigsResponse {
        let responses = self.resources.iter().map(|resource| response(resource, Some(code.into())));
        AlterConfigsResponse { responses: responses.collect(), ..Default::default() }
    }
}

fn response(
    resource: &AlterConfigsResource,
    refused: Option<Refused>,
) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: refused.as_ref().map_or(0, |refused| refused.code.0),
        error_message: refused.map(|refused| Str::from(refused.message)),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}

fn alter(
    cx: &Context,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refused> {
    let named = resource.configs.iter();
    // A setting without a value goes back to its default, which is what leaving it out means.
    let named = named.filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())));
    let overrides: Overrides = named.collect();
    match resource.resource_type {
        TOPIC_RESOURCE => {
            cx.check_topic(Operation::AlterConfigs, &resource.resource_name)?;
            let topic = cx.cluster.topics.get(&resource.resource_name);
            let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            Ok(cx.cluster.configure_topic(&topic, overrides, validate_only)?)
        }
        BROKER_RESOURCE => {
            cx.check_cluster(Operation::AlterConfigs)?;
            check_node(cx, &resource.resource_name)?;
            Ok(cx.cluster.configure_broker(overrides, validate_only)?)
        }
        GROUP_RESOURCE if !resource.resource_name.is_empty() => {
            cx.check_group(Operation::AlterConfigs, &resource.resource_name)?;
            Ok(cx.cluster.configure_group(&resource.resource_name, overrides, validate_only)?)
        }
        _ => Err(ErrorCode::INVALID_REQUEST.into()),
    }
}
