//! DeleteShareGroupOffsets (92), version 0: has a share group without members forget what it read of topics (KIP-932).

use super::{Answer, Context, Handle};
use crate::fault::Keys;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic as Entry;
use klamm_protocol::message::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};
use klamm_protocol::primitives::{Str, Uuid};
use std::ops::RangeInclusive;

impl Handle for DeleteShareGroupOffsetsRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<DeleteShareGroupOffsetsResponse> {
        let group = &self.group_id;
        let allowed = cx.check_group(Operation::Delete, group);
        if let Err(code) = allowed.and_then(|()| cx.check_coordinator(group)) {
            return Ok(self.refuse(&cx, code));
        }
        let empty = cx.coordinate(|c| c.check_empty_share_group(group)).await;
        if let Err(code) = empty.and_then(|empty| empty) {
            return Ok(self.refuse(&cx, code));
        }
        let mut written = -1;
        let names = self.topics.iter().map(|topic| &topic.topic_name);
        let responses = names.map(|name| delete(&cx, group, name, &mut written)).collect();
        match cx.recorded(written).await {
            Ok(()) => Ok(DeleteShareGroupOffsetsResponse { responses, ..Default::default() }),
            Err(code) => Ok(self.refuse(&cx, code)),
        }
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DeleteShareGroupOffsetsResponse {
        DeleteShareGroupOffsetsResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            ..DeleteShareGroupOffsetsResponse::default()
        }
    }

    fn keys(&self) -> Keys {
        Keys::groups([&self.group_id])
    }
}

fn delete(cx: &Context, group: &Str, name: &Str, written: &mut i64) -> Entry {
    let topic = cx
        .check_topic(Operation::Read, name)
        .and_then(|()| cx.cluster.topics.get(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let done = topic
        .as_ref()
        .map_err(|&code| code)
        .and_then(|topic| cx.cluster.forget_shares_of_group(group, Some(topic.id())));
    let code = done.map(|at| *written = at.max(*written)).err().unwrap_or_default();
    Entry {
        topic_name: name.clone(),
        topic_id: topic.map_or(Uuid::ZERO, |topic| topic.id()),
        error_code: code.0,
        error_message: (!code.is_ok()).then(|| Str::from_static(code.meaning())),
    }
}
