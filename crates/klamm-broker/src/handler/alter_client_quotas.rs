//! AlterClientQuotas (49), versions 0-1 (KIP-546): quotas are kept, and slow nobody down.

use super::{Answer, Context, Handle};
use crate::quotas::{Refused, changed, entity};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::alter_client_quotas_request::EntryData as Asked;
use klamm_protocol::message::alter_client_quotas_response::{EntityData, EntryData};
use klamm_protocol::message::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for AlterClientQuotasRequest {
    const SERVED: RangeInclusive<i16> = 0..=1;

    async fn handle(self, cx: Context) -> Answer<AlterClientQuotasResponse> {
        if let Err(code) = cx.check_cluster(Operation::AlterConfigs) {
            return Ok(self.refuse(&cx, code));
        }
        let set = |entry| (entry, set(&cx, entry, self.validate_only));
        let results: Vec<_> = self.entries.iter().map(set).collect();
        let last = results.iter().filter_map(|(_, result)| result.as_ref().ok()).max();
        if let Err(code) = cx.recorded(last.copied().unwrap_or(-1)).await {
            return Ok(self.refuse(&cx, code));
        }
        let entries = results.into_iter().map(|(entry, result)| answered(entry, result.err()));
        Ok(AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> AlterClientQuotasResponse {
        let entries = self.entries.iter().map(|entry| answered(entry, Some(Refused::new(code))));
        AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() }
    }
}

/// What to wait for; -1 when nothing was written.
fn set(cx: &Context, asked: &Asked, validate_only: bool) -> Result<i64, Refused> {
    let parts = asked.entity.iter();
    let parts = parts.map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
    let entity = entity(parts)?;
    let ops = || asked.ops.iter().map(|op| (op.key.as_str(), (!op.remove).then_some(op.value)));
    if validate_only {
        return changed(&entity, &Default::default(), ops()).map(|_| -1);
    }
    let change = |values: &_| changed(&entity, values, ops());
    cx.cluster.quotas.set(entity.clone(), change, |changes| cx.record(changes))
}

fn answered(asked: &Asked, refused: Option<Refused>) -> EntryData {
    let entity = asked.entity.iter().map(|part| EntityData {
        entity_type: part.entity_type.clone(),
        entity_name: part.entity_name.clone(),
    });
    EntryData {
        error_code: refused.as_ref().map_or(ErrorCode::NONE, |refused| refused.code).0,
        error_message: refused.map(|refused| Str::from(refused.why)),
        entity: entity.collect(),
    }
}
