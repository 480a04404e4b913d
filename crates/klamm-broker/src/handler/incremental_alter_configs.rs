//! IncrementalAlterConfigs (44), versions 0-1: sets, resets, extends and shortens single settings (KIP-339).
//!
//! Settings of a node are settings of all nodes.

use super::describe_configs::{BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE, check_node};
use super::{Answer, Context, Handle};
use crate::config::{Overrides, SettingError, topic_setting};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use klamm_protocol::message::incremental_alter_configs_response::AlterConfigsResourceResponse;
use klamm_protocol::message::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

/// Operations of the protocol.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

impl Handle for IncrementalAlterConfigsRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<IncrementalAlterConfigsResponse> {
        let responses = self.resources.iter().map(|resource| {
            let done = alter(&cx, resource, self.validate_only);
            response(resource, done.err())
        });
        Ok(IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> IncrementalAlterConfigsResponse {
        let responses =
            self.resources.iter().map(|resource| response(resource, Some(Refused::from(code))));
        IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() }
    }
}

/// Why settings are not changed: what the protocol calls it, and in words.
pub(super) struct Refused {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: code.meaning().to_owned() }
    }
}

impl From<SettingError> for Refused {
    fn from(error: SettingError) -> Self {
        Self { code: ErrorCode::INVALID_CONFIG, message: error.to_string() }
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
    match resource.resource_type {
        TOPIC_RESOURCE => {
            cx.check_topic(Operation::AlterConfigs, &resource.resource_name)?;
            let topic = cx.cluster.topics.get(&resource.resource_name);
            let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            let inherited = cx.cluster.config().topic_defaults.clone();
            let overrides = changed(topic.overrides(), &inherited, &resource.configs)?;
            Ok(cx.cluster.configure_topic(&topic, overrides, validate_only)?)
        }
        BROKER_RESOURCE => {
            cx.check_cluster(Operation::AlterConfigs)?;
            check_node(cx, &resource.resource_name)?;
            let config = cx.cluster.config();
            let dynamic = changed(config.dynamic.clone(), &config.given, &resource.configs)?;
            Ok(cx.cluster.configure_broker(dynamic, validate_only)?)
        }
        GROUP_RESOURCE if !resource.resource_name.is_empty() => {
            let group = &resource.resource_name;
            cx.check_group(Operation::AlterConfigs, group)?;
            let own = cx.cluster.group_overrides(group);
            let own = changed(own, &Overrides::new(), &resource.configs)?;
            Ok(cx.cluster.configure_group(group, own, validate_only)?)
        }
        _ => Err(ErrorCode::INVALID_REQUEST.into()),
    }
}

fn changed(
    mut overrides: Overrides,
    inherited: &Overrides,
    changes: &[AlterableConfig],
) -> Result<Overrides, Refused> {
    for change in changes {
        let name = change.name.to_string();
        if changes.iter().filter(|other| other.name == change.name).count() > 1 {
            let message = format!("{name} is changed twice in one request");
            return Err(Refused { code: ErrorCode::INVALID_REQUEST, message });
        }
        if change.config_operation == DELETE {
            overrides.remove(&name);
            continue;
        }
        let Some(value) = &change.value else {
            let message = format!("{name} has no value");
            return Err(Refused { code: ErrorCode::INVALID_CONFIG, message });
        };
        let value = match change.config_operation {
            SET => value.to_string(),
            APPEND | SUBTRACT => {
                let present = overrides.get(&name).or_else(|| inherited.get(&name)).cloned();
                spliced(&name, present, value, change.config_operation == APPEND)?
            }
            _ => return Err(ErrorCode::INVALID_REQUEST.into()),
        };
        overrides.insert(name, value);
    }
    Ok(overrides)
}

/// The list `present` with the words of `value`, or without them.
fn spliced(
    name: &str,
    present: Option<String>,
    value: &str,
    append: bool,
) -> Result<String, Refused> {
    let Some(setting) = topic_setting(name).filter(|setting| setting.kind.is_list()) else {
        let message = format!("{name} is no list");
        return Err(Refused { code: ErrorCode::INVALID_CONFIG, message });
    };
    let present = present.unwrap_or_else(|| setting.default.to_owned());
    let mut words: Vec<&str> =
        present.split(',').map(str::trim).filter(|w| !w.is_empty()).collect();
    for word in value.split(',').map(str::trim) {
        words.retain(|&other| other != word);
        if append {
            words.push(word);
        }
    }
    Ok(words.join(","))
}
