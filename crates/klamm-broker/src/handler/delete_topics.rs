//! DeleteTopics (20), versions 1-6.
//!
//! - 5: error messages.
//! - 6: topics by id (KIP-516).

use super::{Answer, Context, Handle};
use crate::fault::Target;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::delete_topics_request::DeleteTopicState;
use klamm_protocol::message::delete_topics_response::DeletableTopicResult;
use klamm_protocol::message::{DeleteTopicsRequest, DeleteTopicsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DeleteTopicsRequest {
    const SERVED: RangeInclusive<i16> = 1..=6;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<DeleteTopicsResponse> {
        let responses = named(&self).into_iter().map(|asked| delete(&cx, asked));
        Ok(DeleteTopicsResponse { responses: responses.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DeleteTopicsResponse {
        let responses = named(self).into_iter().map(|asked| result(asked, code));
        DeleteTopicsResponse { responses: responses.collect(), ..Default::default() }
    }

    fn targets(&self, cx: &Context) -> Vec<Target> {
        let name = |asked: DeleteTopicState| {
            cx.topic_name(&asked.name.unwrap_or_default(), asked.topic_id)
        };
        named(self).into_iter().map(|asked| Target::topic(&name(asked))).collect()
    }
}

/// What a request names, in whichever form its version has.
fn named(request: &DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    let by_name = request.topic_names.iter();
    let by_name = by_name
        .map(|name| DeleteTopicState { name: Some(name.clone()), ..DeleteTopicState::default() });
    by_name.chain(request.topics.iter().cloned()).collect()
}

fn delete(cx: &Context, mut asked: DeleteTopicState) -> DeletableTopicResult {
    if asked.name.is_some() && !asked.topic_id.is_zero() {
        return result(asked, ErrorCode::INVALID_REQUEST);
    }
    let topic = match &asked.name {
        Some(name) => cx.cluster.topics.get(name),
        None => cx.cluster.topics.by_id(asked.topic_id),
    };
    let by_name = asked.name.clone();
    let name = by_name.as_ref().or(topic.as_ref().map(|topic| topic.name()));
    if let Some(Err(code)) = name.map(|name| cx.check_topic(Operation::Delete, name)) {
        return result(asked, code);
    }
    let Some(topic) = topic else {
        let by_name = asked.name.is_some();
        let unknown = if by_name {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ErrorCode::UNKNOWN_TOPIC_ID
        };
        return result(asked, unknown);
    };
    (asked.name, asked.topic_id) = (Some(topic.name().clone()), topic.id());
    if let Some(code) = cx.fault(topic.name(), None) {
        return result(asked, code);
    }
    if !cx.cluster.config().delete_topics {
        return result(asked, ErrorCode::TOPIC_DELETION_DISABLED);
    }
    match cx.cluster.delete_topic(topic.name()) {
        true => result(asked, ErrorCode::NONE),
        false => result(asked, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

fn result(asked: DeleteTopicState, code: ErrorCode) -> DeletableTopicResult {
    DeletableTopicResult {
        name: asked.name,
        topic_id: asked.topic_id,
        error_code: code.0,
        error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
    }
}
