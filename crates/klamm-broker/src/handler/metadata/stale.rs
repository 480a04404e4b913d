//! What a node tells that was frozen: topics as they were. It makes none.

use super::failed;
use crate::handler::Context;
use crate::security::Operation;
use crate::stale_metadata::Snapshot;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::MetadataRequest;
use klamm_protocol::message::metadata_request::MetadataRequestTopic;
use klamm_protocol::message::metadata_response::MetadataResponseTopic;

pub(super) fn topics(
    cx: &Context,
    request: &MetadataRequest,
    then: &Snapshot,
) -> Vec<MetadataResponseTopic> {
    match &request.topics {
        Some(asked) if cx.version > 0 || !asked.is_empty() => {
            asked.iter().map(|topic| one(cx, topic, then)).collect()
        }
        _ => {
            let seen = |topic: &&MetadataResponseTopic| check(cx, topic).is_ok();
            then.topics().iter().filter(seen).map(|topic| struck(cx, topic)).collect()
        }
    }
}

fn one(cx: &Context, asked: &MetadataRequestTopic, then: &Snapshot) -> MetadataResponseTopic {
    let (found, unknown) = match &asked.name {
        Some(name) if asked.topic_id.is_zero() => {
            if let Err(code) = cx.check_topic(Operation::Describe, name) {
                return failed(asked, code);
            }
            (then.by_name(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        }
        _ => (then.by_id(asked.topic_id), ErrorCode::UNKNOWN_TOPIC_ID),
    };
    match found.filter(|topic| check(cx, topic).is_ok()) {
        Some(topic) => struck(cx, topic),
        None => failed(asked, unknown),
    }
}

fn check(cx: &Context, topic: &MetadataResponseTopic) -> Result<(), ErrorCode> {
    cx.check_topic(Operation::Describe, topic.name.as_deref().unwrap_or_default())
}

/// The topic, or the error that a fault rule wants for it.
fn struck(cx: &Context, topic: &MetadataResponseTopic) -> MetadataResponseTopic {
    match cx.fault(topic.name.as_deref().unwrap_or_default(), None) {
        None => topic.clone(),
        Some(code) => MetadataResponseTopic {
            error_code: code.0,
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            ..MetadataResponseTopic::default()
        },
    }
}
