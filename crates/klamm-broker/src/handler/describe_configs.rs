//! DescribeConfigs (32), versions 1-4: settings of topics, of the broker and of groups.
//!
//! - 1: where a value comes from, and what would hold without it (synonyms).
//! - 3: types and documentation (KIP-569).
//!
//! Loggers of the broker cannot be described: it has no levels by name.

use super::{Answer, Context, Handle};
use crate::config::{BROKER, BrokerConfig, GROUP, Overrides, Setting, TOPIC};
use crate::security::Operation;
use crate::topics::Topic;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_configs_request::DescribeConfigsResource;
use klamm_protocol::message::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use klamm_protocol::message::{DescribeConfigsRequest, DescribeConfigsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

/// Resource types of the protocol.
pub(super) const TOPIC_RESOURCE: i8 = 2;
pub(super) const BROKER_RESOURCE: i8 = 4;
pub(super) const GROUP_RESOURCE: i8 = 32;

/// Where a value comes from.
const DYNAMIC_TOPIC: i8 = 1;
const DYNAMIC_DEFAULT_BROKER: i8 = 3;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;
const DYNAMIC_GROUP: i8 = 8;

impl Handle for DescribeConfigsRequest {
    const SERVED: RangeInclusive<i16> = 1..=4;

    async fn handle(self, cx: Context) -> Answer<DescribeConfigsResponse> {
        let results = self.resources.iter().map(|resource| match entries(&cx, resource) {
            Ok(entries) => DescribeConfigsResult {
                configs: entries.into_iter().filter(wanted(resource)).map(trimmed(&self)).collect(),
                ..result(resource, ErrorCode::NONE)
            },
            Err(code) => result(resource, code),
        });
        Ok(DescribeConfigsResponse { results: results.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeConfigsResponse {
        let results = self.resources.iter().map(|resource| result(resource, code));
        DescribeConfigsResponse { results: results.collect(), ..Default::default() }
    }
}

fn wanted(resource: &DescribeConfigsResource) -> impl Fn(&DescribeConfigsResourceResult) -> bool {
    // An empty list asks for all, as null does.
    let keys = resource.configuration_keys.clone().filter(|keys| !keys.is_empty());
    move |entry| keys.as_ref().is_none_or(|keys| keys.contains(&entry.name))
}

/// Takes off what was not asked for.
fn trimmed(
    request: &DescribeConfigsRequest,
) -> impl Fn(DescribeConfigsResourceResult) -> DescribeConfigsResourceResult {
    let (synonyms, documentation) = (request.include_synonyms, request.include_documentation);
    move |mut entry| {
        if !synonyms {
            entry.synonyms.clear();
        }
        entry.documentation = entry.documentation.filter(|_| documentation);
        entry
    }
}

fn result(resource: &DescribeConfigsResource, code: ErrorCode) -> DescribeConfigsResult {
    DescribeConfigsResult {
        error_code: code.0,
        error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        configs: Vec::new(),
    }
}

fn entries(
    cx: &Context,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, ErrorCode> {
    match resource.resource_type {
        TOPIC_RESOURCE => cx.check_topic(Operation::DescribeConfigs, &resource.resource_name)?,
        BROKER_RESOURCE => cx.check_cluster(Operation::DescribeConfigs)?,
        GROUP_RESOURCE => cx.check_group(Operation::DescribeConfigs, &resource.resource_name)?,
        _ => {}
    }
    match resource.resource_type {
        TOPIC_RESOURCE => match cx.cluster.topics.get(&resource.resource_name) {
            Some(topic) => Ok(of_topic(&topic, &cx.cluster.config())),
            None => {
                let name = crate::topics::check_name(&resource.resource_name);
                Err(name.map_or_else(|e| e.code(), |()| ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
            }
        },
        BROKER_RESOURCE => {
            check_node(cx, &resource.resource_name)?;
            Ok(of_broker(&cx.cluster.config()))
        }
        GROUP_RESOURCE if !resource.resource_name.is_empty() => {
            let own = cx.cluster.group_overrides(&resource.resource_name);
            Ok(of_group(&own, &cx.cluster.config()))
        }
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}

/// The name of a broker is its node's id, or nothing for all of them.
pub(super) fn check_node(cx: &Context, name: &str) -> Result<(), ErrorCode> {
    let id = name.parse().ok();
    let known = name.is_empty() || id.is_some_and(|id| cx.cluster.nodes.ids().contains(&id));
    if known { Ok(()) } else { Err(ErrorCode::INVALID_REQUEST) }
}

/// Every setting of a topic, with what it inherits.
pub(super) fn of_topic(topic: &Topic, broker: &BrokerConfig) -> Vec<DescribeConfigsResourceResult> {
    let overrides = topic.overrides();
    let entry = |setting: &'static Setting| {
        let own =
            overrides.get(setting.name).map(|value| synonym(setting.name, value, DYNAMIC_TOPIC));
        let inherited = setting.inherited.unwrap_or(setting.name);
        let set = broker.topic_defaults.get(setting.name);
        let set = set.map(|value| synonym(inherited, value, source(broker, inherited)));
        let default = synonym(inherited, setting.default, DEFAULT);
        described(setting, own.into_iter().chain(set).chain([default]).collect())
    };
    TOPIC.iter().map(entry).collect()
}

/// Every setting of the broker, those that topics inherit included.
pub(super) fn of_broker(broker: &BrokerConfig) -> Vec<DescribeConfigsResourceResult> {
    let inherited = TOPIC
        .iter()
        .map(|setting| Setting { name: setting.inherited.unwrap_or(setting.name), ..*setting });
    let entry = |setting: Setting| {
        let dynamic = broker.dynamic.get(setting.name);
        let dynamic = dynamic.map(|value| synonym(setting.name, value, DYNAMIC_DEFAULT_BROKER));
        let given = broker.given.get(setting.name);
        let given = given.map(|value| synonym(setting.name, value, STATIC_BROKER));
        let default = synonym(setting.name, setting.default, DEFAULT);
        described(&setting, dynamic.into_iter().chain(given).chain([default]).collect())
    };
    BROKER.iter().copied().chain(inherited).map(entry).collect()
}

/// Every setting of a group, with what it inherits.
fn of_group(own: &Overrides, broker: &BrokerConfig) -> Vec<DescribeConfigsResourceResult> {
    let entry = |setting: &'static Setting| {
        let own = own.get(setting.name).map(|value| synonym(setting.name, value, DYNAMIC_GROUP));
        let inherited = setting.inherited.unwrap_or(setting.name);
        let set = setting.inherited.and_then(|name| broker.in_force(name));
        let set = set.map(|value| synonym(inherited, value, source(broker, inherited)));
        let default = synonym(inherited, setting.default, DEFAULT);
        described(setting, own.into_iter().chain(set).chain([default]).collect())
    };
    GROUP.iter().map(entry).collect()
}

fn source(broker: &BrokerConfig, name: &str) -> i8 {
    if broker.dynamic.contains_key(name) { DYNAMIC_DEFAULT_BROKER } else { STATIC_BROKER }
}

fn synonym(name: &'static str, value: &str, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym { name: Str::from_static(name), value: Some(Str::from(value)), source }
}

/// An entry whose value is that of the first synonym.
fn described(
    setting: &Setting,
    synonyms: Vec<DescribeConfigsSynonym>,
) -> DescribeConfigsResourceResult {
    let first = synonyms.first();
    DescribeConfigsResourceResult {
        name: Str::from_static(setting.name),
        value: first.and_then(|synonym| synonym.value.clone()),
        read_only: false,
        config_source: first.map_or(DEFAULT, |synonym| synonym.source),
        is_sensitive: false,
        synonyms,
        config_type: setting.kind.wire(),
        documentation: Some(Str::from_static(setting.doc)),
    }
}
