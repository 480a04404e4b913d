//! DeleteAcls (31), versions 1-3.
//!
//! - 2: flexible; 3: the resource type USER (KIP-373).

use super::{Answer, Context, Handle};
use crate::security::Operation;
use crate::security::acl::{Acl, Filter, FilterFields};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::delete_acls_request::DeleteAclsFilter;
use klamm_protocol::message::delete_acls_response::{
    DeleteAclsFilterResult, DeleteAclsMatchingAcl,
};
use klamm_protocol::message::{DeleteAclsRequest, DeleteAclsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for DeleteAclsRequest {
    const SERVED: RangeInclusive<i16> = 1..=3;

    async fn handle(self, cx: Context) -> Answer<DeleteAclsResponse> {
        if !cx.authorize_cluster(Operation::Alter) {
            return Ok(self.refuse(&cx, ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        }
        let security = &cx.cluster.security;
        if !security.has_authorizer() {
            return Ok(self.refuse(&cx, ErrorCode::SECURITY_DISABLED));
        }
        let filters: Vec<Option<Filter>> = self.filters.iter().map(|f| read(f).ok()).collect();
        let removed = match security.remove_acls(&filters, |changes| cx.record(changes)) {
            Ok((removed, written)) => cx.recorded(written).await.map(|()| removed),
            Err(code) => Err(code),
        };
        let removed = match removed {
            Ok(removed) => removed,
            Err(code) => return Ok(self.refuse(&cx, code)),
        };
        let results = filters.iter().zip(removed).map(|(filter, acls)| match filter {
            None => failed(ErrorCode::INVALID_REQUEST),
            Some(_) => DeleteAclsFilterResult {
                matching_acls: acls.into_iter().map(matching).collect(),
                ..DeleteAclsFilterResult::default()
            },
        });
        Ok(DeleteAclsResponse { filter_results: results.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DeleteAclsResponse {
        let filter_results = vec![failed(code); self.filters.len()];
        DeleteAclsResponse { filter_results, ..DeleteAclsResponse::default() }
    }
}

fn read(filter: &DeleteAclsFilter) -> Result<Filter, &'static str> {
    Filter::read(FilterFields {
        resource: filter.resource_type_filter,
        name: filter.resource_name_filter.as_deref(),
        pattern: filter.pattern_type_filter,
        principal: filter.principal_filter.as_deref(),
        host: filter.host_filter.as_deref(),
        operation: filter.operation,
        permission: filter.permission_type,
    })
}

fn failed(code: ErrorCode) -> DeleteAclsFilterResult {
    DeleteAclsFilterResult {
        error_code: code.0,
        error_message: Some(Str::from_static(code.meaning())),
        ..DeleteAclsFilterResult::default()
    }
}

fn matching(Acl { on, entry }: Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        resource_type: on.resource as i8,
        resource_name: Str::from(on.name),
        pattern_type: on.pattern as i8,
        principal: Str::from(entry.principal),
        host: Str::from(entry.host),
        operation: entry.operation as i8,
        permission_type: entry.permission as i8,
        ..DeleteAclsMatchingAcl::default()
    }
}
