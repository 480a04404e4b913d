//! CreatePartitions (37), versions 0-3. All versions mean the same; 2 is the first flexible one.

use super::{Answer, Context, Handle};
use crate::fault::Target;
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::create_partitions_request::CreatePartitionsTopic;
use klamm_protocol::message::create_partitions_response::CreatePartitionsTopicResult;
use klamm_protocol::message::{CreatePartitionsRequest, CreatePartitionsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for CreatePartitionsRequest {
    const SERVED: RangeInclusive<i16> = 0..=3;
    const FAILS_BY_TOPIC: bool = true;

    async fn handle(self, cx: Context) -> Answer<CreatePartitionsResponse> {
        let results = self.topics.iter().map(|asked| grow(&cx, asked, self.validate_only));
        Ok(CreatePartitionsResponse { results: results.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> CreatePartitionsResponse {
        let results = self.topics.iter().map(|asked| failed(asked, code, code.meaning()));
        CreatePartitionsResponse { results: results.collect(), ..Default::default() }
    }

    fn targets(&self, _: &Context) -> Vec<Target> {
        self.topics.iter().map(|topic| Target::topic(&topic.name)).collect()
    }
}

fn grow(
    cx: &Context,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
) -> CreatePartitionsTopicResult {
    if let Some(code) = cx.fault(&asked.name, None) {
        return failed(asked, code, code.meaning());
    }
    if let Err(code) = cx.check_topic(Operation::Alter, &asked.name) {
        return failed(asked, code, code.meaning());
    }
    let Some(topic) = cx.cluster.topics.get(&asked.name) else {
        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        return failed(asked, code, code.meaning());
    };
    let assignment = asked.assignments.iter().flatten().map(|a| a.broker_ids.clone()).collect();
    match cx.cluster.grow_topic(&topic, asked.count, assignment, validate_only) {
        Ok(()) => CreatePartitionsTopicResult { name: asked.name.clone(), ..Default::default() },
        Err(error) => failed(asked, error.code(), &error.to_string()),
    }
}

fn failed(
    asked: &CreatePartitionsTopic,
    code: ErrorCode,
    message: &str,
) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult {
        name: asked.name.clone(),
        error_code: code.0,
        error_message: Some(Str::from(message)),
    }
}
