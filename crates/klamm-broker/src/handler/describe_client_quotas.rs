//! DescribeClientQuotas (48), versions 0-1 (KIP-546): what AlterClientQuotas has set.

use super::{Answer, Context, Handle};
use crate::quotas::{Component, Entity, Filter, Match, Refused, Values};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_client_quotas_request::ComponentData;
use klamm_protocol::message::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use klamm_protocol::message::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DescribeClientQuotasRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<DescribeClientQuotasResponse> {
        if let Err(code) = cx.check_cluster(Operation::DescribeConfigs) {
            return Ok(self.refuse(&cx, code));
        }
        let components: Result<_, _> = self.components.iter().map(component).collect();
        match components.and_then(|components| Filter::new(components, self.strict)) {
            Ok(filter) => {
                let found = cx.cluster.quotas.find(&filter).into_iter().map(shown);
                Ok(DescribeClientQuotasResponse {
                    error_message: None,
                    entries: Some(found.collect()),
                    ..DescribeClientQuotasResponse::default()
                })
            }
            Err(refused) => Ok(self.refuse(&cx, refused.code)),
        }
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeClientQuotasResponse {
        DescribeClientQuotasResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            entries: None,
            ..DescribeClientQuotasResponse::default()
        }
    }
}

fn component(asked: &ComponentData) -> Result<Component, Refused> {
    let wanted = match (asked.match_type, &asked.r#match) {
        (0, Some(name)) => Match::Exact(name.to_string()),
        (1, None) => Match::Default,
        (2, None) => Match::Any,
        _ => return Err(Refused::new(ErrorCode::INVALID_REQUEST)),
    };
    Ok((asked.entity_type.to_string(), wanted))
}

fn shown((entity, values): (Entity, Values)) -> EntryData {
    let entity = entity.into_iter().map(|(kind, name)| EntityData {
        entity_type: Str::from(kind),
        entity_name: name.map(Str::from),
    });
    let values = values.into_iter().map(|(key, value)| ValueData { key: Str::from(key), value });
    EntryData { entity: entity.collect(), values: values.collect() }
}
